"""Plans a configuration on this machine, its replicas, threads, devices and memory, and checks it before it starts."""

from __future__ import annotations

import dataclasses
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from errors import ConfigError, WeightsError
from modules.contract.module import Module
from modules.contract.payloads import Payload
from modules.contract.registry import module_class, module_options
from modules.weights import locate
from workers.config import PipelineConfig, StageConfig
from workers.processes.budget import available_cores
from workers.wire.keys import check_keys
from workers.wire.messages.records import MAX_REPLICAS

PROCESS_BYTES = 150 * 2**20  # interpreter and libraries of a replica, before its model


@dataclass(frozen=True, slots=True)
class StageLayout:
    """One stage as it will run.

    Args:
        name: the stage's name.
        config: its configuration.
        module: its module's class.
        model: folder of its weights; None if it needs none here.
        replicas: how many run here; 0 if all of them connect from elsewhere.
        threads: CPU threads of each replica.
        devices: the device of each replica.
        replica_bytes: estimate of one replica's memory.
    """

    name: str
    config: StageConfig
    module: type[Module]
    model: Path | None
    replicas: int
    threads: int
    devices: tuple[str, ...]
    replica_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole relay as it will run. `cores` are shared out; `warnings` are for the user."""

    config: PipelineConfig
    stages: tuple[StageLayout, ...]
    cores: int
    warnings: tuple[str, ...]

    @property
    def accepts(self) -> type[Payload]:
        """The payload that the relay takes."""
        return self.stages[0].module.accepts

    @property
    def memory_bytes(self) -> int:
        """Estimates the memory of all replicas: the files of each one's model, and PROCESS_BYTES."""
        return sum(stage.replicas * stage.replica_bytes for stage in self.stages)


def make_plan(config: PipelineConfig, weights: Path | None = None) -> Plan:
    """Plans a configuration, and checks it against the modules, the weights and the machine.

    Args:
        config: the configuration.
        weights: folder that holds the models, instead of the cache.

    Raises:
        ConfigError: an unknown module or option, neighbours that do not fit, a stage over the core budget, or an
            interpreter or keys that are not there.
        WeightsError: a model is not on this machine, or is damaged.
    """
    cores = config.cores or available_cores()
    replicas = config.replicas()
    if config.keys is not None:
        check_keys(Path(config.keys))
    stages = tuple(_layout(name, stage, replicas[name], cores, weights) for name, stage in config.stages.items())
    _check_neighbours(stages)
    warnings = [_oversubscribed(_at_most(stage), config, cores) for stage in stages]
    total = sum(stage.replicas * stage.threads for stage in stages if stage.config.device == "cpu")
    if total > cores:
        warnings.append(
            f"the stages together may run {total} threads on {cores} cores: when all are busy they take turns"
        )
    return Plan(config, stages, cores, tuple(filter(None, warnings)))


def resized(plan: Plan, stage: StageLayout | None, name: str, replicas: int) -> StageLayout:
    """Returns a stage of the plan with another number of replicas.

    Args:
        plan: the plan.
        stage: the stage as it is now, or None if there is none of this name.
        name: the stage's name.
        replicas: how many it shall have.

    Raises:
        ConfigError: there is no such stage, or it cannot have so many replicas; says why.
    """
    if stage is None:
        raise ConfigError(f"there is no stage {name!r}; name one of {', '.join(s.name for s in plan.stages)}")
    if not 1 <= replicas <= MAX_REPLICAS:
        raise ConfigError(f"{name} takes 1 to {MAX_REPLICAS} replicas, not {replicas}")
    bounds = stage.config.autoscale
    if bounds is not None and not bounds.min <= replicas <= bounds.max:
        raise ConfigError(
            f"{name} scales by itself from {bounds.min} to {bounds.max} replicas, so it cannot have {replicas}; "
            f"name a number between, or change stages.{name}.autoscale"
        )
    if stage.config.model is not None and stage.model is None:
        raise ConfigError(
            f"{name} has replicas from elsewhere only: its model {stage.config.model} is not here; fetch it first"
        )
    layout = dataclasses.replace(
        stage,
        replicas=replicas,
        threads=_threads(stage.config, replicas, plan.cores),
        devices=_devices(stage.config, replicas),
    )
    _oversubscribed(layout, plan.config, plan.cores)
    return layout


def _oversubscribed(stage: StageLayout, config: PipelineConfig, cores: int) -> str:
    """Returns a warning if the stage alone exceeds the cores, and an empty text otherwise.

    Raises:
        ConfigError: the stage exceeds the cores, and the configuration does not allow that.
    """
    wanted = stage.replicas * stage.threads
    if stage.config.device != "cpu" or wanted <= cores:
        return ""
    message = (
        f"stage {stage.name}: {stage.replicas} replicas × {stage.threads} threads need {wanted} cores "
        f"but there are {cores}"
    )
    if not config.allow_oversubscription:
        raise ConfigError(f"{message}; lower the ratio or threads, or set allow_oversubscription: true")
    return f"{message}; they will slow each other down"


def _at_most(stage: StageLayout) -> StageLayout:
    """Returns the stage with as many replicas as autoscaling may give it."""
    bounds = stage.config.autoscale
    if bounds is None:
        return stage
    return dataclasses.replace(stage, replicas=bounds.max, devices=_devices(stage.config, bounds.max))


def _threads(stage: StageConfig, replicas: int, cores: int) -> int:
    """Returns the threads of each replica.

    An autoscaled stage shares the cores among its most replicas from the start, so that a new replica changes nothing
    for the others.
    """
    sharing = stage.autoscale.max if stage.autoscale else replicas
    return max(1, cores // max(1, sharing)) if stage.threads == "auto" else stage.threads


def _devices(stage: StageConfig, replicas: int) -> tuple[str, ...]:
    if stage.device == "cpu":
        return ("cpu",) * replicas
    return tuple(stage.device[number % len(stage.device)] for number in range(replicas))


def _layout(name: str, stage: StageConfig, replicas: int, cores: int, weights: Path | None) -> StageLayout:
    try:
        module = module_class(stage.module)
        module_options(stage.module, stage.options)
    except ConfigError as error:
        raise ConfigError(f"stage {name}: {error}") from error
    if stage.python is not None and not (Path(stage.python).is_file() and os.access(stage.python, os.X_OK)):
        raise ConfigError(f"stage {name}: python: {stage.python} is no program; name an interpreter, or leave it out")
    model = _model(stage, replicas, weights)
    on_disk = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) if model else 0
    return StageLayout(
        name=name,
        config=stage,
        module=module,
        model=model,
        replicas=replicas,
        threads=_threads(stage, replicas, cores),
        devices=_devices(stage, replicas),
        replica_bytes=on_disk + PROCESS_BYTES,
    )


def _model(stage: StageConfig, replicas: int, weights: Path | None) -> Path | None:
    if stage.model is None:
        return None
    try:
        return locate(stage.model, weights)
    except WeightsError:
        if replicas:
            raise
        return None


def _check_neighbours(stages: tuple[StageLayout, ...]) -> None:
    for before, after in itertools.pairwise(stages):
        if before.module.yields is not after.module.accepts:
            raise ConfigError(
                f"stage {before.name} yields {before.module.yields.__name__} but stage {after.name} takes "
                f"{after.module.accepts.__name__}; put a module between them or change their order"
            )
