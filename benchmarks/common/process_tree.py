"""CPU seconds and memory of a process and all its descendants, as the system accounts for them."""

from __future__ import annotations

import contextlib

import psutil

from benchmarks.common.background import Background

SAMPLE_S = 0.1


def cpu_seconds(root: int | None = None) -> float:
    """User and system time used so far by a process, its living descendants, and those it has waited for.

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
    """Samples the tree's memory while its `with` block runs.

    `rss_bytes` is the largest sum of resident set sizes seen: pages that processes share count in each.
    """

    def __init__(self) -> None:
        super().__init__(SAMPLE_S)
        self.rss_bytes = 0

    def look(self) -> None:
        """Looks once."""
        total = 0
        for process in _tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        self.rss_bytes = max(self.rss_bytes, total)
