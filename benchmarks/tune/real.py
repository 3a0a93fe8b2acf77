"""Runs a setting for real, with the same requests in the same order as its simulation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.load.arrivals import Bound
from benchmarks.load.clock import SystemClock
from benchmarks.load.driver import Clip, Driver
from benchmarks.load.samples import Sample, latencies
from benchmarks.load.statistics import percentile
from benchmarks.process_tree import cpu_seconds
from benchmarks.tune.fit import RelayModel
from benchmarks.tune.search import callers
from benchmarks.tune.setting import Machine, Setting
from benchmarks.tune.simulate import cycled, simulate_closed
from pipeline import Pipeline
from workers.config import PipelineConfig
from workers.stage import StagePlan

GIVE_UP_S = 600.0


@dataclass(frozen=True)
class Run:
    """A run at saturation: requests per second from the first to the last, and p95 of the latency in seconds.

    `cpu_share` is achieved throughput over the CPU-bound limit, which is cores ÷ CPU-seconds a request: the share of
    the cores' time that the run's processes used, all of them counted, while the queues were full.
    """

    rps: float
    p95_s: float
    cpu_share: float


@dataclass(frozen=True)
class Compared:
    """The same run, predicted and measured."""

    setting: Setting
    predicted: Run
    measured: Run

    @property
    def error(self) -> float:
        """Of the predicted throughput, as a share of the measured one."""
        return self.predicted.rps / self.measured.rps - 1


def predict(model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine, requests: int) -> Run:
    """What `measure` will find, its beginning and end included."""
    run = simulate_closed(model, plans, setting, machine, cycled(model.requests, requests), _in_flight(plans, setting))
    return Run(run.throughput_rps, run.latency_s(0.95), run.cores_busy_s / run.wall_s / machine.cores)


def measure(
    config: PipelineConfig,
    plans: Sequence[StagePlan],
    setting: Setting,
    clips: Sequence[Clip],
    requests: int,
    on_sample: Callable[[Sample], None],
) -> Run:
    """Runs the setting with a fixed number of callers, so that its queues are empty only at the beginning and the end.

    Raises:
        SystemExit: a request did not end well.
    """
    in_flight = _in_flight(plans, setting)
    with Pipeline(setting.applied_to(config, allow_oversubscription=True)) as pipeline:
        marks = [(time.monotonic(), cpu_seconds())]

        def ended(sample: Sample) -> None:
            marks.append((time.monotonic(), cpu_seconds()))
            on_sample(sample)

        driver = Driver(pipeline, SystemClock(), on_sample=ended)
        samples = driver.closed_loop(in_flight, cycled(clips, requests), Bound(requests=requests), GIVE_UP_S)
    wrong = [sample for sample in samples if sample.outcome != "ok"]
    if wrong:
        raise SystemExit(f"{setting}: {len(wrong)} of {requests} requests did not end well, such as: {wrong[0].error}")
    wall_s = max(sample.end_s for sample in samples) - min(sample.scheduled_s for sample in samples)
    return Run(
        requests / wall_s, percentile(latencies(samples), 0.95), _cpu_share(marks, in_flight, pipeline.plan.cores)
    )


def _in_flight(plans: Sequence[StagePlan], setting: Setting) -> int:
    """As many as keep every replica busy, but no more than find room: the load generator's callers are not patient."""
    return min(callers(plans, setting), plans[0].queue_items)


def _cpu_share(marks: Sequence[tuple[float, float]], in_flight: int, cores: int) -> float:
    """From (time, CPU seconds so far) at the beginning and at each request's end.

    Only from when as many requests as half of the callers have ended until the last is sent, when the run is long
    enough to leave something in between.
    """
    ends = len(marks) - 1
    first, last = (in_flight // 2, ends - in_flight) if ends > 2 * in_flight else (0, ends)
    (began, cpu_before), (ended, cpu_after) = marks[first], marks[last]
    return (cpu_after - cpu_before) / (ended - began) / cores
