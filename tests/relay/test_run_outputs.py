"""What `relevo run` leaves behind and shows, whatever its files are called and wherever its output goes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import wave
from pathlib import Path

import numpy as np
import pytest

from checkout import ROOT
from pipeline import Pipeline

RELEVO = [sys.executable, str(ROOT / "pipeline.py")]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def relay(fake_config):
    with Pipeline.from_config(fake_config()) as pipeline:
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


def test_every_ending_of_a_run(relay, tmp_path):
    """One relay for all: names that collide, a file that cannot be written, and streams of every kind."""
    files = [write_wav(tmp_path / name) for name in ("x/a.wav", "y/a.wav", "a-1.wav")]

    done = run(relay, *files, "--output", "names", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "names").iterdir()) == [
        "a-1-2.zh.wav",
        "a-1.zh.wav",
        "a-2.zh.wav",
    ]
    assert [clip["wav"] for clip in clips(tmp_path)] == [f"names/a-{n}.zh.wav" for n in ("1-2", "2", "1")]

    (tmp_path / "full" / "a-1.zh.wav").mkdir(parents=True)
    done = run(relay, files[2], write_wav(tmp_path / "b.wav"), "--output", "full", folder=tmp_path)
    assert done.returncode == 1
    assert [clip["outcome"] for clip in clips(tmp_path)] == ["failed", "ok"]
    assert "full/a-1.zh.wav: cannot be written (Is a directory)" in clips(tmp_path)[0]["error"]
    assert (tmp_path / "full" / "b.zh.wav").is_file()

    hostile = write_wav(Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff\x1b[2J[/b].wav")))
    for encoding in ("latin-1", "ascii", "utf-8"):
        done = run(relay, hostile, folder=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding})
        assert done.returncode == 0, done.stderr
        assert rb"bad\xff\x1b[2J[/b].wav" in done.stdout
        assert b"\x1b" not in done.stdout
        assert clips(tmp_path)[0]["file"].endswith("bad\\xff\x1b[2J[/b].wav")
    assert b"bad\xff\x1b[2J[/b].zh.wav" in os.listdir(os.fsencode(tmp_path / "output"))

    (tmp_path / "report.json").unlink()
    command = f"{' '.join(RELEVO)} run --connect {relay} --output piped --report report.json b.wav a-1.wav | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 1
    assert [clip["outcome"] for clip in clips(tmp_path)] == ["ok", "ok"]
    assert len(list((tmp_path / "piped").iterdir())) == 2

    done = run(relay, "b.wav", "--report", "/dev/full", folder=tmp_path)
    assert done.returncode == 1
    assert b"cannot write --report /dev/full: No space left on device" in done.stderr
    assert b"output/b.zh.wav" in done.stdout


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
