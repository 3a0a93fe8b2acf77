"""Starting a child process and telling how it ended."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import zmq

from checkout import ROOT

LOG_TAIL_BYTES = 8192


class Child:
    """A process of ours: ``python -m MODULE ARGUMENTS``, a fresh interpreter in a process group of its own.

    Another interpreter than this one finds the checkout's packages by PYTHONPATH, but needs those of
    requirements/replica.in in its own environment.

    The thread that makes it must outlive the child: the child dies with it (`workers.processes.lifetime`).
    """

    def __init__(self, module: str, arguments: list[str], log: Path | None, python: str | None = None) -> None:
        """Starts the process; its output goes to the file `log`, or to our standard error.

        `python` is the interpreter; default: the one that runs this.
        """
        self.log = log
        # The user's own modules are found in the current folder, but nothing in it takes the place of ours: it comes
        # last, and -P keeps Python from putting it first.
        search = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"), os.curdir)))
        command = [python or sys.executable, "-P", "-m", module, *arguments, "--parent", str(os.getpid())]
        output = log.open("ab") if log else sys.stderr.fileno()
        try:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": search},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )
        finally:
            if not isinstance(output, int):
                output.close()
        self.exit_fd = os.pidfd_open(self._process.pid)  # readable once the process has ended

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ended(self) -> bool:
        """Whether it has ended; reaps it."""
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if not self.ended():
            self._process.send_signal(number)

    def close(self) -> None:
        """Kills it if it is still there, and waits for its end."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        os.close(self.exit_fd)

    def ended_as(self) -> Literal["killed", "exited"]:
        """How it ended, in one word: by a signal or of its own accord."""
        return "killed" if self._process.wait() < 0 else "exited"

    def cause_of_death(self) -> str:
        """How it ended, with the last line it wrote."""
        status = self._process.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"
        last = self.last_line() if status > 0 else ""  # what a signal interrupts says nothing of the cause
        return f"{how}: {last}" if last else how

    def last_line(self) -> str:
        """The last line of its log, or nothing."""
        return next((line.strip() for line in reversed(self.log_tail().split("\n")) if line.strip()), "")

    def log_tail(self) -> str:
        """The end of its log; nothing when it logs to our standard error."""
        if self.log is None:
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")


def end_together(children: Sequence[Child], within_s: float) -> None:
    """Asks processes to end with SIGTERM, and kills those that have not after `within_s`."""
    poller = zmq.Poller()
    for child in children:
        child.signal(signal.SIGTERM)
        poller.register(child.exit_fd, zmq.POLLIN)
    give_up_at = time.monotonic() + within_s
    while any(not child.ended() for child in children) and time.monotonic() < give_up_at:
        for fd, _ in poller.poll(math.ceil((give_up_at - time.monotonic()) * 1000)):
            poller.unregister(fd)
    for child in children:
        child.close()
