"""The figures of one level of load: every trial at one offered rate, taken together, from nothing but raw samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.figures.objective import Objective, Verdict
from benchmarks.load.figures.samples import RequestSample, ended_ok, latencies, measured, times_to_first_audio
from benchmarks.load.figures.statistics import Estimate, TooFewSamples, percentile, percentile_figure, samples_needed
from benchmarks.load.trials.trial import Trial

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
LAG_S = 0.002  # a send lag up to here never matters …
LAG_SHARE = 0.01  # … nor one up to this share of the median latency
LATE_SHARE = 0.01  # … nor when so few requests had more
LAG_RULE = (
    f"a run is invalid when more than {LATE_SHARE:.0%} of its requests were sent later than scheduled by more than "
    f"{LAG_S * 1000:g} ms and by more than {LAG_SHARE:.0%} of the median latency"
)
Percentiles = dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class SendLag:
    """How late requests were sent, in seconds; `p99` is None below 1,000 requests.

    `matters` says why the figures are not to be trusted (LAG_RULE), and is empty when they are.
    """

    p50: float
    p99: float | None
    largest: float
    matters: str


@dataclass(frozen=True, slots=True)
class StageLoadFigures:
    """One stage: seconds that its jobs waited and were computed, and how much of its replicas' time that took.

    `capacity_rps` is the rate at which its replicas would have nothing but work: replicas ÷ their seconds a request.
    """

    replicas: float
    jobs: int
    queue_s: Percentiles
    service_s: Percentiles
    busy: float
    capacity_rps: float | None


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """All repeats at one offered rate; only the measured requests, unless a field says otherwise.

    `rate` is 0 for a closed loop; `offered_rps` is what the schedule that was drawn came to. `achieved_rps` counts
    every request that ended well while the measured ones came.

    `cpu_s_per_request` is the CPU time of the relay's processes for each request that ended well, warm-up included;
    `cpu_limit_rps` is what the cores could do at that price, and `efficiency` what of it was achieved. They are None
    when the relay runs elsewhere.
    """

    arrivals: str
    rate: float
    trials: list[int]
    requests: int
    outcomes: dict[str, int]
    offered_rps: float
    achieved_rps: float
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
        """What was offered, in words."""
        return f"{self.arrivals} {self.rate:.4g}/s" if self.rate else self.arrivals

    @property
    def held(self) -> bool:
        """Whether every objective was held."""
        return all(verdict.held for verdict in self.objectives.values())

    @property
    def limit_rps(self) -> tuple[float, str] | None:
        """The lowest of the limits that were measured, and what sets it: a stage's replicas, or the cores."""
        limits = [(one.capacity_rps, name) for name, one in self.stages.items() if one.capacity_rps is not None]
        if self.cpu_limit_rps is not None:
            limits.append((self.cpu_limit_rps, "the cores"))
        return min(limits, default=None)


@dataclass(frozen=True, slots=True)
class TrialSamples:
    """A trial with what became of its requests."""

    trial: Trial
    samples: list[RequestSample]

    @property
    def window(self) -> tuple[float, float]:
        """First and last moment at which a measured request was to be sent; of a lone burst, until it had ended."""
        schedule = [sample.scheduled_s for sample in measured(self.samples)]
        if not schedule:
            return 0.0, 0.0
        if schedule[0] == schedule[-1]:
            return schedule[0], max(sample.end_s for sample in self.samples)
        return schedule[0], schedule[-1]


def level_figures(
    trials: Sequence[TrialSamples], stages: Sequence[str], cores: int | None, objectives: Sequence[Objective]
) -> LevelFigures:
    """The figures of trials that were offered the same.

    Args:
        trials: one or more.
        stages: names of the relay's stages, in order.
        cores: what the relay may use, or None when that is not known.
        objectives: what to judge by; those that the samples are too few for are left out.
    """
    first = trials[0].trial
    samples = [sample for one in trials for sample in measured(one.samples)]
    seconds = sum(one.window[1] - one.window[0] for one in trials)
    ended = sum(_ended_between(one.samples, *one.window) for one in trials)
    achieved_rps = ended / seconds if seconds else 0.0
    cpu_s = _cpu_s_per_request(trials)
    limit_rps = cores / cpu_s if cores and cpu_s else None
    return LevelFigures(
        arrivals=first.arrivals,
        rate=first.rate,
        trials=[one.trial.number for one in trials],
        requests=len(samples),
        outcomes=dict(Counter(sample.outcome for sample in samples)),
        offered_rps=sum(_came_after_the_first(one) for one in trials) / seconds if seconds else 0.0,
        achieved_rps=achieved_rps,
        latency_s=quantiles(latencies(samples)),
        ttfa_s=quantiles(times_to_first_audio(samples)),
        objectives=_verdicts(objectives, samples),
        lag=send_lag(samples),
        cpu_s_per_request=cpu_s,
        cpu_limit_rps=limit_rps,
        efficiency=achieved_rps / limit_rps if limit_rps else None,
        stages={name: _stage(name, trials, samples, seconds) for name in stages},
    )


