"""What a replica may compute with: how many cores there are, and the environment that keeps libraries to a share.

Numeric libraries open a thread pool as wide as the machine when they are first imported; with several replicas
that is several pools a core. So the budget is set in the process's environment before anything is imported.
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
    """CPU cores that this process may use: its affinity, less what a container's CPU quota allows."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, math.floor(int(quota) / int(period))))


def apply_budget(threads: int, device: str) -> None:
    """Keeps this process to `threads` and to one device. Call it before any numeric library is imported.

    Args:
        threads: CPU threads for every library's pool.
        device: ``cpu``, or ``cuda:N`` for the GPU that shall be the only one this process sees.
    """
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["CUDA_VISIBLE_DEVICES"] = device.partition(":")[2]
