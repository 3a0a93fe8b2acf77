"""How long a stage takes, as a few numbers fitted to its profile.

A job alone takes (base + slope × cost) × factor seconds on one thread. The factors are the measured times over the
line, kept with the requests that they were measured on, so that drawing requests draws residuals with them (a
bootstrap that keeps "long here" and "long there" together). With k threads a job takes share(k) of that: as measured,
and by Amdahl's law, serial + (1 - serial) / k, where it was not. In a batch of n each job takes floor + (1 - floor)
/ n of its time alone. What others on the machine do to it is in `cores.Load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.tune.model.profile import Profile, StageMeasurement, TracedJob, jobs_at
from benchmarks.tune.simulation.processor_sharing import CoreDemand

BATCHING_GAINS = 0.95  # a floor below this: the stage computes a batch's jobs together, so they end together


@dataclass(frozen=True)
class StageModel:
    """A stage's service time, and what it asks of the machine. Dictionaries are by threads of a replica, as measured.

    `cores` is how many cores a replica keeps busy while it serves. `gap_s` is what passes between two batches of a busy
    replica. `error` is the mean distance of the measured times from the line, as a share of them. `batch_floor` is 1
    where batches gain nothing. `gpu_speed` is 0 for a stage on CPU cores, else how many times a GPU is faster than
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
        """Share of the work that more threads do not shorten, by Amdahl's law; 1 when one thread is all we know."""
        found = [(share - 1 / k) / (1 - 1 / k) for k, share in self.share.items() if k > 1]
        return float(np.clip(np.mean(found), 0.0, 1.0)) if found else 1.0

    def alone_s(self, piece: TracedJob, threads: int) -> float:
        """Seconds that one job takes by itself."""
        seconds = (self.base_s + self.slope_s * piece.cost) * piece.factor
        if self.gpu_speed:
            return seconds / self.gpu_speed
        return seconds * self.share.get(threads, self.serial + (1 - self.serial) / threads)

    def in_batch(self, threads: int, batch: int) -> float:
        """The share of its time alone that a job takes in a batch of so many."""
        floor = self.batch_floor.get(threads, self.batch_floor[1])
        return floor + (1 - floor) / batch

    def together(self, threads: int) -> bool:
        """Whether the jobs of a batch end together, and not one after the other."""
        return self.batch_floor.get(threads, self.batch_floor[1]) < BATCHING_GAINS

    def load(self, threads: int) -> CoreDemand:
        """What a replica asks of the cores while it serves."""
        known = self.cores.get(threads)
        if known is None:  # CPU time a job grows by the same amount with each thread, as far as it was measured
            most = max(self.cores)
            waste = (self.cores[most] * self.share[most] - self.cores[1]) / (most - 1) if most > 1 else 0.0
            share = self.serial + (1 - self.serial) / threads
            known = min(float(threads), (self.cores[1] + waste * (threads - 1)) / share)
        return CoreDemand(known, threads, self.neighbours, self.turns if threads > 1 else 0.0)


@dataclass(frozen=True)
class RelayModel:
    """The stages in their order, and the requests whose pieces bear the factors that go with the stages' lines."""

    stages: tuple[StageModel, ...]
    requests: tuple[TracedJob, ...]

    def per_request_s(self, depth: int, threads: int) -> float:
        """Mean seconds of service alone that a request asks of the stage at this place."""
        stage = self.stages[depth]
        return sum(stage.alone_s(piece, threads) for piece in jobs_at(self.requests, depth)) / len(self.requests)


def fit(profile: Profile) -> RelayModel:
    """Fits every stage of a profile."""
    stages, factors = [], []
    for depth, (name, cells) in enumerate(profile.stages.items()):
        costs = np.array([piece.cost for piece in jobs_at(profile.requests, depth)])
        stage, found = _fit_stage(name, cells, costs, profile.cores)
        stages.append(stage)
        factors.append(iter(found.tolist()))
    return RelayModel(tuple(stages), tuple(_with_factors(piece, factors) for piece in profile.requests))


