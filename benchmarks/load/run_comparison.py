"""Two runs side by side: which of their levels belong together, and what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.figures.level_figures import QUANTILES, LevelFigures, TrialSamples
from benchmarks.load.figures.samples import RequestSample, ended_ok, latencies, times_to_first_audio
from benchmarks.load.figures.statistics import Estimate, Values, difference, figure, samples_needed
from benchmarks.load.report.page import chosen_level, samples_of
from benchmarks.load.run_record import LoadRun

FEWEST_GAPS = 10  # between endings, to speak of a rate with its interval


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs, and what the second has more.

    `better` says whether the second is better, and is None when the interval of the difference holds 0.
    """

    name: str
    before: Estimate
    after: Estimate
    change: Estimate
    better: bool | None


@dataclass(frozen=True, slots=True)
class LevelPair:
    """A level of each run, with the measured requests."""

    before: LevelFigures
    after: LevelFigures
    before_samples: list[RequestSample]
    after_samples: list[RequestSample]
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run as it was read."""

    run: LoadRun
    trials: list[TrialSamples]


def compare(before: LoadedRun, after: LoadedRun) -> list[LevelPair]:
    """The levels at which both were offered the same; when there are none, the one that each run's report shows."""
    offered = {(level.arrivals, level.rate): level for level in after.run.levels}
    pairs = [
        (level, offered[level.arrivals, level.rate])
        for level in before.run.levels
        if (level.arrivals, level.rate) in offered
    ]
    pairs = pairs or [(chosen_level(before.run), chosen_level(after.run))]
    return [_pair(before, after, *pair) for pair in pairs]


def _pair(before: LoadedRun, after: LoadedRun, one: LevelFigures, other: LevelFigures) -> LevelPair:
    samples, others = samples_of(one, before.trials), samples_of(other, after.trials)
    took = latencies(samples), latencies(others)
    first = times_to_first_audio(samples), times_to_first_audio(others)
    well = [float(sample.outcome == "ok") for sample in samples], [float(sample.outcome == "ok") for sample in others]
    gaps = _gaps(before.trials, one), _gaps(after.trials, other)
    found = [
        *(_difference(f"latency {name}, s", *took, _quantile(name), _needed(name)) for name in QUANTILES),
        *(_difference(f"time to first audio {name}, s", *first, _quantile(name), _needed(name)) for name in QUANTILES),
        _difference("share that ended well", *well, _mean, more_is_better=True),
        _difference("achieved, requests/s", *gaps, _rate, FEWEST_GAPS, more_is_better=True),
    ]
    return LevelPair(one, other, samples, others, [entry for entry in found if entry is not None])


def _difference(
    name: str,
    before: Sequence[float],
    after: Sequence[float],
    statistic: Callable[[Values], Values],
    needed: int = 1,
    *,
    more_is_better: bool = False,
) -> Difference | None:
    """None where a run has too few samples."""
    if min(len(before), len(after)) < needed:
        return None
    change = difference(before, after, statistic)
    better = None if change.low <= 0 <= change.high else (change.value > 0) == more_is_better
    return Difference(name, figure(before, statistic), figure(after, statistic), change, better)


def _needed(name: str) -> int:
    return samples_needed(QUANTILES[name])


def _quantile(name: str) -> Callable[[Values], Values]:
    return lambda values: np.quantile(values, QUANTILES[name], axis=-1)


def _mean(values: Values) -> Values:
    return np.asarray(np.mean(values, axis=-1))


def _rate(gaps: Values) -> Values:
    return np.asarray(1 / np.mean(gaps, axis=-1))


def _gaps(trials: Sequence[TrialSamples], level: LevelFigures) -> list[float]:
    """Seconds between the endings of requests that ended well while the measured ones came."""
    gaps: list[float] = []
    for one in trials:
        if one.trial.number in level.trials:
            begin_s, end_s = one.window
            ends = [sample.end_s for sample in ended_ok(one.samples) if begin_s < sample.end_s <= end_s]
            gaps += np.diff(sorted(ends)).tolist()
    return gaps
