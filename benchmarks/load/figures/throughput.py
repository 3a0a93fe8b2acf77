"""Throughput: how many requests ended well per second while the load lasted.

Requests are counted in a window as long as the measured schedule, but later by their median latency. Without that
shift, the first latency of a run would count as idle time: a relay that answers every request after 5 s would seem to
achieve half of a load that lasts 10 s. The median is the shift that leaves the fewest requests out at the edges, since
it minimises the mean of |latency - shift|. In overload the window lies where the relay works at its limit.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.load.figures.samples import RequestSample, ended_ok, latencies
from benchmarks.load.figures.trial_record import TrialSamples

FEWEST_REQUESTS = 10  # measured requests without which a rate says nothing


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a trial, in seconds from its beginning."""

    begin_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_s - self.begin_s

    def later(self, shift_s: float) -> Window:
        """Returns the window, shifted."""
        return Window(self.begin_s + shift_s, self.end_s + shift_s)


def schedule_window(one: TrialSamples) -> Window:
    """Returns the window from the first to the last scheduled moment; of a single burst, until its last outcome."""
    scheduled = [sample.scheduled_s for sample in one.measured]
    if not scheduled:
        return Window(0.0, 0.0)
    if _is_single_burst(one):
        return Window(scheduled[0], max(sample.end_s for sample in one.samples))
    return Window(scheduled[0], scheduled[-1])


def ends_in_window(one: TrialSamples) -> tuple[list[float], Window]:
    """Returns the moments at which requests (those of the warm-up too) ended well in the window, and the window."""
    window = schedule_window(one)
    if not _is_single_burst(one):
        window = window.later(_median(latencies(one.measured)))
    ends = (sample.end_s for sample in ended_ok(one.samples))
    return sorted(end_s for end_s in ends if window.begin_s < end_s <= window.end_s), window


def service_window(one: TrialSamples, stage: str) -> Window:
    """Returns the window shifted by the median delay until service at a stage."""
    delays = [sample.lag_s + span.start_s for sample in one.measured for span in sample.spans if span.stage == stage]
    window = schedule_window(one)
    return window if _is_single_burst(one) else window.later(_median(delays))


def busy_between(samples: Iterable[RequestSample], stage: str, window: Window) -> float:
    """Sums the seconds that a stage's replicas computed within a window, for requests of any outcome."""
    total = 0.0
    for sample in samples:
        for span in sample.spans:
            if span.stage == stage and span.service_s:
                start_s = sample.sent_s + span.start_s
                inside_s = min(window.end_s, start_s + span.service_s) - max(window.begin_s, start_s)
                total += max(0.0, inside_s) / span.service_s * span.busy_s
    return total


def _is_single_burst(one: TrialSamples) -> bool:
    return len({sample.scheduled_s for sample in one.measured}) == 1


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds) if seconds else 0.0
