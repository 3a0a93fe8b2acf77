"""Simulates every setting that fits the machine and ranks them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.figures.objective import Objective
from benchmarks.load.sending.arrivals import Arrivals, Bound
from benchmarks.load.trials.peak_search import find_peak
from benchmarks.tune.capacity import Limit, limits
from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.setting import Machine, Setting, choices
from benchmarks.tune.simulation.simulated_relay import SimulatedRequest, drawn, simulate_closed, simulate_open
from benchmarks.tune.simulation.steady_state import middle
from workers.scheduling.stage import StagePlan

MOST = 60  # settings that are simulated; of more, those that the means speak for
WORTH = 0.9  # a setting whose limit is below this share of the best one's is not simulated then
SAME = 0.01  # rates that differ by less are equal: the cheaper setting goes first
QUEUED = 2  # requests kept on their way at saturation, for each job that the replicas can hold
LASTING = 3  # times the objective's bound that a simulation lasts at least: a queue that only grows must have time to
LONGEST = 1000  # requests of a simulation at most
PROBES = 9  # rates that are tried for each setting


@dataclass(frozen=True)
class TuningGoal:
    """What the relay is tuned for. Without an objective it is throughput at saturation; a rate asks for no more."""

    arrivals: Arrivals
    objective: Objective | None = None
    rate: float | None = None
    requests: int = 300
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """A setting, what limits it, and its simulated throughput: at saturation, and at the objective."""

    setting: Setting
    limits: tuple[Limit, ...]
    saturated_rps: float
    rps: float
    cost: tuple[int, int, int]  # GPUs, threads on CPU cores, bytes

    @property
    def binding(self) -> Limit:
        """What runs out first."""
        return self.limits[0]


def shortlist(
    model: RelayModel, plans: Sequence[StagePlan], machine: Machine, threads: Sequence[int]
) -> tuple[list[Setting], int]:
    """The settings to simulate, and how many fit the machine.

    All of them, up to MOST. Of more, the cheapest, the quickest for a lone request, and those with most to spare
    among the settings whose limit comes near the best one's.
    """
    options = [choices(stage, machine, threads) for stage in model.stages]
    each = [np.array([_figures(model, plans, d, *choice) for choice in chosen]) for d, chosen in enumerate(options)]
    index = np.stack([axis.ravel() for axis in np.meshgrid(*map(np.arange, map(len, options)), indexing="ij")])
    columns = np.stack([figures[index[depth]] for depth, figures in enumerate(each)])  # stage, setting, figure
    rps, alone_s, cpu_s, count, memory = np.moveaxis(columns, 2, 0)
    bound = np.minimum(rps.min(axis=0), machine.cores / np.maximum(cpu_s.sum(axis=0), 1e-9))
    fits = np.flatnonzero(memory.sum(axis=0) <= machine.memory_bytes)
    if not len(fits):
        raise SystemExit("not even one replica of each stage fits the memory; allow more, or choose smaller models")
    chosen = fits
    if len(fits) > MOST:
        good = fits[bound[fits] >= WORTH * bound[fits].max()]
        orders = (count.sum(axis=0), alone_s.sum(axis=0), -bound)
        chosen = np.unique(
            np.concatenate([good[np.argsort(order[good], kind="stable")][: MOST // 3] for order in orders])
        )
    found = []
    for number in chosen:
        replicas, counts = zip(*(options[d][index[d, number]] for d in range(len(options))), strict=True)
        found.append(Setting(replicas, counts))
    return found, len(fits)


def _figures(
    model: RelayModel, plans: Sequence[StagePlan], depth: int, count: int, threads: int
) -> tuple[float, float, float, float, float]:
    """Requests per second at most, seconds alone, CPU seconds a request, threads, bytes."""
    stage = model.stages[depth]
    alone_s = model.per_request_s(depth, threads)
    batched_s = alone_s * stage.in_batch(threads, plans[depth].max_batch)
    load = stage.load(threads)
    cpu_s = 0.0 if stage.gpu_speed else batched_s * load.demand * (1 + load.neighbours)
    return count / max(batched_s, 1e-9), alone_s, cpu_s, count * threads, count * stage.rss_bytes


def callers(plans: Sequence[StagePlan], setting: Setting) -> int:
    """Patient requests to keep on their way so that no replica ever waits."""
    held = sum(count * plan.max_batch for count, plan in zip(setting.replicas, plans, strict=True))
    return QUEUED * held + 2


def evaluate(
    model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine, wanted: TuningGoal
) -> Candidate:
    """Simulates one setting at saturation and, where there is an objective, finds the highest rate that holds it."""
    found = limits(model, plans, setting, machine)
    in_flight = callers(plans, setting)
    requests = drawn(model.requests, max(wanted.requests, 4 * in_flight), wanted.seed)
    saturated = simulate_closed(model, plans, setting, machine, requests, in_flight)
    saturated_rps = rps = middle(saturated.marks, in_flight).rps
    if wanted.objective is not None:
        objective = wanted.objective
        lasting = min(LONGEST, round(LASTING * objective.bound_s * found[0].rps))
        requests = drawn(model.requests, max(wanted.requests, lasting), wanted.seed)

        def holds(rate: float) -> bool:
            times = [a.at_s for a in wanted.arrivals.draw(rate, Bound(requests=len(requests)), wanted.seed)]
            run = simulate_open(model, plans, setting, machine, requests, times)
            return _attained(run.requests, objective) >= objective.quantile

        held = find_peak(holds, 0.7 * saturated_rps, most_probes=PROBES).held or 0.0
        rps = min(held, found[0].rps)  # what holds for the length of a simulation need not hold for ever
    cost = (setting.gpus(model, machine), setting.cpu_threads(model), setting.memory_bytes(model))
    return Candidate(setting, tuple(found), saturated_rps, rps, cost)


def _attained(requests: Sequence[SimulatedRequest], objective: Objective) -> float:
    def took_s(request: SimulatedRequest) -> float | None:
        return request.first_audio_s if objective.what == "ttfa" else request.latency_s

    in_time = [r.outcome == "ok" and (s := took_s(r)) is not None and s <= objective.bound_s for r in requests]
    return float(np.mean(in_time))


def search(
    model: RelayModel,
    plans: Sequence[StagePlan],
    machine: Machine,
    settings: Iterable[Setting],
    wanted: TuningGoal,
    on_setting: Callable[[], None],
) -> list[Candidate]:
    """Evaluates the settings; the first of the answer is the one to choose."""
    found = []
    for setting in settings:
        found.append(evaluate(model, plans, setting, machine, wanted))
        on_setting()
    return ranked(found, wanted.rate)


def ranked(found: Iterable[Candidate], rate: float | None) -> list[Candidate]:
    """The highest throughput first, and of equals the cheapest. With a wanted rate, whatever reaches it is equal."""
    by_rate = sorted(found, key=lambda c: -c.rps)
    if not by_rate:
        return []
    enough = by_rate[0].rps if rate is None else min(rate, by_rate[0].rps)

    def step(candidate: Candidate) -> int:
        return max(0, int((1 - candidate.rps / enough) / SAME)) if enough else 0

    return [c for _, group in itertools.groupby(by_rate, step) for c in sorted(group, key=lambda c: (c.cost, -c.rps))]
