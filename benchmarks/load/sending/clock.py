"""The driver's clock, which can also wait; a test passes one of virtual time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time in seconds from an origin of its own."""

    def now(self) -> float:
        """Returns the time."""

    def wait_until(self, at: float) -> None:
        """Returns at a time, or at once when it has passed."""

    def wait_for(self, condition: Callable[[], bool], at: float = math.inf) -> bool:
        """Returns once `condition` is true, or at a time; tells whether it is true. `wake` makes it look again."""

    def wake(self) -> None:
        """Tells `wait_for` that its condition may have become true."""


class SystemClock:
    """The monotonic clock of this system."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def now(self) -> float:
        """Returns the monotonic time."""
        return time.monotonic()

    def wait_until(self, at: float) -> None:
        """Sleeps until the time. A sleep is exact to some 0.1 ms; a busy loop would take a core from the relay."""
        while (left_s := at - time.monotonic()) > 0:
            time.sleep(left_s)

    def wait_for(self, condition: Callable[[], bool], at: float = math.inf) -> bool:
        """Waits on a condition variable, as Clock says."""
        with self._changed:
            while not condition():
                left_s = at - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(min(left_s, threading.TIMEOUT_MAX))
            return True

    def wake(self) -> None:
        """Wakes `wait_for` to check its condition again."""
        with self._changed:
            self._changed.notify_all()
