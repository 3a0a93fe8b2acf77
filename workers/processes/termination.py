"""How a process learns that it is asked to end.

SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal was closed) all ask for the same. A signal that the process was
started to ignore stays ignored: nohup(1) relies on that.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.wire.poller import SocketPoller

FROM_A_TERMINAL = (signal.SIGINT, signal.SIGHUP)
TERMINATION_SIGNALS = (signal.SIGTERM, *FROM_A_TERMINAL)


def on_termination(handler: Callable[[signal.Signals], object]) -> None:
    """Calls `handler` with each termination signal from now on.

    Python runs it in the main thread, between two instructions of whatever that does. Only the main thread may call
    this.
    """
    for number in TERMINATION_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _: handler(signal.Signals(received)))


def termination_event(poller: SocketPoller) -> threading.Event:
    """Returns an event that each termination signal sets; the poller wakes for it.

    Only the main thread may call this.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    poller.add(reader.detach())
    asked = threading.Event()
    on_termination(lambda _: asked.set())
    return asked


def leave_terminal_signals_to_parent() -> None:
    """Ignores the signals that a terminal sends to all of its processes: the parent ends this one with SIGTERM."""
    for number in FROM_A_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
