"""Simulates every setting that fits the machine, and ranks them."""

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
from benchmarks.tune.simulation.simulated_relay import (
    SimulatedRequest,
    cycled,
    drawn,
    simulate_closed,
    simulate_open,
)
from benchmarks.tune.simulation.steady_state import steady_state
from errors import ConfigError
from workers.scheduling.stage import StagePlan

MAX_SETTINGS = 60  # settings that are simulated; of more, the most promising by their means
MIN_SHARE_OF_BEST = 0.9  # a setting whose limit is below this share of the best one's is not simulated then
EQUAL_WITHIN = 0.01  # rates that differ by less, as a share, are equal: the cheaper setting goes first
IN_FLIGHT_PER_JOB = 2  # requests in flight at saturation, for each job that the replicas can hold
# Length of a simulation in times of the objective: a queue that grows without end must have time to grow.
OBJECTIVE_TIMES = 3
MAX_REQUESTS = 1000  # requests of a simulation at most
MAX_PROBES = 9  # rates that are tried for each setting


@dataclass(frozen=True)
class TuningGoal:
    """The load to tune for: throughput at saturation, or the highest rate that holds an objective.

    With a rate, the cheapest setting that reaches it wins.
    """

    arrivals: Arrivals
    objective: Objective | None = None
    rate: float | None = None
    requests: int = 300
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """A setting with its limits and its simulated rates, in requests per second.

    `rps` is the rate that it can be expected to carry for ever. Without an objective that is `saturated_rps`; with
    one it is `held_rps`, the highest rate at which a simulation held the objective, but never more than
    `saturated_rps`: above saturation the queue grows without end, even if a short simulation ends before
    the queue is long.
    `cost` is GPUs, threads on CPU cores, and bytes of memory.
    """

    setting: Setting
    limits: tuple[Limit, ...]
    saturated_rps: float
    held_rps: float | None
    cost: tuple[int, int, int]

    @property
    def rps(self) -> float:
        """The rate that the setting carries."""
        return self.saturated_rps if self.held_rps is None else min(self.held_rps, self.saturated_rps)

    @property
    def held_beyond_saturation(self) -> bool:
        """Whether the simulation held the objective at a rate that is not lasting."""
        return self.held_rps is not None and self.held_rps > self.saturated_rps

    @property
    def tightest(self) -> Limit:
        """The limit that is reached first."""
        return self.limits[0]


