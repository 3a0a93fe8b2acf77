"""The command line as a user meets it: real processes, fakes in the place of models."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
import wave

import jsonschema
import numpy as np
import pytest

import pipeline
from checkout import ROOT
from modules.contract.payloads import Audio
from tests.conftest import write_fake_config
from workers.processes.termination import TERMINATION_SIGNALS
from workers.report import Report

WAIT_S = 120


def relevo(*arguments, **changes):
    return subprocess.run(
        [sys.executable, ROOT / "pipeline.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        **changes,
    )


def write_wav(path, level=0.5, seconds=0.5, rate=16000):
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(np.full(int(rate * seconds), level * 32767, "<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a relay for tests that need none of their own."""
    with pipeline.Pipeline.from_config(write_fake_config(tmp_path_factory.mktemp("shared"))) as relay:
        yield relay.address


def test_run_writes_speech_texts_and_a_report_of_its_schema(fake_config, tmp_path):
    files = [write_wav(tmp_path / f"{name}.wav") for name in "ab"]
    report_file = tmp_path / "report.json"
    done = relevo(
        "run", *files, "--config", fake_config(speak={"pieces": 2}), "--ratio", "1:1:2",
        "--output", tmp_path / "out", "--report", report_file,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "zh(en500.0)/1" in done.stdout
    report = json.loads(report_file.read_text())
    jsonschema.validate(report, Report.model_json_schema())
    assert report["ready_s"] > 0
    assert [clip["outcome"] for clip in report["clips"]] == ["ok", "ok"]
    assert report["stages"]["speak"]["replicas"] == 2
    assert report["stages"]["speak"]["jobs"] == 2
    assert 0 < report["stages"]["speak"]["busy"] <= 1
    clip = report["clips"][0]
    assert clip["texts"] == {"listen": "en500.0", "translate": "zh(en500.0)/1"}
    assert clip["stages"]["listen"]["service_s"] > 0
    with wave.open(clip["wav"]) as wav:
        assert wav.getnframes() == 16000


def test_bad_files_fail_alone_and_the_exit_status_says_so(address, tmp_path):
    good = write_wav(tmp_path / "good.wav")
    text = tmp_path / "text.wav"
    text.write_text("this is not audio")
    empty = tmp_path / "empty.wav"
    empty.touch()
    short = write_wav(tmp_path / "short.wav", seconds=0.1)
    missing = tmp_path / "missing.wav"
    report_file = tmp_path / "report.json"
    done = relevo(
        "run", text, empty, short, missing, tmp_path, good, "--connect", address,
        "--output", tmp_path / "out", "--report", report_file,
    )  # fmt: skip
    assert done.returncode == 1
    clips = json.loads(report_file.read_text())["clips"]
    assert [clip["outcome"] for clip in clips] == ["failed"] * 5 + ["ok"]
    for clip in clips[:5]:
        assert clip["file"] in clip["error"]


def test_files_of_the_same_name_do_not_overwrite_each_other(address, tmp_path):
    (tmp_path / "x").mkdir()
    files = [write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "x" / "a.wav")]
    done = relevo("run", *files, "--connect", address, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-1.zh.wav", "a-2.zh.wav"]


def test_silence_ends_well_and_says_that_there_was_nothing_to_say(fake_config, tmp_path):
    done = relevo(
        "run", write_wav(tmp_path / "a.wav"), "--config", fake_config(listen={"pieces": 0}), "--output", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "no speech was found" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "nope=1"], "unknown key 'nope'"),
        (["--ratio", "1:1"], "2 parts but the relay has 3 stages"),
        (["--ratio", "1:1:9"], "9 replicas"),
        (["--set", "stages.speak.options.volume=3"], "volume"),
        (["--in-flight", "0"], "--in-flight 0"),
    ],
)
def test_a_wrong_configuration_is_one_clear_line_and_status_2(fake_config, tmp_path, arguments, message):
    done = relevo("run", write_wav(tmp_path / "a.wav"), "--config", fake_config(), *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_default_configuration_says_in_one_line_what_brings_its_models(tmp_path, monkeypatch):
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    done = relevo("check")
    assert done.returncode == 1
    assert "`relevo weights fetch openai/whisper-large`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_missing_weights_are_one_line_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path))
    done = relevo("check", "--config", ROOT / "pipelines" / "offline.yaml")
    assert done.returncode == 1
    assert "weights fetch" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_prints_the_plan(fake_config):
    autoscale = {"speak": {"autoscale": {"min": 2, "max": 4}}}
    done = relevo("check", "--config", fake_config(autoscale), "--ratio", "1:1:4", env={"COLUMNS": "200", "PATH": ""})
    assert done.returncode == 0, done.stderr
    for word in (
        "listen",
        "modules.testing.faulty:FaultySpeak",
        "6 replicas",
        "2 to 4 by load",
        "warning",
        "threads on 4 cores",
    ):
        assert word in done.stdout


def test_serve_takes_several_clients_and_drains_on_sigterm(fake_config, tmp_path):
    serve = subprocess.Popen(
        [sys.executable, ROOT / "pipeline.py", "serve", "--config", fake_config(), "--listen", "tcp://127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = serve.stdout.readline().removeprefix("ready at ").strip()
        metrics = serve.stdout.readline().removeprefix("metrics at ").strip()
        file = write_wav(tmp_path / "a.wav")
        runs = [
            subprocess.Popen(
                [
                    sys.executable,
                    ROOT / "pipeline.py",
                    "run",
                    file,
                    file,
                    "--connect",
                    address,
                    "--output",
                    tmp_path / str(number),
                ],
                stdout=subprocess.DEVNULL,
            )
            for number in range(2)
        ]
        assert [run.wait(WAIT_S) for run in runs] == [0, 0]
        assert 'relevo_requests_total{outcome="ok"} 4.0' in urllib.request.urlopen(metrics).read().decode()
        serve.send_signal(signal.SIGTERM)
        assert serve.wait(WAIT_S) == 0
    finally:
        serve.kill()
        serve.communicate()
    assert (tmp_path / "1" / "a-1.zh.wav").exists()


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
def test_a_signal_ends_a_run_cleanly(fake_config, tmp_path, number):
    endless = {"pieces": 10**6}  # an output at a time, so that its replica ends as soon as it is asked to
    run = subprocess.Popen(
        [sys.executable, ROOT / "pipeline.py", "run", write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav"),
         "--config", fake_config(speak=endless), "--output", tmp_path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in run.stdout:
        if "translate: zh" in line:
            break
    run.send_signal(number)
    _, errors = run.communicate(timeout=WAIT_S)
    assert run.returncode == 128 + number
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", TERMINATION_SIGNALS)
def test_a_signal_ends_a_run_though_a_library_drops_its_exception(fake_config, tmp_path, monkeypatch, number):
    def read_audio(path):
        with contextlib.suppress(BaseException):
            signal.raise_signal(number)
        return Audio(np.full(8000, 0.5, np.float32), 16000)

    monkeypatch.setattr("commands.run.translation.read_audio", read_audio)
    gate = tmp_path / "gate"
    gate.touch()
    recording = str(write_wav(tmp_path / "a.wav"))
    arguments = ["run", recording, "--config", str(fake_config(speak={"gate": str(gate)}))]
    before = {each: signal.getsignal(each) for each in TERMINATION_SIGNALS}
    try:
        status = pipeline.main(arguments)
    except SystemExit as error:
        status = error.code
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    assert status == 128 + number
