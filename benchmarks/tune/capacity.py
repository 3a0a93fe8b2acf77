"""The most that a setting can carry, computed from means alone, and what limits it: a stage, the cores or the GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.formatting import count_text
from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.setting import Machine, Setting
from workers.scheduling.stage import StagePlan

NEAR = 0.05  # how far below the highest rate the knee may be, as a share


@dataclass(frozen=True)
class Limit:
    """A resource that runs out, the requests per second that it allows, and how that was computed."""

    name: str
    rps: float
    why: str


def limits(model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine) -> list[Limit]:
    """Lists the limits, the tightest first: the replicas of each stage, the cores, and the GPUs.

    A stage's replicas are taken as undisturbed by others, and batches as full, as they are at saturation.
    """
    found, cpu_s, gpu_s = [], 0.0, 0.0
    for depth, (stage, plan) in enumerate(zip(model.stages, plans, strict=True)):
        count, threads = setting.replicas[depth], setting.threads[depth]
        each_s = model.per_request_s(depth, threads) * stage.in_batch(threads, plan.max_batch)
        if each_s > 0:
            found.append(
                Limit(stage.name, count / each_s, f"{count_text(count, 'replica')} ÷ {each_s:.3g} s a request")
            )
        if stage.gpu_speed:
            gpu_s += each_s
        else:
            demand = stage.core_demand(threads)
            cpu_s += each_s * demand.demand * (1 + demand.neighbours)  # where the cores are the limit, all are busy
    if cpu_s > 0:
        found.append(
            Limit("cores", machine.cores / cpu_s, f"{count_text(machine.cores, 'core')} ÷ {cpu_s:.3g} CPU-s a request")
        )
    if gpu_s > 0:
        gpus = setting.gpus(model, machine)
        found.append(Limit("GPUs", gpus / gpu_s, f"{count_text(gpus, 'GPU')} ÷ {gpu_s:.3g} GPU-s a request"))
    return sorted(found, key=lambda limit: limit.rps)


def growth(model: RelayModel, plans: Sequence[StagePlan], start: Setting, machine: Machine) -> list[Setting]:
    """Grows from one replica of each stage: one more of the stage that limits, as long as that helps and fits."""
    setting = Setting((1,) * len(plans), start.threads)
    path = [setting]
    while True:
        tightest = limits(model, plans, setting, machine)[0]
        grown = [stage.name == tightest.name for stage in model.stages]
        if not any(grown):
            return path
        replicas = tuple(count + more for count, more in zip(setting.replicas, grown, strict=True))
        setting = Setting(replicas, start.threads)
        if not setting.fits(model, machine):
            return path
        path.append(setting)


def knee(rates: Sequence[float]) -> int:
    """Returns the index of the first rate near the highest; replicas added after it gain little."""
    return next(index for index, rate in enumerate(rates) if rate >= max(rates) * (1 - NEAR))
