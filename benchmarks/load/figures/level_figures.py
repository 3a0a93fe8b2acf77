"""The figures of one level of load: every trial at one offered rate, taken together, from raw samples alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.figures.objective import Objective, Verdict
from benchmarks.load.figures.samples import RequestSample, ended_ok, latencies, times_to_first_audio
from benchmarks.load.figures.send_lag import SendLag, send_lag
from benchmarks.load.figures.statistics import Estimate, TooFewSamples, percentile_estimate
from benchmarks.load.figures.throughput import (
    FEWEST_REQUESTS,
    busy_between,
    ends_in_window,
    schedule_window,
    service_window,
)
from benchmarks.load.figures.trial_record import TrialSamples

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
Percentiles = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class StageLoadFigures:
    """One stage under load.

    `replicas` is how many were ready on average. `queue_s` and `service_s` are the seconds that its jobs waited and
    were computed. `busy` is the share of its replicas' time spent computing; it is None when too few requests were
    measured. `capacity_rps` is the rate at which its replicas would compute all the time: replicas ÷ their seconds a
    request. It is None when no request ended well.
    """

    replicas: float
    jobs: int
    queue_s: Percentiles
    service_s: Percentiles
    busy: float | None
    capacity_rps: float | None


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """All trials at one offered rate; only the measured requests, unless a field says otherwise.

    `rate` is the rate that was asked for, 0 for a closed loop; `offered_rps` is the rate of the schedule that was
    drawn. `achieved_rps` counts every request that ended well while the load lasted (see `throughput`). It is None
    when fewer than FEWEST_REQUESTS requests were measured.

    `cpu_s_per_request` is the CPU time of the relay's processes for each request that ended well, warm-up included.
    `cpu_limit_rps` is the rate that the cores allow at that cost, and `efficiency` the share of it that was achieved.
    They are None when the relay runs on another machine.
    """

    arrivals: str
    rate: float
    trials: list[int]
    requests: int
    outcomes: dict[str, int]
    offered_rps: float
    achieved_rps: float | None
    latency_s: Percentiles
    ttfa_s: Percentiles
    objectives: dict[str, Verdict]
    lag: SendLag
    cpu_s_per_request: float | None
    cpu_limit_rps: float | None
    efficiency: float | None
    stages: dict[str, StageLoadFigures]

    @property
    def name(self) -> str:
        """The arrivals and the rate, such as ``poisson 0.2/s``."""
        return f"{self.arrivals} {self.rate:.4g}/s" if self.rate else self.arrivals

    @property
    def held(self) -> bool:
        """Whether every objective was held."""
        return all(verdict.held for verdict in self.objectives.values())

    @property
    def limit_rps(self) -> tuple[float, str] | None:
        """The lowest limit that was measured, and its cause: a stage's replicas, or the cores."""
        limits = [(one.capacity_rps, name) for name, one in self.stages.items() if one.capacity_rps is not None]
        if self.cpu_limit_rps is not None:
            limits.append((self.cpu_limit_rps, "the cores"))
        return min(limits, default=None)


def level_figures(
    trials: Sequence[TrialSamples], stages: Sequence[str], cores: int | None, objectives: Sequence[Objective]
) -> LevelFigures:
    """Computes the figures of trials that were offered the same load.

    Args:
        trials: one or more.
        stages: names of the relay's stages, in order.
        cores: how many cores the relay may use, or None when that is not known.
        objectives: judged one by one; those that the samples are too few for are left out.
    """
    first = trials[0].trial
    samples = [sample for one in trials for sample in one.measured]
    enough = len(samples) >= FEWEST_REQUESTS
    achieved_rps = _achieved_rps(trials) if enough else None
    cpu_s = _cpu_s_per_request(trials)
    limit_rps = cores / cpu_s if cores and cpu_s else None
    return LevelFigures(
        arrivals=first.arrivals,
        rate=first.rate,
        trials=[one.trial.number for one in trials],
        requests=len(samples),
        outcomes=dict(Counter(sample.outcome for sample in samples)),
        offered_rps=_offered_rps(trials),
        achieved_rps=achieved_rps,
        latency_s=percentiles(latencies(samples)),
        ttfa_s=percentiles(times_to_first_audio(samples)),
        objectives=_verdicts(objectives, samples),
        lag=send_lag(samples),
        cpu_s_per_request=cpu_s,
        cpu_limit_rps=limit_rps,
        efficiency=achieved_rps / limit_rps if limit_rps and achieved_rps is not None else None,
        stages={name: _stage(name, trials, samples, enough) for name in stages},
    )


