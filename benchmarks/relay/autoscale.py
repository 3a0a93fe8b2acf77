"""A stage that scales by itself, under a load that rises and falls again: load, replicas and latency over time.

    python -m benchmarks.relay.autoscale [--seconds 120] [--peak 12] [--plot output/autoscale.png]

The speech stage is a stand-in that waits 0.25 s a request, as for an accelerator, so that a replica does 4 requests a
second and the ideal number of replicas is known at every moment. Arrivals are open loop: their times follow from the
ramp and are sent on schedule, however slow the answers are, and latency counts from the scheduled time. Writes a
picture and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from benchmarks.common.environment import environment
from modules.testing import stand_in_stages
from modules.testing.timed import request_audio
from pipeline import Pipeline
from workers.config import PipelineConfig

SERVICE_S = 0.25
STAGE = "speak"
BOUNDS = {"min": 1, "max": 4, "wait_s": 0.5, "up_after_s": 2.0, "down_after_s": 8.0}
LOWEST_RPS = 1.0
LOOK_S = 0.25
Floats = NDArray[np.float64]


@dataclass
class Course:
    """What was seen over time: seconds from the start."""

    at_s: list[float] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


def rate(at_s: Floats, seconds: float, peak_rps: float) -> Floats:
    """Requests a second at each time: up to the peak in the first 40 %, there for 20 %, and down again."""
    knots = np.array([0.0, 0.4, 0.6, 1.0]) * seconds
    rates: Floats = np.interp(at_s, knots, [LOWEST_RPS, peak_rps, peak_rps, LOWEST_RPS])
    return rates


def arrivals(seconds: float, peak_rps: float) -> Floats:
    """When each request comes: evenly spaced by the area under the rate."""
    grid = np.linspace(0.0, seconds, 10_000)
    expected = np.concatenate([[0.0], np.cumsum(rate(grid[1:], seconds, peak_rps)) * (grid[1] - grid[0])])
    times: Floats = np.interp(np.arange(1.0, expected[-1]), expected, grid)
    return times


def drive(pipeline: Pipeline, due_s: Floats, course: Course, settle_s: float) -> tuple[Floats, float]:
    """Sends every request when it is due and watches the stage; latencies, and the longest lag behind the schedule."""
    latencies = np.full(len(due_s), math.nan)
    ended = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not ended.wait(LOOK_S):
            (stage,) = (stage for stage in pipeline.client.status().stages if stage.name == STAGE)
            course.at_s.append(time.monotonic() - began)
            course.wanted.append(stage.replicas)
            course.ready.append(stage.ready)
            course.waiting.append(stage.queued)

    def note(number: int, due: float) -> None:
        latencies[number] = time.monotonic() - began - due

    watcher = threading.Thread(target=watch, name="watch")
    watcher.start()
    lag_s, futures = 0.0, []
    with Progress(transient=True) as progress:
        for number, due in enumerate(progress.track(due_s, description="requests")):
            time.sleep(max(0.0, due - (time.monotonic() - began)))  # the schedule itself
            lag_s = max(lag_s, time.monotonic() - began - due)
            future = pipeline.submit(request_audio(number))
            future.add_done_callback(lambda _, number=number, due=due: note(number, due))
            futures.append(future)
        outcomes = {future.result().outcome for future in futures}
    ended.wait(settle_s)  # so that the picture shows the way back
    ended.set()
    watcher.join()
    assert outcomes == {"ok"}, outcomes
    return latencies, lag_s


def draw(file: Path, due_s: Floats, latencies: Floats, course: Course, seconds: float, peak_rps: float) -> None:
    """Load, replicas and latency above one another on one time line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (load, replicas, latency) = plt.subplots(3, 1, sharex=True, figsize=(9, 8), layout="constrained")
    at_s = np.linspace(0.0, seconds, 500)
    load.plot(at_s, rate(at_s, seconds, peak_rps), color="tab:blue", label="arrivals")
    load.step(course.at_s, np.array(course.ready) / SERVICE_S, where="post", color="tab:green", label="capacity")
    load.set(ylabel="requests/s", ylim=(0, None), title=f"{STAGE}: a replica does {1 / SERVICE_S:.0f} requests/s")
    ideal = np.ceil(rate(at_s, seconds, peak_rps) * SERVICE_S)
    replicas.plot(at_s, ideal, color="tab:gray", linestyle=":", label="least that keep up")
    replicas.step(course.at_s, course.wanted, where="post", color="tab:orange", label="wanted")
    replicas.step(course.at_s, course.ready, where="post", color="tab:green", label="ready")
    replicas.set(ylabel="replicas", ylim=(0, BOUNDS["max"] + 0.5))
    latency.plot(due_s, latencies, ".", color="tab:blue", markersize=3, label="latency")
    latency.set(ylabel="s", xlabel="s since the start", ylim=(0, None))
    for axes in (load, replicas, latency):
        axes.legend(loc="upper right", fontsize="small")
        axes.grid(alpha=0.3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Drives the ramp, draws it and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the ramp (default: 120)")
    parser.add_argument("--peak", type=float, default=12.0, metavar="RPS", help="highest rate (default: 12)")
    parser.add_argument("--plot", type=Path, default=Path("output/autoscale.png"), metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    arguments = parser.parse_args()
    keys = {STAGE: {"autoscale": BOUNDS, "queue_items": 10_000}}
    stages = stand_in_stages("timed", keys, **{STAGE: {"service_s": [SERVICE_S]}})
    due_s, course = arrivals(arguments.seconds, arguments.peak), Course()
    with Pipeline(PipelineConfig(stages=stages, cores=2 + BOUNDS["max"])) as pipeline:
        latencies, lag_s = drive(pipeline, due_s, course, settle_s=2 * BOUNDS["down_after_s"])
    draw(arguments.plot, due_s, latencies, course, arguments.seconds, arguments.peak)
    steps = np.diff(course.wanted)
    p50, p95 = np.quantile(latencies, [0.5, 0.95])
    figures = {
        "requests": len(due_s),
        "replicas": {"first": course.wanted[0], "most": max(course.wanted), "last": course.wanted[-1]},
        "ups": int((steps > 0).sum()),
        "downs": int((steps < 0).sum()),
        "replica_seconds": float(np.trapezoid(course.ready, course.at_s)),
        "latency_s": {"p50": float(p50), "p95": float(p95), "longest": float(latencies.max())},
        "longest_send_lag_s": lag_s,
    }
    print(json.dumps({"environment": environment(), **figures}))
    if arguments.json:
        samples = {"due_s": due_s.tolist(), "latency_s": latencies.tolist(), "course": vars(course)}
        arguments.json.write_text(json.dumps({**figures, **samples}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
