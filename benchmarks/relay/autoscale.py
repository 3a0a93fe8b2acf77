"""Measures how a stage scales by itself, under a load that rises and falls again.

    python -m benchmarks.relay.autoscale [--seconds 120] [--peak 12] [--plot output/autoscale.png]

The speech stage is a stand-in that waits 0.25 s a request, like an accelerator. A replica therefore does 4 requests a
second, and the ideal number of replicas is known at every moment. Arrivals are open loop: their times follow from the
ramp and are kept however slow the answers are, and latency counts from the scheduled time. Draws load, replicas and
latency over time, and prints one line of JSON.
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.command_line import add_json, measurement_parser, require, run_measurement
from benchmarks.common.expectations import expect_ok
from benchmarks.common.output import print_record, progress, write_record
from modules.testing import stand_in_stages
from modules.testing.timed import request_audio
from pipeline import Pipeline
from workers.client.result import Result
from workers.config import PipelineConfig

SERVICE_S = 0.25
STAGE = "speak"
MOST = 4
BOUNDS = {"min": 1, "max": MOST, "wait_s": 0.5, "up_after_s": 2.0, "down_after_s": 8.0}
SETTLE_S = 16.0  # after the last answer, so that the picture shows the way back
LOWEST_RPS = 1.0
LOOK_S = 0.25
Floats = NDArray[np.float64]


@dataclass
class StageTimeline:
    """The stage over time: seconds from the start, replicas wanted and ready, jobs waiting."""

    at_s: list[float] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


def rate(at_s: Floats, seconds: float, peak_rps: float) -> Floats:
    """Returns the requests per second at each time: up to the peak in the first 40 %, there for 20 %, down again."""
    knots = np.array([0.0, 0.4, 0.6, 1.0]) * seconds
    rates: Floats = np.interp(at_s, knots, [LOWEST_RPS, peak_rps, peak_rps, LOWEST_RPS])
    return rates


def arrivals(seconds: float, peak_rps: float) -> Floats:
    """Returns when each request is due, evenly spaced by the area under the rate."""
    grid = np.linspace(0.0, seconds, 10_000)
    expected = np.concatenate([[0.0], np.cumsum(rate(grid[1:], seconds, peak_rps)) * (grid[1] - grid[0])])
    times: Floats = np.interp(np.arange(1.0, expected[-1]), expected, grid)
    return times


def drive(pipeline: Pipeline, due_s: Floats, timeline: StageTimeline) -> tuple[Floats, float]:
    """Sends every request when it is due and watches the stage meanwhile.

    Returns:
        The latency of each request in seconds, and the longest delay of a request behind the schedule.

    Raises:
        MeasurementError: a request did not end ok.
    """
    latencies = np.full(len(due_s), math.nan)
    ended = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not ended.wait(LOOK_S):
            (stage,) = (stage for stage in pipeline.client.status().stages if stage.name == STAGE)
            timeline.at_s.append(time.monotonic() - began)
            timeline.wanted.append(stage.replicas)
            timeline.ready.append(stage.ready)
            timeline.waiting.append(stage.queued)

    def send(number: int, due: float) -> Future[Result]:
        def note(_: Future[Result]) -> None:
            latencies[number] = time.monotonic() - began - due

        future = pipeline.submit(request_audio(number))
        future.add_done_callback(note)
        return future

    watcher = threading.Thread(target=watch, name="watch")
    watcher.start()
    delay_s, futures = 0.0, []
    with progress() as bar:
        for number, due in enumerate(bar.track(due_s, description="requests")):
            time.sleep(max(0.0, due - (time.monotonic() - began)))  # the schedule itself
            delay_s = max(delay_s, time.monotonic() - began - due)
            futures.append(send(number, due))
        results = [future.result() for future in futures]
    ended.wait(SETTLE_S)
    ended.set()
    watcher.join()
    expect_ok(results)
    return latencies, delay_s


def draw(
    file: Path, due_s: Floats, latencies: Floats, timeline: StageTimeline, seconds: float, peak_rps: float
) -> None:
    """Draws load, replicas and latency above one another on one time line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (load, replicas, latency) = plt.subplots(3, 1, sharex=True, figsize=(9, 8), layout="constrained")
    at_s = np.linspace(0.0, seconds, 500)
    load.plot(at_s, rate(at_s, seconds, peak_rps), color="tab:blue", label="arrivals")
    load.step(timeline.at_s, np.array(timeline.ready) / SERVICE_S, where="post", color="tab:green", label="capacity")
    load.set(ylabel="requests/s", ylim=(0, None), title=f"{STAGE}: a replica does {1 / SERVICE_S:.0f} requests/s")
    ideal = np.ceil(rate(at_s, seconds, peak_rps) * SERVICE_S)
    replicas.plot(at_s, ideal, color="tab:gray", linestyle=":", label="fewest that keep up")
    replicas.step(timeline.at_s, timeline.wanted, where="post", color="tab:orange", label="wanted")
    replicas.step(timeline.at_s, timeline.ready, where="post", color="tab:green", label="ready")
    replicas.set(ylabel="replicas", ylim=(0, MOST + 0.5))
    latency.plot(due_s, latencies, ".", color="tab:blue", markersize=3, label="latency")
    latency.set(ylabel="s", xlabel="s since the start", ylim=(0, None))
    for axes in (load, replicas, latency):
        axes.legend(loc="upper right", fontsize="small")
        axes.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def figures_of(due_s: Floats, latencies: Floats, timeline: StageTimeline, delay_s: float) -> dict[str, Any]:
    """Returns the figures that are printed."""
    steps = np.diff(timeline.wanted)
    p50, p95 = np.quantile(latencies, [0.5, 0.95])
    return {
        "requests": len(due_s),
        "replicas": {"first": timeline.wanted[0], "most": max(timeline.wanted), "last": timeline.wanted[-1]},
        "ups": int((steps > 0).sum()),
        "downs": int((steps < 0).sum()),
        "replica_seconds": float(np.trapezoid(timeline.ready, timeline.at_s)),
        "latency_s": {"p50": float(p50), "p95": float(p95), "longest": float(latencies.max())},
        "longest_send_delay_s": delay_s,
    }


def main() -> int:
    """Drives the ramp, draws it and prints its figures."""
    parser = measurement_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the ramp (default: 120)")
    parser.add_argument("--peak", type=float, default=12.0, metavar="RPS", help="highest rate (default: 12)")
    parser.add_argument("--plot", type=Path, default=Path("output/autoscale.png"), metavar="FILE")
    add_json(parser)
    arguments = parser.parse_args()
    require("matplotlib")
    keys = {STAGE: {"autoscale": BOUNDS, "queue_items": 10_000}}
    stages = stand_in_stages("timed", keys, **{STAGE: {"service_s": [SERVICE_S]}})
    due_s, timeline = arrivals(arguments.seconds, arguments.peak), StageTimeline()
    with Pipeline(PipelineConfig(stages=stages, cores=2 + MOST)) as pipeline:
        latencies, delay_s = drive(pipeline, due_s, timeline)
    figures = figures_of(due_s, latencies, timeline, delay_s)
    print_record(figures)
    samples = {"due_s": due_s.tolist(), "latency_s": latencies.tolist(), "timeline": vars(timeline)}
    write_record(arguments.json, {**figures, **samples})
    draw(arguments.plot, due_s, latencies, timeline, arguments.seconds, arguments.peak)
    return 0


if __name__ == "__main__":
    run_measurement(main)
