"""The resident memory of every process of a relay over time, to see whether it stays flat."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict

import numpy as np
import psutil

from benchmarks.common.background import Background
from pipeline import Pipeline

MIB = 2**20


class MemorySeries(Background):
    """Samples the processes of a relay while its `with` block runs.

    Each process has a series of its own, also one that replaces another.
    """

    def __init__(self, pipeline: Pipeline, every_s: float = 1.0) -> None:
        super().__init__(every_s)
        self._pipeline = pipeline
        self._samples: dict[tuple[str, int], list[int]] = defaultdict(list)

    def tick(self) -> None:
        """Notes the memory of every process."""
        pids = {replica.name: replica.pid for replica in self._pipeline.replicas()}
        for name, pid in {**pids, "broker": self._pipeline.broker_pid, "client": os.getpid()}.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                if pid is not None:
                    self._samples[name, pid].append(psutil.Process(pid).memory_info().rss)

    def summary(self) -> list[dict[str, object]]:
        """Returns each process's memory in MiB: medians of the first and the last third of its life, and the peak.

        A process that was seen for less than half of the time is left out, because its memory has hardly settled.
        """
        longest = max(map(len, self._samples.values()), default=0)
        return [
            {
                "process": name,
                "first_third_mib": _mib(np.median(samples[: len(samples) // 3 or 1])),
                "last_third_mib": _mib(np.median(samples[-(len(samples) // 3 or 1) :])),
                "peak_mib": _mib(max(samples)),
                "samples": len(samples),
            }
            for (name, _), samples in self._samples.items()
            if len(samples) * 2 >= longest
        ]


def _mib(size: float) -> float:
    return round(float(size) / MIB, 1)
