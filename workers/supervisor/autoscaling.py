"""When a stage shall have more replicas, and when fewer.

Pure: time and measurements are arguments, so that any course of a load can be tried without a process.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from workers.config import AutoscaleConfig
from workers.wire.messages import StageLoad


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    load: StageLoad


class Autoscaler:
    """Moves one stage's replicas between bounds, by one at a time.

    One more when, for `up_after_s`, the replicas were busy above `busy_above` and jobs waited longer than `wait_s`:
    replicas that wait although jobs do are held up by the stage behind, and more of them would not help. One fewer
    when, for `down_after_s`, nothing waited so long and what was done would keep the others busy below `busy_below`.
    What was measured before a change is forgotten, and nothing is decided until the change has taken effect.
    """

    def __init__(self, config: AutoscaleConfig) -> None:
        """Takes bounds and thresholds."""
        self._config = config
        self._samples: deque[_Sample] = deque()
        self._desired = 0

    def decide(self, load: StageLoad, desired: int, now: float) -> int:
        """How many replicas the stage shall have.

        Args:
            load: the stage's load as measured now.
            desired: how many it shall have so far, within the bounds.
            now: monotonic seconds.
        """
        self._note(load, desired, now)
        if self._is_short(now) and desired < self._config.max:
            return desired + 1
        if self._is_idle(desired, now) and desired > self._config.min:
            return desired - 1
        return desired

    def _note(self, load: StageLoad, desired: int, now: float) -> None:
        last = self._samples[-1].load if self._samples else load
        if desired != self._desired or load.ready != last.ready or load.busy_s < last.busy_s:
            self._samples.clear()  # the ratio changed, or the broker is another one
        self._desired = desired
        if load.ready >= desired:
            self._samples.append(_Sample(now, load))
        while len(self._samples) > 1 and self._samples[1].at <= now - self._config.down_after_s:
            self._samples.popleft()

    def _is_short(self, now: float) -> bool:
        window = self._window(self._config.up_after_s, now)
        return (
            bool(window)
            and _busy_replicas(window) > self._config.busy_above * window[-1].load.ready
            and all(sample.load.wait_s > self._config.wait_s for sample in window)
        )

    def _is_idle(self, desired: int, now: float) -> bool:
        window = self._window(self._config.down_after_s, now)
        return (
            bool(window)
            and _busy_replicas(window) < self._config.busy_below * (desired - 1)
            and all(sample.load.wait_s <= self._config.wait_s for sample in window)
        )

    def _window(self, length_s: float, now: float) -> list[_Sample]:
        """The samples from the last `length_s`, with the one before; none while there are not so many yet."""
        before = [index for index, sample in enumerate(self._samples) if sample.at <= now - length_s]
        return list(self._samples)[before[-1] :] if before else []


def _busy_replicas(window: list[_Sample]) -> float:
    """How many replicas were busy, on average."""
    first, last = window[0], window[-1]
    return (last.load.busy_s - first.load.busy_s) / (last.at - first.at)