def shortlist(
    model: RelayModel, plans: Sequence[StagePlan], machine: Machine, threads: Sequence[int]
) -> tuple[list[Setting], int]:
    """Lists the settings to simulate; also returns how many fit the machine.

    All of them are simulated if they are MAX_SETTINGS or fewer. Of more, those are simulated that are the cheapest, the
    fastest for a lone request, or have the highest limit, among the settings whose limit comes near the best one's.

    Raises:
        ConfigError: no setting fits the memory.
    """
    options = [choices(stage, machine, threads) for stage in model.stages]
    each = [np.array([_figures(model, plans, d, *choice) for choice in chosen]) for d, chosen in enumerate(options)]
    index = np.stack([axis.ravel() for axis in np.meshgrid(*map(np.arange, map(len, options)), indexing="ij")])
    columns = np.stack([figures[index[depth]] for depth, figures in enumerate(each)])  # stage, setting, figure
    rps, alone_s, cpu_s, count, memory = np.moveaxis(columns, 2, 0)
    bound = np.minimum(rps.min(axis=0), machine.cores / np.maximum(cpu_s.sum(axis=0), 1e-9))
    fits = np.flatnonzero(memory.sum(axis=0) <= machine.memory_bytes)
    if not len(fits):
        raise ConfigError("not even one replica of each stage fits the memory; allow more, or choose smaller models")
    chosen = fits
    if len(fits) > MAX_SETTINGS:
        good = fits[bound[fits] >= MIN_SHARE_OF_BEST * bound[fits].max()]
        orders = (count.sum(axis=0), alone_s.sum(axis=0), -bound)
        chosen = np.unique(
            np.concatenate([good[np.argsort(order[good], kind="stable")][: MAX_SETTINGS // 3] for order in orders])
        )
    found = []
    for number in chosen:
        replicas, counts = zip(*(options[d][index[d, number]] for d in range(len(options))), strict=True)
        found.append(Setting(replicas, counts))
    return found, len(fits)


def _figures(
    model: RelayModel, plans: Sequence[StagePlan], depth: int, count: int, threads: int
) -> tuple[float, float, float, float, float]:
    """Returns requests per second at most, seconds alone, CPU seconds a request, threads, bytes."""
    stage = model.stages[depth]
    alone_s = model.per_request_s(depth, threads)
    batched_s = alone_s * stage.in_batch(threads, plans[depth].max_batch)
    demand = stage.core_demand(threads)
    cpu_s = 0.0 if stage.gpu_speed else batched_s * demand.demand * (1 + demand.neighbours)
    return count / max(batched_s, 1e-9), alone_s, cpu_s, count * threads, count * stage.rss_bytes


def callers(plans: Sequence[StagePlan], setting: Setting) -> int:
    """Returns the number of patient callers that keep every replica at work."""
    held = sum(count * plan.max_batch for count, plan in zip(setting.replicas, plans, strict=True))
    return IN_FLIGHT_PER_JOB * held + 2


def saturated_rps(
    model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine, requests: int
) -> float:
    """Simulates a setting at saturation; returns its requests per second, which no limit exceeds.

    Args:
        model: the stages and the requests, which are sent in turn.
        plans: the stages' queues and batches.
        setting: the replicas and threads.
        machine: the machine.
        requests: how many are simulated; more where the callers need more to fill the queues.
    """
    in_flight = callers(plans, setting)
    sent = cycled(model.requests, max(requests, 4 * in_flight))
    simulated = steady_state(simulate_closed(model, plans, setting, machine, sent, in_flight).marks, in_flight).rps
    # The limits are laws of means. A run of finite length may exceed them by what its edges leave out.
    return min(simulated, limits(model, plans, setting, machine)[0].rps)


def evaluate(
    model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine, goal: TuningGoal
) -> Candidate:
    """Simulates one setting at saturation and, with an objective, searches the highest rate that holds it."""
    found = limits(model, plans, setting, machine)
    saturated = saturated_rps(model, plans, setting, machine, goal.requests)
    held = None
    if goal.objective is not None:
        objective = goal.objective
        lasting = min(MAX_REQUESTS, round(OBJECTIVE_TIMES * objective.bound_s * found[0].rps))
        requests = drawn(model.requests, max(goal.requests, lasting), goal.seed)

        def holds(rate: float) -> bool:
            times = [a.at_s for a in goal.arrivals.draw(rate, Bound(requests=len(requests)), goal.seed)]
            run = simulate_open(model, plans, setting, machine, requests, times)
            return _attained(run.requests, objective) >= objective.quantile

        held = find_peak(holds, 0.7 * saturated, most_probes=MAX_PROBES).held or 0.0
    cost = (setting.gpus(model, machine), setting.cpu_threads(model), setting.memory_bytes(model))
    return Candidate(setting, tuple(found), saturated, held, cost)


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
    goal: TuningGoal,
    on_setting: Callable[[], None],
) -> list[Candidate]:
    """Evaluates settings and ranks them, the best first; `on_setting` is called after each."""
    found = []
    for setting in settings:
        found.append(evaluate(model, plans, setting, machine, goal))
        on_setting()
    return ranked(found, goal.rate)


def ranked(found: Iterable[Candidate], rate: float | None) -> list[Candidate]:
    """Sorts by throughput, and equals by cost. With a wanted rate, all settings that reach it are equal."""
    by_rate = sorted(found, key=lambda c: -c.rps)
    if not by_rate:
        return []
    enough = by_rate[0].rps if rate is None else min(rate, by_rate[0].rps)

    def step(candidate: Candidate) -> int:
        return max(0, int((1 - candidate.rps / enough) / EQUAL_WITHIN)) if enough else 0

    return [c for _, group in itertools.groupby(by_rate, step) for c in sorted(group, key=lambda c: (c.cost, -c.rps))]