def quantiles(values: Sequence[float]) -> Percentiles:
    """The exact percentiles that so many samples allow, each with its interval."""
    found = {}
    for name, quantile in QUANTILES.items():
        if values:
            try:
                found[name] = percentile_figure(values, quantile)
            except TooFewSamples:
                continue
    return found


def send_lag(samples: Sequence[RequestSample]) -> SendLag:
    """How late requests were sent, and whether that matters (LAG_RULE)."""
    lags = [sample.lag_s for sample in samples]
    if not lags:
        return SendLag(0.0, None, 0.0, "no request was measured; lengthen the run or shorten its warm-up")
    took = latencies(samples)
    allowed_s = max(LAG_S, LAG_SHARE * percentile(took, 0.5) if took else 0.0)
    late = sum(lag_s > allowed_s for lag_s in lags)
    matters = ""
    if late > LATE_SHARE * len(lags):
        matters = f"the generator sent {late} of {len(lags)} requests more than {allowed_s * 1000:.1f} ms late"
    p99 = percentile(lags, 0.99) if len(lags) >= samples_needed(0.99) else None
    return SendLag(percentile(lags, 0.5), p99, max(lags), matters)


def _verdicts(objectives: Sequence[Objective], samples: Sequence[RequestSample]) -> dict[str, Verdict]:
    verdicts = {}
    for objective in objectives:
        try:
            verdicts[str(objective)] = objective.judge(samples)
        except TooFewSamples:
            continue
    return verdicts


def _came_after_the_first(one: TrialSamples) -> int:
    """Measured requests without those of the first moment, which ends no gap."""
    begin_s, _ = one.window
    return sum(sample.scheduled_s > begin_s for sample in measured(one.samples))


def _ended_between(samples: Sequence[RequestSample], begin_s: float, end_s: float) -> int:
    return sum(begin_s < sample.end_s <= end_s for sample in ended_ok(samples))


def _cpu_s_per_request(trials: Sequence[TrialSamples]) -> float | None:
    ended = sum(len(ended_ok(one.samples)) for one in trials)
    cpu_s = [one.trial.cpu_s for one in trials]
    if not ended or None in cpu_s:
        return None
    return sum(filter(None, cpu_s)) / ended


def _stage(
    name: str, trials: Sequence[TrialSamples], samples: Sequence[RequestSample], seconds: float
) -> StageLoadFigures:
    spans = [span for sample in ended_ok(samples) for span in sample.spans if span.stage == name]
    replicas = float(np.mean([_replicas(name, one) for one in trials]))
    requests = len(ended_ok(samples))
    busy_s = sum(span.busy_s for span in spans)
    computed_s = sum(busy_between(one.samples, name, *one.window) for one in trials)
    return StageLoadFigures(
        replicas=replicas,
        jobs=len(spans),
        queue_s=quantiles([span.queue_s for span in spans]),
        service_s=quantiles([span.service_s for span in spans]),
        busy=computed_s / (seconds * replicas) if seconds and replicas else 0.0,
        capacity_rps=replicas * requests / busy_s if busy_s else None,
    )


def _replicas(name: str, one: TrialSamples) -> float:
    """Replicas that were ready, on average over the trial; 1 when it was too short to look."""
    ready = [standing.stages[name].ready for standing in one.trial.standings if name in standing.stages]
    return float(np.mean(ready)) if ready else 1.0


def busy_between(samples: Sequence[RequestSample], stage: str, begin_s: float, end_s: float) -> float:
    """Seconds that a stage's replicas computed within a stretch of a trial, for requests of any outcome."""
    total = 0.0
    for sample in samples:
        for span in sample.spans:
            if span.stage == stage and span.service_s:
                start_s = sample.sent_s + span.start_s
                inside_s = min(end_s, start_s + span.service_s) - max(begin_s, start_s)
                total += max(0.0, inside_s) / span.service_s * span.busy_s
    return total


def by_level(trials: Sequence[TrialSamples]) -> list[list[TrialSamples]]:
    """The trials in groups that were offered the same, in the order of their rates."""
    groups: dict[tuple[str, float], list[TrialSamples]] = {}
    for one in trials:
        groups.setdefault((one.trial.arrivals, one.trial.rate), []).append(one)
    return sorted(groups.values(), key=lambda group: group[0].trial.rate)