def _fit_stage(
    name: str, cells: Sequence[StageMeasurement], costs: NDArray[np.float64], cores: int
) -> tuple[StageModel, NDArray[np.float64]]:
    base = _cell(cells, 1, 1)
    if base is None:
        raise SystemExit(f"the profile lacks stage {name} with one replica of one thread; measure again")
    alone = per_job(base, len(costs))
    base_s, slope_s = line(costs, alone)
    expected = base_s + slope_s * costs
    singles = {cell.threads: cell for cell in cells if cell.replicas == cell.max_batch == 1 and not cell.beside}
    batches = {cell.threads: cell for cell in cells if cell.replicas == 1 and cell.max_batch > 1}
    busy = {threads: _cores_of(cell) for threads, cell in singles.items()}
    side_by_side = _cell(cells, cores, 1) if cores > 1 else None
    neighbours = max(0.0, _mean(side_by_side) / _mean(base) - 1) if side_by_side else 0.0
    crowded = next((cell for cell in cells if cell.beside), None)
    return StageModel(
        name=name,
        base_s=base_s,
        slope_s=slope_s,
        share={threads: _mean(cell) / _mean(base) for threads, cell in singles.items()},
        cores=busy,
        batch_floor={1: 1.0}
        | {threads: _floor(cell, singles[threads], len(costs)) for threads, cell in batches.items()},
        neighbours=neighbours,
        turns=_turns(crowded, singles, busy, neighbours, cores),
        gap_s=max(0.0, base.wall_s - sum(base.service_s)) / len(base.service_s),
        rss_bytes=max(cell.rss_bytes for cell in cells),
        error=float(np.mean(np.abs(alone - expected)) / np.mean(alone)),
    ), alone / np.maximum(expected, 1e-9)


def line(costs: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[float, float]:
    """Base and slope of the least squares line; a mean where the cost explains nothing, or a line would be negative."""
    if np.ptp(costs) > 0:
        slope, base = np.polyfit(costs, seconds, 1)
        if slope > 0 and base >= 0:
            return float(base), float(slope)
        if slope > 0:  # through the origin
            return 0.0, float(np.sum(costs * seconds) / np.sum(costs * costs))
    return float(np.mean(seconds)), 0.0


def per_job(cell: StageMeasurement, jobs: int) -> NDArray[np.float64]:
    """Median seconds of each job over the repeats."""
    return np.median(np.array(cell.service_s).reshape(-1, jobs), axis=0)


def _cell(cells: Sequence[StageMeasurement], replicas: int, threads: int) -> StageMeasurement | None:
    wanted = (replicas, threads, 1, 0)
    return next((c for c in cells if (c.replicas, c.threads, c.max_batch, c.beside) == wanted), None)


def _mean(cell: StageMeasurement) -> float:
    return sum(cell.service_s) / len(cell.service_s)


def _cores_of(cell: StageMeasurement) -> float:
    return min(float(cell.threads), cell.cpu_s / sum(cell.service_s))


def _floor(batched: StageMeasurement, single: StageMeasurement, jobs: int) -> float:
    """From the jobs that were in full batches, against the time that the same jobs took alone."""
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
    """What taking turns with a busy thread cost beyond what `Load` expects."""
    if crowded is None or crowded.threads not in singles:
        return 0.0
    load = CoreDemand(busy[crowded.threads], crowded.threads, neighbours)
    expected = _mean(singles[crowded.threads]) * load.slowdown(load.demand + crowded.beside, cores)
    return _mean(crowded) / expected - 1


def _with_factors(piece: TracedJob, factors: list[object], depth: int = 0) -> TracedJob:
    if depth == len(factors):
        return piece
    factor = next(factors[depth])  # type: ignore[call-overload]
    outputs = tuple(_with_factors(output, factors, depth + 1) for output in piece.outputs)
    return msgspec.structs.replace(piece, factor=factor, outputs=outputs)
