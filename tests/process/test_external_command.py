"""Work on weights that is done in a child process."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

import pytest

from errors import WeightsError
from modules.weights.external_command import CommandFailed, run_command


def run_child(code: str, folder: Path, stop: Event | None = None) -> None:
    run_command([sys.executable, "-c", code], folder, needed_bytes=2_000_000, stop=stop or Event())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_disk_that_fills_in_a_child_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"too full: 2\.0 MB are needed"):
        run_child("open('/dev/full', 'wb').write(bytes(100_000))", tmp_path)


def test_child_that_fails_is_told_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="ended with status 1: ValueError: no such thing"):
        run_child("raise ValueError('no such thing')", tmp_path)


def test_child_is_ended_when_its_run_is_given_up(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(CommandFailed, match="ended with signal 15"):
        run_child("import threading; threading.Event().wait()", tmp_path, stop)
