"""The model of each stage: a few numbers fitted to its profile.

A job alone takes (base + slope × cost) × factor seconds on one thread. The factors are the measured times ÷ the fitted
line. They are kept with the requests that they were measured on, so that drawing requests draws residuals with them: a
bootstrap that keeps together the jobs of a request that is slow at several stages. With k threads a job takes share(k)
of that time: as measured, or else by Amdahl's law, serial + (1 - serial) / k. In a batch of n each job takes
floor + (1 - floor) / n of its time alone. `core_demand` says how other replicas slow it down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.tune.model.core_demand import CoreDemand
from benchmarks.tune.model.profile import Profile, StageMeasurement, TracedJob, jobs_at
from errors import ConfigError

BATCHING_GAINS = 0.95  # a floor below this: the stage computes the jobs of a batch together, so they end together


@dataclass(frozen=True)
class StageModel:
    """A stage's service time, and what it asks of the machine. Dictionaries are by threads of a replica, as measured.

    `cores` is how many cores a replica keeps busy while it serves. `gap_s` is the time between two batches of a busy
    replica. `error` is the mean distance of the measured times from the line, as a share of them. `batch_floor` is 1
    where batches gain nothing. `gpu_speed` is 0 for a stage on CPU cores, otherwise how many times faster a GPU is than
    one thread.
    """

    name: str
    base_s: float
    slope_s: float
    share: dict[int, float] = field(default_factory=lambda: {1: 1.0})
    cores: dict[int, float] = field(default_factory=lambda: {1: 0.0})
    batch_floor: dict[int, float] = field(default_factory=lambda: {1: 1.0})
    neighbours: float = 0.0
    turns: float = 0.0
    gap_s: float = 0.0
    rss_bytes: int = 0
    error: float = 0.0
    gpu_speed: float = 0.0

    @property
    def serial(self) -> float:
        """Share of the work that more threads do not shorten (Amdahl's law); 1 when only one thread was measured."""
        found = [(share - 1 / k) / (1 - 1 / k) for k, share in self.share.items() if k > 1]
        return float(np.clip(np.mean(found), 0.0, 1.0)) if found else 1.0

    def alone_s(self, job: TracedJob, threads: int) -> float:
        """Returns the seconds that a job takes by itself."""
        seconds = (self.base_s + self.slope_s * job.cost) * job.factor
        if self.gpu_speed:
            return seconds / self.gpu_speed
        return seconds * self.share.get(threads, self.serial + (1 - self.serial) / threads)

    def in_batch(self, threads: int, batch: int) -> float:
        """Returns the share of its time alone that a job takes in a batch of `batch` jobs."""
        floor = self.batch_floor.get(threads, self.batch_floor[1])
        return floor + (1 - floor) / batch

    def ends_together(self, threads: int) -> bool:
        """Returns whether the jobs of a batch end together instead of one after the other."""
        return self.batch_floor.get(threads, self.batch_floor[1]) < BATCHING_GAINS

    def core_demand(self, threads: int) -> CoreDemand:
        """Returns the cores that a replica asks for while it serves."""
        demand = self.cores.get(threads)
        if demand is None:  # the CPU time of a job grows by as much with each further thread as with the measured ones
            most = max(self.cores)
            waste = (self.cores[most] * self.share[most] - self.cores[1]) / (most - 1) if most > 1 else 0.0
            share = self.serial + (1 - self.serial) / threads
            demand = min(float(threads), (self.cores[1] + waste * (threads - 1)) / share)
        return CoreDemand(demand, threads, self.neighbours, self.turns if threads > 1 else 0.0)


@dataclass(frozen=True)
class RelayModel:
    """The stages in their order, and the requests; their jobs carry the factors that go with the stages' lines."""

    stages: tuple[StageModel, ...]
    requests: tuple[TracedJob, ...]

    def per_request_s(self, depth: int, threads: int) -> float:
        """Returns the mean seconds of service, alone, that a request asks of the stage at place `depth`."""
        stage = self.stages[depth]
        return sum(stage.alone_s(job, threads) for job in jobs_at(self.requests, depth)) / len(self.requests)


def fit(profile: Profile) -> RelayModel:
    """Fits a model to every stage of a profile.

    Raises:
        ConfigError: the profile lacks a stage's base, one replica of one thread.
    """
    stages, factors = [], []
    for depth, (name, measured) in enumerate(profile.stages.items()):
        costs = np.array([job.cost for job in jobs_at(profile.requests, depth)])
        stage, found = _fit_stage(name, measured, costs, profile.cores)
        stages.append(stage)
        factors.append(iter(found.tolist()))
    return RelayModel(tuple(stages), tuple(_with_factors(job, factors) for job in profile.requests))


def _fit_stage(
    name: str, measured: Sequence[StageMeasurement], costs: NDArray[np.float64], cores: int
) -> tuple[StageModel, NDArray[np.float64]]:
    base = _at(measured, 1, 1)
    if base is None:
        raise ConfigError(f"the profile lacks stage {name} with one replica of one thread; remove it to measure again")
    alone = per_job(base, len(costs))
    base_s, slope_s = line(costs, alone)
    expected = base_s + slope_s * costs
    singles = {one.threads: one for one in measured if one.replicas == one.max_batch == 1 and not one.beside}
    batches = {one.threads: one for one in measured if one.replicas == 1 and one.max_batch > 1}
    busy = {threads: _cores_of(one) for threads, one in singles.items()}
    side_by_side = _at(measured, cores, 1) if cores > 1 else None
    neighbours = max(0.0, _mean(side_by_side) / _mean(base) - 1) if side_by_side else 0.0
    crowded = next((one for one in measured if one.beside), None)
    return StageModel(
        name=name,
        base_s=base_s,
        slope_s=slope_s,
        share={threads: _mean(one) / _mean(base) for threads, one in singles.items()},
        cores=busy,
        batch_floor={1: 1.0} | {threads: _floor(one, singles[threads], len(costs)) for threads, one in batches.items()},
        neighbours=neighbours,
        turns=_turns(crowded, singles, busy, neighbours, cores),
        gap_s=max(0.0, base.wall_s - sum(base.service_s)) / len(base.service_s),
        rss_bytes=max(one.rss_bytes for one in measured),
        error=float(np.mean(np.abs(alone - expected)) / np.mean(alone)),
    ), alone / np.maximum(expected, 1e-9)


def line(costs: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[float, float]:
    """Fits base and slope by least squares; only a mean where the cost explains nothing or a line would be negative."""
    if np.ptp(costs) > 0:
        slope, base = np.polyfit(costs, seconds, 1)
        if slope > 0 and base >= 0:
            return float(base), float(slope)
        if slope > 0:  # through the origin
            return 0.0, float(np.sum(costs * seconds) / np.sum(costs * costs))
    return float(np.mean(seconds)), 0.0


def per_job(measurement: StageMeasurement, jobs: int) -> NDArray[np.float64]:
    """Returns the median seconds of each job over the repeats."""
    return np.asarray(np.median(np.array(measurement.service_s).reshape(-1, jobs), axis=0), np.float64)


def _at(measured: Sequence[StageMeasurement], replicas: int, threads: int) -> StageMeasurement | None:
    point = (replicas, threads, 1, 0)
    return next((one for one in measured if (one.replicas, one.threads, one.max_batch, one.beside) == point), None)


def _mean(measurement: StageMeasurement) -> float:
    return sum(measurement.service_s) / len(measurement.service_s)


def _cores_of(measurement: StageMeasurement) -> float:
    return min(float(measurement.threads), measurement.cpu_s / sum(measurement.service_s))


def _floor(batched: StageMeasurement, single: StageMeasurement, jobs: int) -> float:
    """Fits the floor, from the jobs that were in full batches against the same jobs alone."""
    alone = np.resize(per_job(single, jobs), len(batched.service_s))
    full = np.array(batched.batches) == batched.max_batch
    if not full.any():
        return 1.0
    each = np.array(batched.service_s)[full].sum() / alone[full].sum()
    return float(np.clip((each - 1 / batched.max_batch) / (1 - 1 / batched.max_batch), 0.0, 1.0))


def _turns(
    crowded: StageMeasurement | None,
    singles: dict[int, StageMeasurement],
    busy: dict[int, float],
    neighbours: float,
    cores: int,
) -> float:
    """Fits the cost of taking turns with a busy thread, beyond what `CoreDemand` expects."""
    if crowded is None or crowded.threads not in singles:
        return 0.0
    demand = CoreDemand(busy[crowded.threads], crowded.threads, neighbours)
    expected = _mean(singles[crowded.threads]) * demand.slowdown(demand.demand + crowded.beside, cores)
    return _mean(crowded) / expected - 1


def _with_factors(job: TracedJob, factors: list[Iterator[float]], depth: int = 0) -> TracedJob:
    if depth == len(factors):
        return job
    factor = next(factors[depth])
    outputs = tuple(_with_factors(output, factors, depth + 1) for output in job.outputs)
    return msgspec.structs.replace(job, factor=factor, outputs=outputs)
