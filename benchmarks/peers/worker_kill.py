"""Kills a speech worker while it holds a request, and notes when another takes its place."""

from __future__ import annotations

import contextlib
import random
import threading
import time

import psutil

from benchmarks.peers.systems.worker_marks import WorkerMarks

LOOK_S = 0.001  # between two looks for a worker that holds a request
STOP_WAIT_S = 1.0  # longest wait until a signal has stopped a process


def kill_holding_worker(marks: WorkerMarks, choice: random.Random) -> int | None:
    """Kills one worker that provably holds a request, and returns its process id; None when no worker holds one.

    A worker whose mark says that it holds a request is stopped with SIGSTOP first. Nothing can change then, so its mark
    is looked at again: still there, the worker is killed with the request in hand; gone, it goes on.
    """
    holders = sorted(pid for pid in marks.workers() if marks.holds(pid))
    for pid in choice.sample(holders, len(holders)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            process.suspend()
            if _is_stopped(process) and marks.holds(pid):
                process.kill()
                return pid
            process.resume()
    return None


def _is_stopped(process: psutil.Process) -> bool:
    give_up_at = time.monotonic() + STOP_WAIT_S
    while process.status() != psutil.STATUS_STOPPED:
        if time.monotonic() > give_up_at:
            return False
    return True


class WorkerKill:
    """Kills one worker some time after `start`, from a thread of its own.

    `killed_at_s` and `replaced_at_s` count from `start`; each is None as long as it has not happened.
    """

    def __init__(self, marks: WorkerMarks, seed: int) -> None:
        self.killed_at_s: float | None = None
        self.replaced_at_s: float | None = None
        self._marks, self._choice = marks, random.Random(seed)
        self._began = self._after_s = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker kill", daemon=True)

    def start(self, after_s: float) -> None:
        """Starts the thread; it looks for a worker that holds a request once `after_s` seconds have passed."""
        self._began, self._after_s = time.monotonic(), after_s
        self._thread.start()

    def wait_for_replacement(self, within_s: float) -> None:
        """Ends the thread; if a worker was killed, waits at most `within_s` until another is ready."""
        if self.killed_at_s is not None:
            self._thread.join(within_s)
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        if self._stopped.wait(self._after_s):
            return
        while True:
            before = self._marks.workers()
            if kill_holding_worker(self._marks, self._choice) is not None:
                break
            if self._stopped.wait(LOOK_S):
                return
        self.killed_at_s = self._now_s()
        while not self._marks.workers() - before:
            if self._stopped.wait(LOOK_S):
                return
        self.replaced_at_s = self._now_s()

    def _now_s(self) -> float:
        return time.monotonic() - self._began
