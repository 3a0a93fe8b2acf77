"""Files by which the workers of a stage tell that they are ready, and that they hold a request.

Every system's workers leave the same marks, so that a trial can tell in the same way which worker to kill. A mark
outlives its worker: a worker that dies with a request in hand leaves the mark that it held one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

READY, HOLDING = "ready", "holding"


class WorkerMarks:
    """The marks of one stage's workers, in a folder that belongs to one trial."""

    def __init__(self, folder: str | Path, depth: int) -> None:
        """Takes the folder, and the place of the stage in the relay, from 0."""
        self._folder, self._depth = Path(folder), depth

    def set_ready(self) -> None:
        """Marks this process as a worker whose model is loaded and warm."""
        self._mark(os.getpid(), READY).touch()

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Marks this process as one that works on a request, while the block runs."""
        mark = self._mark(os.getpid(), HOLDING)
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()

    def workers(self) -> set[int]:
        """Returns the process ids of the workers that are ready and alive."""
        found = set()
        for mark in self._folder.glob(f"{self._depth}-*.{READY}"):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(mark.stem.partition("-")[2]))
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.add(process.pid)
        return found

    def holds(self, pid: int) -> bool:
        """Tells whether this worker works on a request, or died while it did."""
        return self._mark(pid, HOLDING).exists()

    def _mark(self, pid: int, kind: str) -> Path:
        return self._folder / f"{self._depth}-{pid}.{kind}"
