"""Ties a child process to its parent: it ends when its parent does, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends (Linux ``prctl(2)``).

    SIGKILL reaches a process that is stopped or stuck too. A parent that died before this call is noticed by its
    changed process id, and this process exits.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}; Relevo's processes need Linux")
    if os.getppid() != parent:
        sys.exit("the process that started this one has already ended")
