"""Decides when a process that ended starts again, and when a stage is given up.

Pure: the time is an argument, in monotonic seconds, so that every course of events can be tried without a process.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

REPLICA_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
BROKER_DELAYS_S = (0.0, *REPLICA_DELAYS_S)  # every stage waits for the broker, so its first restart is immediate
DEATHS_WITHIN_S = 60.0


class Backoff:
    """Makes each failure in a row wait longer than the one before."""

    def __init__(self, delays_s: Sequence[float]) -> None:
        """Takes the delay after the first failure, the second and so on; the last holds for all that follow."""
        self._delays_s = delays_s
        self._failures = 0

    def failed(self) -> float:
        """Counts a failure; returns the seconds to wait before the next try."""
        delay_s = self._delays_s[min(self._failures, len(self._delays_s) - 1)]
        self._failures += 1
        return delay_s

    def succeeded(self) -> None:
        """Makes the next failure the first again."""
        self._failures = 0


class RestartPolicy:
    """Decides when the replicas of one stage start.

    A slot whose replica died is filled again after a delay, which grows until a replica becomes ready there. The stage
    is given up when its replicas die too often within a minute, or at once when a restart cannot help. From then on no
    slot of it is due.

    Slots are known by their numbers. A slot that was never heard of is due at once.
    """

    def __init__(self, deaths_per_minute: int) -> None:
        """Takes the number of deaths within a minute at which the stage is given up."""
        self._deaths_per_minute = deaths_per_minute
        self._deaths: deque[float] = deque()
        self._backoffs: dict[int, Backoff] = {}
        self._start_at: dict[int, float] = {}
        self.given_up = ""  # the reason; empty while the stage runs

    def start_at(self, slot: int) -> float:
        """When the empty slot is due; infinity once the stage is given up."""
        return math.inf if self.given_up else self._start_at.get(slot, 0.0)

    def became_ready(self, slot: int) -> None:
        """Takes in that the slot's replica is ready for work."""
        if slot in self._backoffs:
            self._backoffs[slot].succeeded()

    def left(self, slot: int) -> None:
        """Takes in that the slot's replica ended because it was told to."""
        self._start_at.pop(slot, None)

    def died(self, slot: int, cause: str, now: float) -> None:
        """Takes in that the slot's replica ended unasked; gives the stage up if that has happened too often."""
        self._start_at[slot] = now + self._backoffs.setdefault(slot, Backoff(REPLICA_DELAYS_S)).failed()
        self._deaths.append(now)
        while self._deaths[0] < now - DEATHS_WITHIN_S:
            self._deaths.popleft()
        if len(self._deaths) >= self._deaths_per_minute:
            self.give_up(f"{len(self._deaths)} deaths in {DEATHS_WITHIN_S:.0f} s, the last: {cause}")

    def give_up(self, reason: str) -> None:
        """Gives the stage up; a reason that was given before stays."""
        self.given_up = self.given_up or reason

    def forget(self, slot: int) -> None:
        """Drops what is known of a slot that is not filled any more."""
        self._backoffs.pop(slot, None)
        self._start_at.pop(slot, None)
