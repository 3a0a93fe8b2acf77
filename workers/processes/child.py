"""Starts child processes, tells how they ended, and ends them."""

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

import psutil
import zmq

from checkout import ROOT

LOG_TAIL_BYTES = 8192
END_S = 5.0  # how long a process may take to end once it is asked to


class Child:
    """A fresh interpreter that runs ``python -m MODULE ARGUMENTS --parent PID``, in a process group of its own.

    The thread that makes it must outlive it: the child is killed when that thread ends (`workers.processes.lifetime`).
    """

    def __init__(self, module: str, arguments: list[str], log: Path | None, python: str | None = None) -> None:
        """Starts the process.

        Args:
            module: the module to run; it must take ``--parent``.
            arguments: its other arguments.
            log: file that its output is appended to; None for our standard error.
            python: the interpreter; None for the one that runs this. It finds the checkout's packages by PYTHONPATH,
                and needs those of requirements/replica.in in its own environment.
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
        """Returns whether it has ended; if so, it is reaped."""
        return self._process.poll() is not None

    def cpu_s(self) -> float:
        """Returns the seconds of CPU time that it has used; 0 once it has ended."""
        try:
            times = psutil.Process(self.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return float(times.user + times.system)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal, unless it has ended."""
        if not self.ended():
            self._process.send_signal(number)

    def close(self) -> None:
        """Kills it if it still runs, and waits for its end."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        os.close(self.exit_fd)

    def exit_kind(self) -> Literal["killed", "exited"]:
        """Tells whether a signal ended it or it exited by itself; waits for its end."""
        return "killed" if self._process.wait() < 0 else "exited"

    def exit_cause(self) -> str:
        """Returns its signal or exit status, with the last line of its log; waits for its end."""
        status = self._process.wait()
        how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"
        last = self.last_line() if status > 0 else ""  # a signal may interrupt any line
        return f"{how}: {last}" if last else how

    def last_line(self) -> str:
        """Returns the last line of its log that is not blank; empty if there is none."""
        return next((line.strip() for line in reversed(self.log_tail().split("\n")) if line.strip()), "")

    def log_tail(self) -> str:
        """Returns the end of its log; empty if it logs to our standard error."""
        if self.log is None:
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")


def end_together(children: Sequence[Child]) -> None:
    """Asks processes to end with SIGTERM, and kills those that still run after END_S."""
    poller = zmq.Poller()
    for child in children:
        child.signal(signal.SIGTERM)
        poller.register(child.exit_fd, zmq.POLLIN)
    kill_at = time.monotonic() + END_S
    while any(not child.ended() for child in children) and time.monotonic() < kill_at:
        for fd, _ in poller.poll(math.ceil((kill_at - time.monotonic()) * 1000)):
            poller.unregister(fd)
    for child in children:
        child.close()
