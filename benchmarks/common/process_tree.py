"""CPU seconds and memory of a process and its descendants, as the system accounts for them."""

from __future__ import annotations

import contextlib

import psutil

from benchmarks.common.background import Background

SAMPLE_S = 0.1


def cpu_seconds(root: int | None = None) -> float:
    """Returns the CPU seconds used by a process, its living descendants, and the children it has waited for.

    Args:
        root: process id; default: this process.
    """
    total = 0.0
    for process in _tree(root):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _tree(root: int | None = None) -> list[psutil.Process]:
    first = psutil.Process(root)
    return [first, *first.children(recursive=True)]


class PeakMemory(Background):
    """Samples the memory of this process and its descendants while its `with` block runs.

    `rss_bytes` is the largest sum of resident set sizes seen. Pages that processes share count in each of them.
    """

    def __init__(self) -> None:
        super().__init__(SAMPLE_S)
        self.rss_bytes = 0

    def tick(self) -> None:
        """Sums the memory of all processes."""
        total = 0
        for process in _tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        self.rss_bytes = max(self.rss_bytes, total)
