"""Measures a relay's stages one by one on this machine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.common.busy_threads import busy_threads
from benchmarks.common.environment import environment
from benchmarks.common.stage_alone import outputs, run_alone
from benchmarks.tune.model.profile import Profile, StageMeasurement, TracedJob
from modules.contract.payloads import Payload
from workers.client.result import Event
from workers.config import PipelineConfig
from workers.processes.budget import available_cores

OnCell = Callable[[str], None]
FULL_BATCHES = 3  # at least in a cell with batches: what the fit reads; the first batch is whatever came first


class MeasurementPoint(NamedTuple):
    """What a stage is to be measured at; see `Cell`."""

    replicas: int
    threads: int
    max_batch: int = 1
    beside: int = 0

    def __str__(self) -> str:
        batches = f", batches of {self.max_batch}" if self.max_batch > 1 else ""
        return f"{self.replicas} × {self.threads} threads{batches}" + (f", beside {self.beside}" if self.beside else "")


def cells_of(max_batch: int, threads: Sequence[int], cores: int) -> list[MeasurementPoint]:
    """What to measure a stage at, the first of it the base of all else.

    One replica at each number of threads, single and in batches; then as many replicas of one thread as cores, which
    shows what busy neighbours cost; and a thread on every core beside one more, which shows what taking turns costs.
    """
    batches = dict.fromkeys((1, max_batch))
    wanted = [MeasurementPoint(1, count, batch) for count in dict.fromkeys((1, *threads)) for batch in batches]
    if cores > 1:
        wanted += [MeasurementPoint(cores, 1), MeasurementPoint(1, cores, beside=1)]
    return wanted


@dataclass(frozen=True)
class StageInputs:
    """What each stage is given when the payloads go through the relay, and which piece comes of which."""

    requests: tuple[TracedJob, ...]
    payloads: dict[str, list[Payload]]

    @classmethod
    def trace(cls, config: PipelineConfig, payloads: Sequence[Payload]) -> StageInputs:
        """Puts the payloads through the relay, one by one.

        Raises:
            SystemExit: a stage got nothing to do.
        """
        names = list(config.stages)
        one_of_each = PipelineConfig(**{**config.model_dump(), "ratio": None, "allow_oversubscription": True})
        events = list(outputs(one_of_each, list(payloads)))
        requests = tuple(_piece(payload, (), _by_path(found)) for payload, found in zip(payloads, events, strict=True))
        given = {names[0]: list(payloads)}
        for name, following in itertools.pairwise(names):
            given[following] = [
                e.payload for found in events for e in found if e.stage == name and e.payload is not None
            ]
            if not given[following]:
                raise SystemExit(
                    f"stage {following} got no input from {len(payloads)} requests; pass clips with speech"
                )
        return cls(requests, given)


def profile(
    config: PipelineConfig, inputs: StageInputs, threads: Sequence[int], repeats: int, on_cell: OnCell
) -> Profile:
    """Profiles every stage by itself.

    Args:
        config: the relay; its ratio and threads do not matter here.
        inputs: what the stages are given, from as many requests as shall tell how long they take.
        threads: threads of a replica to try.
        repeats: times that each input is run in each setting, or more often where batches have to fill.
        on_cell: told which setting is measured next.
    """
    cores = config.cores or available_cores()
    stages: dict[str, tuple[StageMeasurement, ...]] = {}
    for name, stage in config.stages.items():
        cells = []
        for wanted in cells_of(stage.max_batch, threads, cores):
            on_cell(f"{name}: {wanted}")
            given = inputs.payloads[name]
            enough = math.ceil((1 + FULL_BATCHES * wanted.max_batch) / len(given)) if wanted.max_batch > 1 else 1
            cells.append(_cell(config, name, wanted, given * max(repeats, enough)))
        stages[name] = tuple(cells)
    return Profile(environment(), cores, inputs.requests, stages)


def _cell(config: PipelineConfig, stage: str, wanted: MeasurementPoint, inputs: list[Payload]) -> StageMeasurement:
    with busy_threads(wanted.beside):
        alone = run_alone(config, stage, wanted.replicas, wanted.threads, inputs, wanted.max_batch)
    spans = [span for result in alone.results for span in result.spans]
    return StageMeasurement(
        **wanted._asdict(),
        service_s=tuple(span.busy_s for span in spans),
        batches=tuple(span.batch for span in spans),
        wall_s=alone.wall_s,
        cpu_s=alone.cpu_s,
        rss_bytes=alone.rss_bytes,
        others_cores=alone.others_cores,
    )


def _by_path(events: list[Event]) -> dict[tuple[int, ...], Payload]:
    """The outputs by the path that they have as jobs of the next stage; its length tells the stage."""
    return {event.path: event.payload for event in events if event.payload is not None}


def _piece(payload: Payload, path: tuple[int, ...], found: dict[tuple[int, ...], Payload]) -> TracedJob:
    children: list[TracedJob] = []
    while (child := (*path, len(children))) in found:
        children.append(_piece(found[child], child, found))
    return TracedJob(payload.cost, tuple(children))
