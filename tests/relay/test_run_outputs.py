"""What `relevo run` leaves behind and shows, whatever its files are called and wherever its output goes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from checkout import ROOT
from pipeline import Pipeline
from tests.conftest import write_fake_config

RELEVO = [sys.executable, str(ROOT / "pipeline.py")]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def relay(tmp_path_factory) -> Iterator[str]:
    """The address of a relay for the tests of this file."""
    with Pipeline.from_config(write_fake_config(tmp_path_factory.mktemp("relay"))) as pipeline:
        yield pipeline.address


def write_wav(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(exist_ok=True)
    with wave.open(os.fspath(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16000)
        wav.writeframes(np.full(int(16000 * seconds), 16384, "<i2").tobytes())
    return path


def run(relay: str, *arguments: object, folder: Path, **changes) -> subprocess.CompletedProcess[bytes]:
    """Runs `relevo run` in a folder, with its report there as report.json."""
    command = [*RELEVO, "run", "--connect", relay, "--report", "report.json", *map(os.fspath, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, **changes)


def clips(folder: Path) -> list[dict[str, object]]:
    return json.loads((folder / "report.json").read_text("utf-8"))["clips"]


def test_no_two_recordings_share_a_file(relay, tmp_path):
    files = [write_wav(tmp_path / name) for name in ("x/a.wav", "y/a.wav", "a-1.wav")]
    done = run(relay, *files, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    names = ["a-1-2.zh.wav", "a-2.zh.wav", "a-1.zh.wav"]
    assert [clip["wav"] for clip in clips(tmp_path)] == [f"output/{name}" for name in names]
    assert {path.name for path in (tmp_path / "output").iterdir()} == set(names)


def test_speech_that_cannot_be_written_fails_alone(relay, tmp_path):
    (tmp_path / "output" / "a.zh.wav").mkdir(parents=True)
    done = run(relay, write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav"), folder=tmp_path)
    assert done.returncode == 1
    assert [clip["outcome"] for clip in clips(tmp_path)] == ["failed", "ok"]
    assert "output/a.zh.wav: cannot be written (Is a directory)" in clips(tmp_path)[0]["error"]
    assert (tmp_path / "output" / "b.zh.wav").is_file()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_neither_names_nor_encodings_stop_a_run(relay, tmp_path, encoding):
    name = b"bad\xff\x1b[2J[b]"
    file = write_wav(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b".wav")))
    done = run(relay, file, folder=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert rb"bad\xff\x1b[2J[b].wav" in done.stdout
    assert b"\x1b" not in done.stdout
    assert clips(tmp_path)[0]["file"].endswith("bad\\xff\x1b[2J[b].wav")
    assert [os.fsencode(path.name) for path in (tmp_path / "output").iterdir()] == [name + b".zh.wav"]


def test_a_run_goes_on_when_nobody_reads_its_output(relay, tmp_path):
    files = [write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav")]
    command = shlex.join([*RELEVO, "run", "--connect", relay, "--report", "report.json", *map(str, files)])
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | head -1"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 1
    assert [clip["outcome"] for clip in clips(tmp_path)] == ["ok", "ok"]
    assert len(list((tmp_path / "output").iterdir())) == 2


def test_a_report_that_is_lost_is_an_error_and_the_figures_are_printed(relay, tmp_path):
    done = run(relay, write_wav(tmp_path / "a.wav"), "--report", "/dev/full", folder=tmp_path)
    assert done.returncode == 1
    assert b"cannot write --report /dev/full: No space left on device" in done.stderr
    assert b"output/a.zh.wav" in done.stdout


def on_a_terminal(command: list[str], columns: int, folder: Path) -> str:
    """What a command shows on a terminal of a width."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        os.environ.pop("COLUMNS", None)
        os.execve(command[0], command, {**os.environ, "TERM": "xterm"})
    shown = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not some:
            break
        shown += some
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return ESCAPES.sub("", shown.decode()).replace("\r", "")


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_a_terminal_of_any_width_shows_every_number_whole(relay, tmp_path, columns):
    file = write_wav(tmp_path / "a.wav", seconds=1.5)
    command = [*RELEVO, "run", "--connect", relay, "--report", "report.json", str(file)]
    shown = on_a_terminal(command, columns, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    for stage in report["stages"].values():
        queue, service = stage["queue_s"], stage["service_s"]
        for number in (
            f"{stage['replicas']} × {stage['threads']}",
            f"{queue['p50']:.2f} / {queue['p95']:.2f}",
            f"{service['p50']:.2f} / {service['p95']:.2f}",
            f"{stage['throughput_rps']:.2f}",
            f"{stage['busy']:.0%}",
        ):
            assert number in shown
    assert "1.5 s" in shown
    assert "1/1" in shown


def test_a_module_of_the_current_folder_runs_though_another_file_there_is_called_like_one_of_relevo(tmp_path):
    (tmp_path / "my_models").mkdir()
    (tmp_path / "my_models" / "shout.py").write_text(
        "from modules.contract.module import Module\n"
        "from modules.contract.payloads import Audio, Text\n"
        "class Shout(Module):\n"
        "    accepts, yields = Audio, Text\n"
        "    def __init__(self, model, options, compute): pass\n"
        "    def warm_up(self): pass\n"
        "    def process(self, batch):\n"
        "        for position, audio in enumerate(batch):\n"
        "            yield position, Text('HEARD', 'en')\n"
    )
    (tmp_path / "errors.py").write_text("raise SystemExit('the current folder was searched first')\n")
    (tmp_path / "mine.yaml").write_text("stages: {shout: {module: 'my_models.shout:Shout', threads: 1}}\n")
    write_wav(tmp_path / "a.wav")
    command = [*RELEVO, "run", "--config", "mine.yaml", "a.wav"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shout: HEARD" in done.stdout


def test_a_load_test_runs_though_a_file_of_the_current_folder_is_called_like_one_of_relevo(relay, tmp_path):
    (tmp_path / "errors.py").write_text("raise SystemExit('the current folder was searched first')\n")
    write_wav(tmp_path / "a.wav")
    command = [*RELEVO, "load", "a.wav", "--connect", relay, "--rate", "20", "--requests", "3", "--output", "report"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report").is_dir()
