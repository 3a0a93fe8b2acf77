"""Two runs side by side: which of their levels belong together, and how their figures differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.load.figures.level_figures import QUANTILES, LevelFigures
from benchmarks.load.figures.samples import RequestSample, latencies, times_to_first_audio
from benchmarks.load.figures.statistics import (
    FEWEST_INDEPENDENT,
    Estimate,
    Values,
    difference,
    estimate,
    independent_needed,
    independent_samples,
    samples_needed,
)
from benchmarks.load.figures.throughput import ends_in_window
from benchmarks.load.figures.trial_record import TrialSamples
from benchmarks.load.run_record import LoadRun, level_samples


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs, and how much larger it is in the second.

    `independent` is how many independent samples the smaller run has, and `needed` is how many a verdict needs.
    """

    name: str
    before: Estimate
    after: Estimate
    change: Estimate
    independent: float
    needed: int
    more_is_better: bool

    @property
    def better(self) -> bool | None:
        """Whether the second run is better; None when there are too few samples, or the interval contains 0."""
        if self.independent < self.needed or self.change.low <= 0 <= self.change.high:
            return None
        return (self.change.value > 0) == self.more_is_better


@dataclass(frozen=True, slots=True)
class LevelPair:
    """A level of each run, with their measured requests."""

    before: LevelFigures
    after: LevelFigures
    before_samples: list[RequestSample]
    after_samples: list[RequestSample]
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run as it was read from its folder."""

    run: LoadRun
    trials: list[TrialSamples]


def compare_runs(before: RunOnDisk, after: RunOnDisk) -> list[LevelPair]:
    """Pairs the levels with the same arrivals and rate; without any, the main levels of both runs."""
    offered = {(level.arrivals, level.rate): level for level in after.run.levels}
    pairs = [
        (level, offered[level.arrivals, level.rate])
        for level in before.run.levels
        if (level.arrivals, level.rate) in offered
    ]
    pairs = pairs or [(before.run.main_level, after.run.main_level)]
    return [_pair(before, after, *pair) for pair in pairs]


def verdict(difference: Difference) -> str:
    """Says in a few words whether the second run is better."""
    if difference.independent < difference.needed:
        return "too few to tell"
    if difference.change.low == difference.change.high == 0:
        return "equal"
    return {None: "may be chance", True: "better", False: "worse"}[difference.better]


def _pair(before: RunOnDisk, after: RunOnDisk, one: LevelFigures, other: LevelFigures) -> LevelPair:
    samples, others = level_samples(one, before.trials), level_samples(other, after.trials)
    took = latencies(samples), latencies(others)
    first = times_to_first_audio(samples), times_to_first_audio(others)
    well = [float(sample.outcome == "ok") for sample in samples], [float(sample.outcome == "ok") for sample in others]
    gaps = _gaps(before.trials, one), _gaps(after.trials, other)
    found = [
        *(_percentile_difference("latency", name, *took) for name in QUANTILES),
        *(_percentile_difference("time to first audio", name, *first) for name in QUANTILES),
        _difference("share that ended well", *well, _mean, more_is_better=True),
        _difference("achieved, requests/s", *gaps, _rate, more_is_better=True),
    ]
    return LevelPair(one, other, samples, others, [entry for entry in found if entry is not None])


def _percentile_difference(
    figure: str, name: str, before: Sequence[float], after: Sequence[float]
) -> Difference | None:
    quantile = QUANTILES[name]
    if min(len(before), len(after)) < samples_needed(quantile):
        return None
    return _difference(
        f"{figure} {name}, s",
        before,
        after,
        lambda values: np.quantile(values, quantile, axis=-1),
        independent_needed(quantile),
    )


def _difference(
    name: str,
    before: Sequence[float],
    after: Sequence[float],
    statistic: Callable[[Values], Values],
    needed: int = FEWEST_INDEPENDENT,
    *,
    more_is_better: bool = False,
) -> Difference | None:
    """Compares one figure; returns None if a run has no samples."""
    if not before or not after:
        return None
    return Difference(
        name,
        estimate(before, statistic),
        estimate(after, statistic),
        difference(before, after, statistic),
        min(independent_samples(before), independent_samples(after)),
        needed,
        more_is_better,
    )


def _mean(values: Values) -> Values:
    return np.asarray(np.mean(values, axis=-1))


def _rate(gaps: Values) -> Values:
    return np.asarray(1 / np.mean(gaps, axis=-1))


def _gaps(trials: Sequence[TrialSamples], level: LevelFigures) -> list[float]:
    """Returns the seconds from one good ending to the next within the windows that throughput is counted in.

    The gaps add up to the windows, so that 1 ÷ their mean is the achieved throughput.
    """
    gaps: list[float] = []
    since_last_s = 0.0
    for one in trials:
        if one.trial.number in level.trials:
            ends, window = ends_in_window(one)
            for begin_s, end_s in pairwise([window.begin_s, *ends]):
                gaps.append(since_last_s + end_s - begin_s)
                since_last_s = 0.0
            since_last_s += window.end_s - (ends[-1] if ends else window.begin_s)
    if gaps:
        gaps[-1] += since_last_s
    return gaps
