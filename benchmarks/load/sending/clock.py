"""The driver's clock and its waiting, in one place, so that a test can hand in virtual time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time in seconds from an origin of its own."""

    def now(self) -> float:
        """The time."""

    def wait_until(self, at: float) -> None:
        """Returns at that time, or at once when it has passed."""

    def wait_for(self, settled: Callable[[], bool], at: float = math.inf) -> bool:
        """Returns when `settled` holds, or at that time; whether it holds. `woken` makes it look again."""

    def woken(self) -> None:
        """Something has happened that `wait_for` may be waiting for."""


class SystemClock:
    """The monotonic clock of this system."""

    def __init__(self) -> None:
        self._happened = threading.Condition()

    def now(self) -> float:
        """See Clock."""
        return time.monotonic()

    def wait_until(self, at: float) -> None:
        """See Clock. A sleep is exact to some 0.1 ms; spinning would take a core from the relay."""
        while (left_s := at - time.monotonic()) > 0:
            time.sleep(left_s)

    def wait_for(self, settled: Callable[[], bool], at: float = math.inf) -> bool:
        """See Clock."""
        with self._happened:
            while not settled():
                left_s = at - time.monotonic()
                if left_s <= 0:
                    return False
                self._happened.wait(min(left_s, threading.TIMEOUT_MAX))
            return True

    def woken(self) -> None:
        """See Clock."""
        with self._happened:
            self._happened.notify_all()