def percentiles(values: Sequence[float]) -> Percentiles:
    """Computes the exact percentiles that so many samples allow, each with its interval."""
    found = {}
    for name, quantile in QUANTILES.items():
        if values:
            try:
                found[name] = percentile_estimate(values, quantile)
            except TooFewSamples:
                continue
    return found


def by_level(trials: Sequence[TrialSamples]) -> list[list[TrialSamples]]:
    """Groups the trials that were offered the same load, in the order of their rates."""
    groups: dict[tuple[str, float], list[TrialSamples]] = {}
    for one in trials:
        groups.setdefault((one.trial.arrivals, one.trial.rate), []).append(one)
    return sorted(groups.values(), key=lambda group: group[0].trial.rate)


def _verdicts(objectives: Sequence[Objective], samples: Sequence[RequestSample]) -> dict[str, Verdict]:
    verdicts = {}
    for objective in objectives:
        try:
            verdicts[str(objective)] = objective.judge(samples)
        except TooFewSamples:
            continue
    return verdicts


def _offered_rps(trials: Sequence[TrialSamples]) -> float:
    """Returns the offered rate. Requests at the first moment are not counted."""
    windows = [schedule_window(one) for one in trials]
    seconds = sum(window.seconds for window in windows)
    sent = sum(
        sample.scheduled_s > window.begin_s
        for one, window in zip(trials, windows, strict=True)
        for sample in one.measured
    )
    return sent / seconds if seconds else 0.0


def _achieved_rps(trials: Sequence[TrialSamples]) -> float:
    counted = [ends_in_window(one) for one in trials]
    seconds = sum(window.seconds for _, window in counted)
    return sum(len(ends) for ends, _ in counted) / seconds if seconds else 0.0


def _cpu_s_per_request(trials: Sequence[TrialSamples]) -> float | None:
    ended = sum(len(ended_ok(one.samples)) for one in trials)
    cpu_s = [one.trial.cpu_s for one in trials]
    if not ended or None in cpu_s:
        return None
    return sum(filter(None, cpu_s)) / ended


def _stage(
    name: str, trials: Sequence[TrialSamples], samples: Sequence[RequestSample], enough: bool
) -> StageLoadFigures:
    ended = ended_ok(samples)
    spans = [span for sample in ended for span in sample.spans if span.stage == name]
    replicas = float(np.mean([_ready_replicas(name, one) for one in trials]))
    busy_s = sum(span.busy_s for span in spans)
    windows = [service_window(one, name) for one in trials]
    computed_s = sum(busy_between(one.samples, name, window) for one, window in zip(trials, windows, strict=True))
    replica_s = replicas * sum(window.seconds for window in windows)
    return StageLoadFigures(
        replicas=replicas,
        jobs=len(spans),
        queue_s=percentiles([span.queue_s for span in spans]),
        service_s=percentiles([span.service_s for span in spans]),
        busy=computed_s / replica_s if enough and replica_s else None,
        capacity_rps=replicas * len(ended) / busy_s if busy_s else None,
    )


def _ready_replicas(stage: str, one: TrialSamples) -> float:
    """Returns the mean number of ready replicas over the trial; 1 when the trial was too short to see any."""
    ready = [state.stages[stage].ready for state in one.trial.relay_states if stage in state.stages]
    return float(np.mean(ready)) if ready else 1.0
