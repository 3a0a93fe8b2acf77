"""How SIGINT and SIGTERM reach a command that waits: through the queue that it waits on.

An exception that a handler raises wherever the main thread happens to be can be lost: PyAV drops one that comes while
it handles an error of its own, and Python one that comes in a finalizer. `SimpleQueue` may be put into by a handler.
"""

from __future__ import annotations

import contextlib
import signal
from queue import Empty, SimpleQueue
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
NOTICE_S = 0.5  # a signal that comes just before the main thread sleeps is noticed when it wakes


def send_signals_to(queue: SimpleQueue[Any]) -> None:
    """From now on each SIGINT and SIGTERM is put into the queue, as a `signal.Signals`, unless it is ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _: queue.put(signal.Signals(received)))


def take(queue: SimpleQueue[T]) -> T:
    """The next thing in the queue; waits for it, but never so long that a signal goes unnoticed."""
    while True:
        with contextlib.suppress(Empty):
            return queue.get(timeout=NOTICE_S)


def end_by(number: int) -> NoReturn:
    """Raises what ends the process as a signal asks: KeyboardInterrupt, or SystemExit with a shell's status for it."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
