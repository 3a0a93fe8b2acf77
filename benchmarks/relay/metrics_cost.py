"""Measures what metrics and spans cost: the same no-op relay with both and with neither, driven in turn.

    python -m benchmarks.relay.metrics_cost [--rounds 40] [--requests 400]

Both relays are up at once and get bursts of requests in turn (on off off on), so that a drift of the machine's speed
meets both. Every five rounds both are started anew, because two equal relays differ by a few percent for as long as
they live, by where their processes and memory came to lie. The relay with metrics is scraped once in that time, about
every two seconds of its work; deploy/prometheus/ asks for every five. CPU time is that of the relay's processes and of
the client. A no-op relay is the worst case: a real request takes a thousand times as long and costs the same to
measure. Prints a table with intervals of 95 %.
"""

from __future__ import annotations

import statistics
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from benchmarks.common.command_line import add_json, add_rounds, measurement_parser, run_measurement
from benchmarks.common.expectations import expect_ok
from benchmarks.common.output import figures_table, progress, show, write_record
from benchmarks.load.figures.statistics import Estimate, Values, estimate
from checkout import ROOT
from modules.testing.noop import SPEECH
from pipeline import Pipeline

IN_FLIGHT = 32
OFF = {"metrics": None, "spans": False}
ON = {"metrics": "127.0.0.1:0", "spans": True}
LIFE = 5  # rounds, after which both relays are started anew


@dataclass
class RelayVariant:
    """One of the two ways to run the relay, with the seconds a request of each of its bursts."""

    keys: dict[str, Any]
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def pipeline(self) -> Pipeline:
        """Returns a relay of this variant that is not started yet."""
        return Pipeline.from_config(ROOT / "pipelines" / "noop.yaml", **self.keys)

    def burst(self, pipeline: Pipeline, requests: int, scraped: bool) -> None:
        """Drives one burst, with a scrape at its beginning if there are metrics."""
        cpu_s, wall_s = burst(pipeline, requests, scraped)
        self.cpu_s.append(cpu_s)
        self.wall_s.append(wall_s)


def burst(pipeline: Pipeline, requests: int, scraped: bool) -> tuple[float, float]:
    """Drives one burst and returns the CPU seconds and the wall seconds a request.

    Raises:
        MeasurementError: a request did not end ok.
    """
    pids = [pipeline.broker_pid, *(replica.pid for replica in pipeline.replicas())]
    processes = [psutil.Process(pid) for pid in pids if pid is not None]
    cpu_before, began = _cpu_s(processes), time.perf_counter()
    if scraped and pipeline.metrics_url is not None:
        urllib.request.urlopen(pipeline.metrics_url).read()
    results = list(pipeline.map((SPEECH for _ in range(requests)), in_flight=IN_FLIGHT))
    wall_s, cpu_s = time.perf_counter() - began, _cpu_s(processes) - cpu_before
    expect_ok(results)
    return cpu_s / requests, wall_s / requests


def _cpu_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return time.process_time() + sum(spent.user + spent.system for spent in times)


def cost(on: Sequence[float], off: Sequence[float]) -> Estimate:
    """Returns the sum of `on` over that of `off`, less 1, with its interval over pairs of relays."""
    with_it, without = (np.add.reduceat(np.array(each), range(0, len(each), LIFE)) for each in (on, off))

    def ratio(pairs: Values) -> Values:
        chosen = pairs.astype(int)
        costs: Values = with_it[chosen].sum(axis=-1) / without[chosen].sum(axis=-1) - 1
        return costs

    return estimate(range(len(with_it)), ratio)


def main() -> int:
    """Runs the rounds and prints the costs."""
    parser = measurement_parser(__doc__)
    add_rounds(parser, default=40)
    parser.add_argument("--requests", type=int, default=400, help="requests in a burst (default: 400)")
    add_json(parser)
    arguments = parser.parse_args()
    on, off = RelayVariant(ON), RelayVariant(OFF)
    with progress() as bar:
        task = bar.add_task("rounds", total=arguments.rounds)
        for first in range(0, arguments.rounds, LIFE):
            with on.pipeline() as measuring, off.pipeline() as plain:
                relays = [(on, measuring), (off, plain)]
                for _, pipeline in relays:
                    burst(pipeline, arguments.requests, scraped=True)  # warms it; not counted
                for number in range(first, min(first + LIFE, arguments.rounds)):
                    for variant, pipeline in relays if number % 2 else reversed(relays):
                        variant.burst(pipeline, arguments.requests, scraped=number == first)
                    bar.advance(task)
    title = f"metrics and spans on against off, {arguments.rounds} rounds of {arguments.requests} requests"
    table = figures_table(title, "of a request", "off ms", "on ms", "cost", "95 % interval")
    figures: dict[str, Any] = {}
    for name, with_it, without in (("cpu", on.cpu_s, off.cpu_s), ("time", on.wall_s, off.wall_s)):
        found = cost(with_it, without)
        figures[f"{name}_per_request"] = {"cost": found.value, "low": found.low, "high": found.high}
        table.add_row(
            name,
            f"{statistics.fmean(without) * 1000:.3f}",
            f"{statistics.fmean(with_it) * 1000:.3f}",
            f"{found.value:+.1%}",
            f"{found.low:+.1%} to {found.high:+.1%}",
        )
    show(table)
    throughput = {"on": 1 / statistics.fmean(on.wall_s), "off": 1 / statistics.fmean(off.wall_s)}
    write_record(arguments.json, {"throughput_rps": throughput, **figures, "on": vars(on), "off": vars(off)})
    return 0


if __name__ == "__main__":
    run_measurement(main)
