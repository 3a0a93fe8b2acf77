"""Starting the broker's process: what a plan comes to in the broker's terms."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from modules.contract.payloads import Audio
from workers.broker.settings import BrokerSettings
from workers.config import PipelineConfig
from workers.plan import StageLayout
from workers.processes.child import Child
from workers.replica.process import ReplicaSpec
from workers.scheduling.stage import StagePlan


class Addresses(NamedTuple):
    """Where a broker is to listen: for clients, for replicas, and for scrapes of metrics; ``ipc`` is a path of ours."""

    clients: str
    replicas: str
    metrics: str | None


def start_broker(
    config: PipelineConfig, stages: Iterable[StageLayout], folder: Path, addresses: Addresses, log: Path | None
) -> Child:
    """Starts a broker whose private sockets are in `folder`."""
    stages = list(stages)
    settings = BrokerSettings(
        clients=ipc_address(folder, "clients") if addresses.clients == "ipc" else addresses.clients,
        replicas=ipc_address(folder, "replicas") if addresses.replicas == "ipc" else addresses.replicas,
        control=ipc_address(folder, "control"),
        max_attempts=config.max_attempts,
        stages=[stage_plan(stage) for stage in stages],
        specs={stage.name: _spec(stage, config.seed) for stage in stages},
        dead_letters=str(Path(config.dead_letters).absolute()),
        keys=config.keys,
        metrics=addresses.metrics,
        objectives_s=tuple(config.objectives_s),
        spans=config.spans,
    )
    file = folder / "broker.msgpack"
    file.write_bytes(msgspec.msgpack.encode(settings))
    return Child("workers.broker", ["--settings", str(file)], log)


def ipc_address(folder: Path, role: str) -> str:
    """Address of a private socket."""
    return f"ipc://{folder / role}"


def stage_plan(stage: StageLayout) -> StagePlan:
    """What the scheduler needs to know of a stage."""
    config = stage.config
    return StagePlan(
        name=stage.name,
        accepts="audio" if stage.module.accepts is Audio else "text",
        module=config.module,
        threads=stage.threads,
        max_batch=config.max_batch,
        max_batch_cost=config.max_batch_cost or math.inf,
        max_wait_s=config.max_wait_ms / 1000,
        queue_items=config.queue_items,
        queue_cost=config.queue_cost or math.inf,
    )


def _spec(stage: StageLayout, seed: int) -> bytes:
    config = stage.config
    return msgspec.json.encode(ReplicaSpec(config.module, config.model, config.options, seed))
