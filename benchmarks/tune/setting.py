"""What can be chosen, replicas and threads for each stage, and the machine that it has to fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.tune.fit import RelayModel
from workers.config import PipelineConfig


@dataclass(frozen=True)
class Machine:
    """What there is to run on."""

    cores: int
    memory_bytes: float = float("inf")
    gpus: int = 0


@dataclass(frozen=True, order=True)
class Setting:
    """Replicas and threads of each stage, in the order of the relay."""

    replicas: tuple[int, ...]
    threads: tuple[int, ...]

    @property
    def ratio(self) -> str:
        """As the configuration writes it."""
        return ":".join(map(str, self.replicas))

    def __str__(self) -> str:
        return f"{self.ratio} × {','.join(map(str, self.threads))}"

    def cpu_threads(self, model: RelayModel) -> int:
        """Threads of all replicas that run on CPU cores."""
        return sum(
            count * threads
            for count, threads, stage in zip(self.replicas, self.threads, model.stages, strict=True)
            if not stage.gpu_speed
        )

    def memory_bytes(self, model: RelayModel) -> int:
        """Resident memory of all replicas, as each was measured; pages that they share count in each."""
        return sum(count * stage.rss_bytes for count, stage in zip(self.replicas, model.stages, strict=True))

    def gpus(self, model: RelayModel, machine: Machine) -> int:
        """GPUs that have a replica."""
        counts = (count for count, stage in zip(self.replicas, model.stages, strict=True) if stage.gpu_speed)
        return min(machine.gpus, max(counts, default=0))

    def fits(self, model: RelayModel, machine: Machine) -> bool:
        """Whether each stage alone stays within the cores, as `pipeline.py check` asks, and all within the memory."""
        within = all(
            count * threads <= machine.cores or stage.gpu_speed
            for count, threads, stage in zip(self.replicas, self.threads, model.stages, strict=True)
        )
        return within and self.memory_bytes(model) <= machine.memory_bytes

    def applied_to(self, config: PipelineConfig, **changes: object) -> PipelineConfig:
        """The configuration with this ratio and these threads, and other top-level keys changed."""
        values = config.model_dump()
        for stage, threads in zip(values["stages"].values(), self.threads, strict=True):
            stage["threads"] = threads
        return PipelineConfig(**{**values, "ratio": self.ratio, **changes})


def settings(model: RelayModel, machine: Machine, threads: Sequence[int]) -> Iterator[Setting]:
    """Every setting that fits the machine: replicas × threads of each stage up to the cores, up to two to a GPU."""
    choices: list[list[tuple[int, int]]] = []
    for stage in model.stages:
        if stage.gpu_speed:
            choices.append([(count, 1) for count in range(1, 2 * machine.gpus + 1)])
        else:
            usable = [k for k in dict.fromkeys(threads) if k <= machine.cores]
            choices.append([(count, k) for k in usable for count in range(1, machine.cores // k + 1)])
    for chosen in itertools.product(*choices):
        replicas, counts = zip(*chosen, strict=True)
        setting = Setting(replicas, counts)
        if setting.memory_bytes(model) <= machine.memory_bytes:
            yield setting
