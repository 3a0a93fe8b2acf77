"""Settings, the replicas and threads of each stage, and the machine that they have to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.tune.model.fit import RelayModel, StageModel
from errors import ConfigError
from workers.config import PipelineConfig
from workers.plan import make_plan
from workers.scheduling.stage import StagePlan
from workers.supervisor.broker_process import stage_plan


@dataclass(frozen=True)
class Machine:
    """The cores, memory and GPUs to run on."""

    cores: int
    memory_bytes: float = float("inf")
    gpus: int = 0


@dataclass(frozen=True, order=True)
class Setting:
    """Replicas and threads of each stage, in the order of the relay."""

    replicas: tuple[int, ...]
    threads: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Setting:
        """Reads a ratio and the threads of each stage, such as ``1:1:2 1,1,2``.

        Raises:
            ConfigError: the text has another form.
        """
        try:
            ratio, threads = text.split()
            setting = cls(tuple(map(int, ratio.split(":"))), tuple(map(int, threads.split(","))))
        except ValueError:
            raise ConfigError(f"setting {text!r}: write a ratio and threads, such as '1:1:2 1,1,2'") from None
        if len(setting.replicas) != len(setting.threads) or min(setting.replicas + setting.threads) < 1:
            raise ConfigError(f"setting {text!r}: write a number of replicas and of threads, 1 or more, for each stage")
        return setting

    @property
    def ratio(self) -> str:
        """The ratio as the configuration writes it."""
        return ":".join(map(str, self.replicas))

    def __str__(self) -> str:
        """Returns the form that `parse` reads."""
        return f"{self.ratio} {','.join(map(str, self.threads))}"

    def cpu_threads(self, model: RelayModel) -> int:
        """Counts the threads of all replicas that run on CPU cores."""
        return sum(
            count * threads
            for count, threads, stage in zip(self.replicas, self.threads, model.stages, strict=True)
            if not stage.gpu_speed
        )

    def memory_bytes(self, model: RelayModel) -> int:
        """Sums the measured resident memory of all replicas; pages that they share count in each."""
        return sum(count * stage.rss_bytes for count, stage in zip(self.replicas, model.stages, strict=True))

    def gpus(self, model: RelayModel, machine: Machine) -> int:
        """Counts the GPUs that have a replica."""
        counts = (count for count, stage in zip(self.replicas, model.stages, strict=True) if stage.gpu_speed)
        return min(machine.gpus, max(counts, default=0))

    def fits(self, model: RelayModel, machine: Machine) -> bool:
        """Returns whether each stage alone fits the cores, as `relevo check` asks, and all stages fit the memory."""
        within = all(
            count * threads <= machine.cores or stage.gpu_speed
            for count, threads, stage in zip(self.replicas, self.threads, model.stages, strict=True)
        )
        return within and self.memory_bytes(model) <= machine.memory_bytes

    def applied_to(self, config: PipelineConfig, **changes: object) -> PipelineConfig:
        """Returns the configuration with this ratio and these threads, and with other top-level keys changed."""
        values = config.model_dump()
        for stage, threads in zip(values["stages"].values(), self.threads, strict=True):
            stage["threads"] = threads
        return PipelineConfig(**{**values, "ratio": self.ratio, **changes})


def choices(stage: StageModel, machine: Machine, threads: Sequence[int]) -> list[tuple[int, int]]:
    """Lists the (replicas, threads) that a stage can have: all cores at most, or two replicas to a GPU."""
    if stage.gpu_speed:
        return [(count, 1) for count in range(1, 2 * machine.gpus + 1)]
    usable = [k for k in dict.fromkeys(threads) if k <= machine.cores]
    return [(count, k) for k in usable for count in range(1, machine.cores // k + 1)]


def stage_plans(config: PipelineConfig) -> list[StagePlan]:
    """Plans the stages' queues and batches for the scheduler; replicas and threads come from a setting."""
    one_of_each = PipelineConfig(**{**config.model_dump(), "ratio": None, "allow_oversubscription": True})
    return [stage_plan(stage) for stage in make_plan(one_of_each).stages]
