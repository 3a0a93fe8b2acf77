"""Confirms a setting: runs it for real, with the same requests in the same order as its simulation."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from benchmarks.common.process_tree import cpu_seconds
from benchmarks.load.figures.samples import RequestSample, latencies
from benchmarks.load.figures.statistics import percentile
from benchmarks.load.sending.arrivals import Bound
from benchmarks.load.sending.clips import InputClip
from benchmarks.load.sending.clock import SystemClock
from benchmarks.load.sending.driver import Driver
from benchmarks.tune.model.fit import RelayModel
from benchmarks.tune.search import callers
from benchmarks.tune.setting import Machine, Setting
from benchmarks.tune.simulation.simulated_relay import cycled, simulate_closed
from benchmarks.tune.simulation.steady_state import Mark, run_length, steady_state
from errors import MeasurementError
from pipeline import Pipeline
from workers.config import PipelineConfig
from workers.scheduling.stage import StagePlan


@dataclass(frozen=True)
class SaturatedRun:
    """A run at saturation: requests per second while its queues were full, and p95 of the latency in seconds.

    `cpu_share` is the throughput ÷ the CPU-bound limit (cores ÷ CPU-seconds a request). That is the share of the cores'
    time that all processes of the run used meanwhile.
    """

    rps: float
    p95_s: float
    cpu_share: float


@dataclass(frozen=True)
class Confirmation:
    """The same run, predicted and measured."""

    setting: Setting
    predicted: SaturatedRun
    measured: SaturatedRun

    @property
    def error(self) -> float:
        """The error of the predicted throughput, as a share of the measured one."""
        return self.predicted.rps / self.measured.rps - 1


def predict(
    model: RelayModel, plans: Sequence[StagePlan], setting: Setting, machine: Machine, requests: int
) -> SaturatedRun:
    """Simulates the run that `measure` makes."""
    in_flight = _in_flight(plans, setting)
    sent = cycled(model.requests, run_length(requests, in_flight))
    run = simulate_closed(model, plans, setting, machine, sent, in_flight)
    steady = steady_state(run.marks, in_flight)
    while_full = sorted(run.requests, key=lambda request: request.ended_s)[:-in_flight]
    p95_s = percentile([request.latency_s for request in while_full], 0.95)
    return SaturatedRun(steady.rps, p95_s, steady.cores / machine.cores)


def measure(
    config: PipelineConfig,
    plans: Sequence[StagePlan],
    setting: Setting,
    clips: Sequence[InputClip],
    requests: int,
    on_sample: Callable[[RequestSample], None],
) -> SaturatedRun:
    """Runs a setting with as many callers as keep its queues full until `requests` requests have ended.

    The requests that are in flight then are cancelled.

    Raises:
        MeasurementError: a request did not end well.
    """
    in_flight, total = _in_flight(plans, setting), total_requests(plans, setting, requests)
    with Pipeline(setting.applied_to(config, allow_oversubscription=True)) as pipeline:
        marks = [Mark(time.monotonic(), cpu_seconds())]

        def ended(sample: RequestSample) -> None:
            marks.append(Mark(time.monotonic(), cpu_seconds()))
            on_sample(sample)

        driver = Driver(pipeline, SystemClock(), on_sample=ended)
        samples = driver.closed_loop(in_flight, iter(cycled(clips, total)), Bound(requests=total), give_up_s=0.0)
    wrong = [sample for sample in samples if sample.outcome not in ("ok", "cancelled")]
    if wrong:
        raise MeasurementError(
            f"{setting}: {len(wrong)} of {total} requests did not end well, such as: {wrong[0].error}"
        )
    steady = steady_state(marks, in_flight)
    ended_well = [sample for sample in samples if sample.outcome == "ok"]
    return SaturatedRun(steady.rps, percentile(latencies(ended_well), 0.95), steady.cores / pipeline.plan.cores)


def mean_run(runs: Sequence[SaturatedRun]) -> SaturatedRun:
    """Averages several runs of one setting."""
    return SaturatedRun(*(statistics.fmean(figures) for figures in zip(*map(astuple, runs), strict=True)))


def total_requests(plans: Sequence[StagePlan], setting: Setting, requests: int) -> int:
    """Returns how many requests `measure` sends, cancelled ones too, so that `requests` of them count."""
    return run_length(requests, _in_flight(plans, setting))


def _in_flight(plans: Sequence[StagePlan], setting: Setting) -> int:
    """Returns the number of callers: enough to keep every replica busy, at most what the first queue holds."""
    return min(callers(plans, setting), plans[0].queue_items)
