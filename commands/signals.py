"""Brings termination signals to a command through the queue that it waits on.

A command calls ``on_termination(queue.put)`` of `workers.processes.termination`, and then `take`. An exception raised
by a handler, wherever the main thread happens to be, can be lost: PyAV drops one that comes while it handles an error
of its own, and Python one that comes in a finalizer. `SimpleQueue` may be put into by a handler.
"""

from __future__ import annotations

import contextlib
import signal
from queue import Empty, SimpleQueue
from typing import NoReturn, TypeVar

T = TypeVar("T")
NOTICE_S = 0.5  # a signal that comes just before the main thread sleeps is noticed when it wakes


def take(queue: SimpleQueue[T]) -> T:
    """Waits for the next item of the queue and returns it; notices a signal meanwhile."""
    while True:
        with contextlib.suppress(Empty):
            return queue.get(timeout=NOTICE_S)


def end_by(number: int) -> NoReturn:
    """Ends the process for a signal: raises KeyboardInterrupt, or SystemExit with the status that shells use."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
