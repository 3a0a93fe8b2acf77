"""Counts the cores that there are, and keeps a replica's libraries to its share of them.

Numeric libraries open a thread pool as wide as the machine when they are first imported. With several replicas there
would be several threads for each core. So a process sets its budget in its environment before it imports them.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)


def available_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """Returns the number of CPU cores that this process may use: its affinity, bounded by the container's CPU quota."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, math.floor(int(quota) / int(period))))


def apply_budget(threads: int, device: str) -> None:
    """Keeps this process to some threads and one device. It must be called before a numeric library is imported.

    Args:
        threads: CPU threads of every library's pool.
        device: ``cpu``, or ``cuda:N`` for the only GPU that this process shall see.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["CUDA_VISIBLE_DEVICES"] = device.partition(":")[2]
