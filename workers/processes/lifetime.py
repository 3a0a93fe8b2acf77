"""How a child process ends: with its parent, however that died, and cleanly when it is asked to."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading

from workers.wire.poller import SocketPoller

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends (Linux ``prctl(2)``).

    SIGKILL reaches a process that is stopped or stuck too. A parent that died before this call is seen by its
    changed process id.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}; Relevo's processes need Linux")
    if os.getppid() != parent:
        sys.exit("the process that started this one has already ended")


def set_when_asked_to_end(poller: SocketPoller) -> threading.Event:
    """An event that SIGTERM sets, and SIGINT unless it is ignored. The poller wakes for it.

    Only the main thread of a process may call this.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    asked = threading.Event()
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: asked.set())
    poller.add(reader.detach())
    return asked
