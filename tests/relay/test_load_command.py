"""`relevo load` as a user runs it: real processes, with fakes in place of models."""

from __future__ import annotations

import signal
import subprocess
import sys
import wave

import numpy as np
import pytest

from benchmarks.load.run_record import load_run
from checkout import ROOT

WAIT_S = 120


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(np.full(8000, 16000, "<i2").tobytes())
    return path


def command(*arguments):
    return [sys.executable, "pipeline.py", "load", *map(str, arguments)]


def run(*arguments):
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False)


def check_run(folder, done, requests, warm_up):
    """Checks a run, which may be invalid on a machine that is busy with something else."""
    assert done.returncode in (0, 3), done.stderr
    assert (done.returncode == 3) == ("INVALID" in done.stdout)
    record, (trial,) = load_run(folder)
    assert len(trial.samples) == trial.trial.requests == requests
    assert {sample.outcome for sample in trial.samples} == {"ok"}
    assert sum(sample.warm_up for sample in trial.samples) == warm_up
    assert [sample.scheduled_s for sample in trial.samples] == sorted(sample.scheduled_s for sample in trial.samples)
    for sample in trial.samples:
        assert sample.scheduled_s <= sample.sent_s < sample.end_s
        assert sample.sent_s < sample.first_audio_s <= sample.end_s + 0.5  # the sound lasts on
        assert sorted(span.stage for span in sample.spans) == ["listen", "speak", "translate"]
    assert trial.trial.cpu_s > 0
    assert record.environment["commit"] is not None
    assert (folder / "report.html").read_text().count("data:image/png") == 5
    return record


def test_a_relay_of_our_own_is_loaded_and_reported(fake_config, clip, tmp_path):
    folder = tmp_path / "out"
    done = run(
        clip, "--config", fake_config(), "--ratio", "1:1:2", "--set", "stages.speak.options.pieces=1", "--rate", "40",
        "--requests", "30", "--warm-up", "5", "--slo", "p95=60s", "--samples", "samples.parquet", "--output", folder,
    )  # fmt: skip
    record = check_run(folder, done, 30, 5)
    assert record.title == "fake at 1:1:2"
    assert record.config["ratio"] == "1:1:2"
    assert record.ready_s > 0
    assert record.levels[0].objectives["p95=60s"].held
    assert f"report: {folder / 'report.html'}" in done.stdout


def test_a_running_relay_is_loaded_and_stays_up(fake_config, clip, tmp_path):
    serve = subprocess.Popen(
        [sys.executable, "pipeline.py", "serve", "--config", fake_config(), "--listen", "tcp://127.0.0.1:0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = serve.stdout.readline().removeprefix("ready at ").strip()
        folder = tmp_path / "out"
        done = run(
            clip, "--connect", address, "--arrivals", "burst:5", "--rate", "50", "--requests", "20", "--output", folder
        )
        record = check_run(folder, done, 20, 0)
        assert record.ready_s is None
        assert record.cores > 0
        serve.send_signal(signal.SIGTERM)
        assert serve.wait(WAIT_S) == 0
    finally:
        serve.kill()
        serve.communicate()


def test_the_peak_of_a_relay_is_searched_and_every_probe_recorded(fake_config, clip, tmp_path):
    folder = tmp_path / "out"
    done = run(
        clip, "--config", fake_config(), "--find-peak", "--rate", "20", "--requests", "10", "--slo", "p50=60s",
        "--most-probes", "2", "--arrivals", "constant", "--output", folder,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    record, trials = load_run(folder)
    assert (record.peak.held, record.peak.missed, record.peak.probes) == (40.0, None, 2)
    assert [one.trial.rate for one in trials] == [20.0, 40.0]


def test_a_run_of_two_requests_says_that_these_are_too_few(fake_config, clip, tmp_path):
    folder = tmp_path / "out"
    done = run(
        clip, "--config", fake_config(), "--arrivals", "constant", "--rate", "20", "--requests", "2",
        "--output", folder,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    assert "trial 1 of 1: constant 20/s: 2 requests in 0.05 s" in done.stdout
    assert "too few requests to say what was achieved: 2 measured, 10 needed" in done.stdout
    assert "efficiency" not in done.stdout
    assert load_run(folder)[0].levels[0].achieved_rps is None


def test_rejected_requests_are_outcomes_and_not_sent_again(fake_config, clip, tmp_path):
    gate = tmp_path / "gate"
    gate.touch()
    folder = tmp_path / "out"
    done = run(
        clip, "--config", fake_config(listen={"gate": str(gate)}), "--set", "stages.listen.queue_items=2",
        "--arrivals", "burst:20", "--rate", "20", "--requests", "20", "--give-up", "1", "--output", folder,
    )  # fmt: skip
    assert done.returncode in (1, 3), done.stderr
    record, (trial,) = load_run(folder)
    outcomes = record.levels[0].outcomes
    assert sum(outcomes.values()) == 20
    assert outcomes["rejected"] >= 17
    assert {sample.outcome for sample in trial.samples} == {"rejected", "cancelled"}
    assert all("given up" in sample.error for sample in trial.samples if sample.outcome == "cancelled")


def endless_search(*arguments):
    """Starts a search for a rate that it will not find, and returns after its second trial."""
    load_test = subprocess.Popen(
        command(*arguments, "--find-peak", "--rate", "50", "--requests", "10", "--slo", "p50=60s",
                "--tolerance", "1e-9", "--most-probes", "1000"),
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in load_test.stdout:
        if line.startswith("poisson 100/s"):
            break
    return load_test


def test_an_interrupt_reports_what_was_done_and_leaves_nothing_behind(fake_config, clip, tmp_path):
    folder = tmp_path / "out"
    load_test = endless_search(clip, "--config", fake_config(), "--output", folder)
    load_test.send_signal(signal.SIGINT)
    _, errors = load_test.communicate(timeout=WAIT_S)
    assert load_test.returncode == 130, errors
    assert errors == ""
    record, trials = load_run(folder)
    assert record.interrupted
    assert len(trials) >= 2
    assert (folder / "report.html").exists()


def test_a_clip_that_cannot_be_read_is_one_clear_line(fake_config, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("this is not audio")
    done = run(text, "--config", fake_config(), "--rate", "10", "--requests", "5", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert str(text) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_relay_that_goes_away_costs_no_finished_trial(fake_config, clip, tmp_path):
    serve = subprocess.Popen(
        [sys.executable, "pipeline.py", "serve", "--config", fake_config()],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        address = serve.stdout.readline().removeprefix("ready at ").strip()
        folder = tmp_path / "out"
        load_test = endless_search(clip, "--connect", address, "--give-up", "1", "--output", folder)
        serve.send_signal(signal.SIGTERM)
        _, errors = load_test.communicate(timeout=WAIT_S)
        assert load_test.returncode == 1, errors
        record, trials = load_run(folder)
        assert "no relay answers" in record.interrupted
        assert len(trials) >= 2
        assert (folder / "report.html").exists()
    finally:
        serve.kill()
        serve.communicate()
