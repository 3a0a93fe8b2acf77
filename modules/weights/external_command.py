"""Runs an external command, such as pip, npm or a conversion, and watches the size of what it writes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from errors import WeightsError
from modules.weights.disk import FULL_MESSAGES, full_disk

POLL_S = 0.2
QUIT_S = 5.0


class CommandFailed(WeightsError):
    """A command ended with an error. ``output`` is everything that it printed."""

    def __init__(self, message: str, output: str) -> None:
        super().__init__(message)
        self.output = output


def run_command(
    command: Sequence[str],
    folder: Path,
    *,
    needed_bytes: int,
    stop: Event,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    watch: Callable[[int], None] | None = None,
) -> None:
    """Runs a command until it ends or ``stop`` is set.

    Args:
        command: program and arguments.
        folder: where the command writes.
        needed_bytes: most bytes that it writes, for the message about a full disk.
        stop: set by another thread to end the command early.
        environment: variables added to those of this process.
        cwd: working folder of the command; ``folder`` by default.
        watch: is called with the size of everything in ``folder``, a few times a second.

    Raises:
        CommandFailed: the command ended with an error, or was stopped.
        WeightsError: the disk is full.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=cwd or folder,
            env=os.environ | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None and not stop.is_set():
                if watch:
                    watch(_size(folder))
                try:
                    process.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            _end(process)
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    if process.returncode == 0:
        return
    if any(message in output for message in FULL_MESSAGES):
        raise full_disk(folder, needed_bytes)
    ending = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
    last = next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "it printed nothing")
    raise CommandFailed(f"{Path(command[0]).name} ended with {ending}: {last}", output)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process if it still runs, whatever interrupted the wait for it."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(QUIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:  # the command may remove its temporary files at any time
                continue
    return total
