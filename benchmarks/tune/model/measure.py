"""Measures the stages of a relay one by one on this machine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.common.busy_threads import busy_threads
from benchmarks.common.environment import environment
from benchmarks.common.stage_alone import outputs, run_alone
from benchmarks.load.formatting import count_text
from benchmarks.tune.model.profile import Profile, StageMeasurement, TracedJob
from errors import MeasurementError
from modules.contract.payloads import Payload
from workers.client.result import Event
from workers.config import PipelineConfig
from workers.processes.budget import available_cores

FULL_BATCHES = 3  # at least, in a measurement with batches: the fit reads full ones, and the first is seldom full


class MeasurementPoint(NamedTuple):
    """Replicas, threads, batch and busy cores that a stage is to be measured with; see `StageMeasurement`."""

    replicas: int
    threads: int
    max_batch: int = 1
    beside: int = 0

    def __str__(self) -> str:
        batches = f", batches of {self.max_batch}" if self.max_batch > 1 else ""
        beside = f", beside {count_text(self.beside, 'busy thread')}" if self.beside else ""
        return f"{self.replicas} × {count_text(self.threads, 'thread')}{batches}{beside}"


def measurement_points(max_batch: int, threads: Sequence[int], cores: int) -> list[MeasurementPoint]:
    """Lists the points to measure a stage at; the first is the base of all others.

    One replica at each number of threads, with single jobs and with batches. Then as many replicas of one thread as
    cores, which shows the cost of busy neighbours. Then a replica with a thread for every core beside one more busy
    thread, which shows the cost of taking turns.
    """
    batches = dict.fromkeys((1, max_batch))
    points = [MeasurementPoint(1, count, batch) for count in dict.fromkeys((1, *threads)) for batch in batches]
    if cores > 1:
        points += [MeasurementPoint(cores, 1), MeasurementPoint(1, cores, beside=1)]
    return points


@dataclass(frozen=True)
class StageInputs:
    """The payloads that each stage is given, and the requests as trees of jobs."""

    requests: tuple[TracedJob, ...]
    payloads: dict[str, list[Payload]]

    @classmethod
    def trace(cls, config: PipelineConfig, payloads: Sequence[Payload]) -> StageInputs:
        """Puts payloads through the relay, one by one, and keeps what each stage is given.

        Raises:
            MeasurementError: a request did not end well, or a stage got no input.
        """
        names = list(config.stages)
        one_of_each = PipelineConfig(**{**config.model_dump(), "ratio": None, "allow_oversubscription": True})
        events = list(outputs(one_of_each, list(payloads)))
        requests = tuple(_traced(payload, (), _by_path(found)) for payload, found in zip(payloads, events, strict=True))
        given = {names[0]: list(payloads)}
        for name, following in itertools.pairwise(names):
            given[following] = [
                event.payload
                for found in events
                for event in found
                if event.stage == name and event.payload is not None
            ]
            if not given[following]:
                raise MeasurementError(
                    f"stage {following} got no input from {len(payloads)} requests; pass recordings with speech"
                )
        return cls(requests, given)


def measure_stages(
    config: PipelineConfig, inputs: StageInputs, threads: Sequence[int], repeats: int, on_point: Callable[[str], None]
) -> Profile:
    """Measures every stage alone.

    Args:
        config: the relay; its ratio and threads do not matter here.
        inputs: the payloads of each stage.
        threads: threads of a replica to try.
        repeats: how often each input is run at each point; more often where batches have to fill.
        on_point: called with the stage and the point before it is measured.

    Raises:
        MeasurementError: a request did not end well.
    """
    cores = config.cores or available_cores()
    stages: dict[str, tuple[StageMeasurement, ...]] = {}
    for name, stage in config.stages.items():
        measured = []
        for point in measurement_points(stage.max_batch, threads, cores):
            on_point(f"{name}: {point}")
            given = inputs.payloads[name]
            enough = math.ceil((1 + FULL_BATCHES * point.max_batch) / len(given)) if point.max_batch > 1 else 1
            measured.append(_measure(config, name, point, given * max(repeats, enough)))
        stages[name] = tuple(measured)
    return Profile(environment(), cores, inputs.requests, stages)


def _measure(config: PipelineConfig, stage: str, point: MeasurementPoint, inputs: list[Payload]) -> StageMeasurement:
    with busy_threads(point.beside):
        alone = run_alone(config, stage, point.replicas, point.threads, inputs, point.max_batch)
    spans = [span for result in alone.results for span in result.spans]
    return StageMeasurement(
        **point._asdict(),
        service_s=tuple(span.busy_s for span in spans),
        batches=tuple(span.batch for span in spans),
        wall_s=alone.wall_s,
        cpu_s=alone.cpu_s,
        rss_bytes=alone.rss_bytes,
        others_cores=alone.others_cores,
    )


def _by_path(events: list[Event]) -> dict[tuple[int, ...], Payload]:
    """Returns the outputs by the path that they have as jobs of the next stage; its length tells the stage."""
    return {event.path: event.payload for event in events if event.payload is not None}


def _traced(payload: Payload, path: tuple[int, ...], found: dict[tuple[int, ...], Payload]) -> TracedJob:
    children: list[TracedJob] = []
    while (child := (*path, len(children))) in found:
        children.append(_traced(found[child], child, found))
    return TracedJob(payload.cost, tuple(children))
