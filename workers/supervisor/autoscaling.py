"""Decides when a stage shall have more replicas, and when fewer.

Pure: time and load are arguments, so that every course of a load can be tried without a process.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from workers.config import AutoscaleConfig
from workers.wire.messages import StageLoad


@dataclass(frozen=True, slots=True)
class _LoadSample:
    """A stage's load at a time, in monotonic seconds."""

    at: float
    load: StageLoad


class Autoscaler:
    """Changes the number of one stage's replicas within bounds, one at a time.

    One more: for `up_after_s`, jobs waited longer than `wait_s` and the replicas were busier than `busy_above`. (If
    jobs wait while the replicas are idle, a later stage holds them up, and more replicas would not help.)

    One fewer: for `down_after_s`, no job waited longer than `wait_s`, and without one replica the others would have
    been less busy than `busy_below`.

    A change discards what was measured before it, and nothing is decided until it has taken effect.
    """

    def __init__(self, config: AutoscaleConfig) -> None:
        """Takes the bounds and thresholds."""
        self._config = config
        self._samples: deque[_LoadSample] = deque()
        self._desired = 0

    def decide(self, load: StageLoad, desired: int, now: float) -> int:
        """Returns how many replicas the stage shall have from now on.

        Args:
            load: the stage's load, measured now.
            desired: how many replicas it shall have so far, within the bounds.
            now: monotonic seconds.
        """
        self._record(load, desired, now)
        if self._needs_more(now) and desired < self._config.max:
            return desired + 1
        if self._needs_fewer(desired, now) and desired > self._config.min:
            return desired - 1
        return desired

    def _record(self, load: StageLoad, desired: int, now: float) -> None:
        last = self._samples[-1].load if self._samples else load
        if desired != self._desired or load.ready != last.ready or load.busy_s < last.busy_s:
            self._samples.clear()  # the ratio changed, or the broker is another one
        self._desired = desired
        if load.ready >= desired:
            self._samples.append(_LoadSample(now, load))
        while len(self._samples) > 1 and self._samples[1].at <= now - self._config.down_after_s:
            self._samples.popleft()

    def _needs_more(self, now: float) -> bool:
        window = self._window(self._config.up_after_s, now)
        return (
            bool(window)
            and _busy_replicas(window) > self._config.busy_above * window[-1].load.ready
            and all(sample.load.wait_s > self._config.wait_s for sample in window)
        )

    def _needs_fewer(self, desired: int, now: float) -> bool:
        window = self._window(self._config.down_after_s, now)
        return (
            bool(window)
            and _busy_replicas(window) < self._config.busy_below * (desired - 1)
            and all(sample.load.wait_s <= self._config.wait_s for sample in window)
        )

    def _window(self, length_s: float, now: float) -> list[_LoadSample]:
        """The samples of the last `length_s` and the one before them; none if they do not reach back so far."""
        before = [index for index, sample in enumerate(self._samples) if sample.at <= now - length_s]
        return list(self._samples)[before[-1] :] if before else []


def _busy_replicas(window: list[_LoadSample]) -> float:
    """The number of replicas that were busy, on average."""
    first, last = window[0], window[-1]
    return (last.load.busy_s - first.load.busy_s) / (last.at - first.at)
