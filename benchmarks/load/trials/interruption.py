"""Interrupts: SIGINT and SIGTERM end a load test where nothing is lost.

A handler that raises does so wherever the main thread happens to be, such as between the start of a child process and
the moment when somebody is there to end it. So while trials run the handler only notes the signal, and `check` raises
at the places that wait.
"""

from __future__ import annotations

import signal
from typing import Any


class Interruption:
    """Handles SIGINT and SIGTERM within its `with` block, and restores the former handlers after it.

    A signal raises KeyboardInterrupt at once until `defer` is called, and from then on only in `check`. A signal that
    the process ignores stays ignored.
    """

    def __init__(self) -> None:
        self._noted = False
        self._deferred = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def defer(self) -> None:
        """Makes `check` the only place that raises a signal from now on."""
        self._deferred = True

    def check(self) -> None:
        """Raises KeyboardInterrupt when a signal has come."""
        if self._noted:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._noted = True
        if not self._deferred:
            raise KeyboardInterrupt
