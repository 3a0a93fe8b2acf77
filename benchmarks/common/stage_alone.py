"""Runs one stage by itself, on the inputs that it gets in the relay."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.common.expectations import expect_ok
from benchmarks.common.process_tree import cpu_seconds
from modules.contract.payloads import Payload
from pipeline import Pipeline
from workers.client.result import Event, Result
from workers.config import PipelineConfig


@dataclass(frozen=True)
class StageRun:
    """The results of one stage by itself, and what they cost.

    `cpu_s` is the CPU time of the replicas for all inputs, `rss_bytes` the memory of the largest replica, and
    `others_cores` the number of cores that everything else on the machine kept busy meanwhile.
    """

    results: list[Result]
    wall_s: float
    cpu_s: float
    rss_bytes: int
    others_cores: float


def outputs(config: PipelineConfig, payloads: list[Payload]) -> Iterator[list[Event]]:
    """Puts payloads through the relay one by one and yields the outputs of all stages for each.

    Raises:
        MeasurementError: a request did not end ok.
    """
    with Pipeline(config) as pipeline:
        for payload in payloads:
            stream = pipeline.stream(payload)
            events = [event for event in stream if event.payload is not None]
            expect_ok([stream.result()])
            yield events


def stage_inputs(config: PipelineConfig, payloads: list[Payload]) -> dict[str, list[Payload]]:
    """Returns the inputs of each stage, in path order, when the payloads go through the relay.

    Raises:
        MeasurementError: a request did not end ok.
    """
    names = list(config.stages)
    inputs: dict[str, list[Payload]] = {name: [] for name in names}
    inputs[names[0]] += payloads
    following = dict(itertools.pairwise(names))
    for events in outputs(config, payloads):
        for event in events:
            if event.payload is not None and event.stage in following:
                inputs[following[event.stage]].append(event.payload)
    return inputs


def run_alone(
    config: PipelineConfig, stage: str, replicas: int, threads: int, inputs: list[Payload], max_batch: int = 1
) -> StageRun:
    """Runs one stage of a relay with all inputs queued at once.

    Raises:
        MeasurementError: a request did not end ok.
    """
    changes = {"threads": threads, "max_batch": max_batch, "queue_items": len(inputs)}
    alone = config.stages[stage].model_copy(update=changes)
    values: dict[str, Any] = {
        "stages": {stage: alone.model_dump()},
        "ratio": str(replicas),
        "allow_oversubscription": True,
    }
    with Pipeline(PipelineConfig(**values)) as pipeline:
        processes = [psutil.Process(replica.pid) for replica in pipeline.replicas()]
        tree_before, machine_before = cpu_seconds(), _machine_seconds()
        cpu_before, began = _cpu_seconds(processes), time.monotonic()
        results = list(pipeline.map(inputs, in_flight=len(inputs)))
        wall_s = time.monotonic() - began
        cpu_s = _cpu_seconds(processes) - cpu_before
        others_s = _machine_seconds() - machine_before - (cpu_seconds() - tree_before)
        rss_bytes = max(process.memory_info().rss for process in processes)
    expect_ok(results)
    return StageRun(results, wall_s, cpu_s, rss_bytes, max(0.0, others_s / wall_s))


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def _machine_seconds() -> float:
    """Returns the CPU seconds that all processes of this machine have had, and that its host took from it."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)  # guest is part of user
