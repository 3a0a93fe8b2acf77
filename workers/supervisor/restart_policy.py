"""Decides when a process that ended starts again, and when a stage is given up.

Pure: the time is an argument, in monotonic seconds, so that every course of events can be tried without a process.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container, Sequence
from typing import NamedTuple

REPLICA_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
BROKER_DELAYS_S = (0.0, *REPLICA_DELAYS_S)  # every stage waits for the broker, so its first restart is immediate
RETRY_DELAYS_S = (30.0, 60.0, 120.0, 240.0, 480.0, 600.0)  # of a stage that was given up
RETRIES_FORGOTTEN_S = 1800.0  # given up again after longer than this, a stage begins with the first of them
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


class _Death(NamedTuple):
    """A replica that ended unasked."""

    replica: str
    slot: int
    at: float


class RestartPolicy:
    """Decides when the replicas of one stage start.

    A slot whose replica died is filled again after a delay, which grows until a replica becomes ready there. The stage
    is given up when its replicas die too often within a minute, or at once when a restart cannot help. It is then tried
    again after 30, 60 … 600 seconds with one replica, and `scale` tries it at once; when that replica becomes ready,
    the stage runs again. A death that one request explains counts neither for the delay nor for giving up.

    Slots are known by their numbers. A slot that was never heard of is due at once.
    """

    def __init__(self, deaths_per_minute: int) -> None:
        """Takes the number of deaths within a minute at which the stage is given up."""
        self._deaths_per_minute = deaths_per_minute
        self._deaths: deque[_Death] = deque()
        self._backoffs: dict[int, Backoff] = {}
        self._start_at: dict[int, float] = {}
        self._retries = Backoff(RETRY_DELAYS_S)
        self._retry_at = math.inf
        self._trial: int | None = None  # the slot that tries a stage that was given up; None if any may
        self._given_up_at = -math.inf
        self.given_up = ""  # the reason; empty while the stage runs

    def start_at(self, slot: int) -> float:
        """When the empty slot is due; infinity while the stage is given up and another slot is to try it."""
        if not self.given_up:
            return self._start_at.get(slot, 0.0)
        return self._retry_at if self._trial in (None, slot) else math.inf

    def became_ready(self, slot: int) -> bool:
        """Takes in that the slot's replica is ready for work; returns whether that ends a time of being given up."""
        if slot in self._backoffs:
            self._backoffs[slot].succeeded()
        if not self.given_up:
            return False
        self._run_again()
        return True

    def left(self, slot: int) -> None:
        """Takes in that the slot's replica ended because it was told to."""
        self._start_at.pop(slot, None)

    def died(self, slot: int, replica: str, cause: str, now: float) -> None:
        """Takes in that the slot's replica ended unasked; gives the stage up if that has happened too often."""
        self._start_at[slot] = now + self._backoffs.setdefault(slot, Backoff(REPLICA_DELAYS_S)).failed()
        if self.given_up:
            if self._trial in (None, slot):
                self._retry_at = now + self._retries.failed()
            return
        self._deaths.append(_Death(replica, slot, now))
        while self._deaths[0].at < now - DEATHS_WITHIN_S:
            self._deaths.popleft()
        if len(self._deaths) >= self._deaths_per_minute:
            self.give_up(slot, f"{len(self._deaths)} deaths in {DEATHS_WITHIN_S:.0f} s, the last: {cause}", now)

    def explained(self, replicas: Container[str], now: float) -> bool:
        """Takes in that one request explains some deaths; returns whether that ends a time of being given up."""
        for death in [death for death in self._deaths if death.replica in replicas]:
            self._deaths.remove(death)
            self._start_at[death.slot] = now
            self._backoffs[death.slot].succeeded()
        if not self._given_up_for_deaths or len(self._deaths) >= self._deaths_per_minute:
            return False
        self._run_again()
        return True

    def give_up(self, slot: int, reason: str, now: float) -> None:
        """Gives the stage up until this slot tries it again; a reason that was given before stays."""
        if self.given_up:
            return
        if now - self._given_up_at > RETRIES_FORGOTTEN_S:
            self._retries.succeeded()
        self.given_up, self._given_up_at = reason, now
        self._trial, self._retry_at = slot, now + self._retries.failed()

    def try_now(self, now: float) -> None:
        """Makes a stage that was given up be tried at once."""
        if self.given_up:
            self._retry_at = now

    def forget(self, slot: int) -> None:
        """Drops what is known of a slot that is not filled any more."""
        self._backoffs.pop(slot, None)
        self._start_at.pop(slot, None)
        if slot == self._trial:
            self._trial = None

    @property
    def _given_up_for_deaths(self) -> bool:
        return bool(self.given_up and self._deaths)

    def _run_again(self) -> None:
        self.given_up, self._trial, self._retry_at = "", None, math.inf
        self._deaths.clear()
