"""What metrics and spans cost: the same no-op relay with both and with neither, driven in turn.

    python -m benchmarks.relay.metrics_cost [--rounds 40] [--requests 400]

Both relays are up at once and get bursts of requests in turn (on off off on), so that a drift of the machine's speed
meets both. Every few rounds both are started anew: two relays alike differ by a few percent for as long as they live,
by where their processes and memory came to lie. The one that measures is scraped then, about every two seconds of its
work; deploy/prometheus/ asks for every five. CPU is that of the relay's processes and of the client. A no-op relay is
the worst case: a real request takes a thousand times as long, and costs the same to measure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import urllib.request
from dataclasses import dataclass, field

import numpy as np
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.environment import environment
from checkout import ROOT
from modules.testing.noop import SPEECH
from pipeline import Pipeline

IN_FLIGHT = 32
OFF = {"metrics": None, "spans": False}
ON = {"metrics": "127.0.0.1:0", "spans": True}
RESAMPLES = 2000
LIFE = 5  # rounds, after which both relays are started anew


@dataclass
class Side:
    """One of the two ways to run the relay, and what its bursts took for each request."""

    keys: dict[str, object]
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def pipeline(self) -> Pipeline:
        """A relay of this way, not yet started."""
        return Pipeline.from_config(ROOT / "pipelines" / "noop.yaml", **self.keys)

    def burst(self, pipeline: Pipeline, requests: int, scraped: bool) -> None:
        """Drives one burst, with a scrape at its beginning if there are metrics."""
        pids = [pipeline.broker_pid, *(replica.pid for replica in pipeline.replicas())]
        processes = [psutil.Process(pid) for pid in pids if pid is not None]
        cpu_before, began = _cpu_s(processes), time.perf_counter()
        if scraped and pipeline.metrics_url is not None:
            urllib.request.urlopen(pipeline.metrics_url).read()
        for result in pipeline.map((SPEECH for _ in range(requests)), in_flight=IN_FLIGHT):
            assert result.outcome == "ok", result.error
        self.wall_s.append((time.perf_counter() - began) / requests)
        self.cpu_s.append((_cpu_s(processes) - cpu_before) / requests)


def _cpu_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return time.process_time() + sum(spent.user + spent.system for spent in times)


def cost(on: list[float], off: list[float]) -> dict[str, float]:
    """On over off, less 1, of the sums over all rounds, with a bootstrap interval of 95 % over pairs of relays."""
    with_it, without = (np.add.reduceat(np.array(each), range(0, len(each), LIFE)) for each in (on, off))
    picks = np.random.default_rng(0).integers(0, len(with_it), (RESAMPLES, len(with_it)))
    low, high = np.quantile(with_it[picks].sum(axis=1) / without[picks].sum(axis=1), [0.025, 0.975]) - 1
    return {"cost": float(with_it.sum() / without.sum() - 1), "low": float(low), "high": float(high)}


def main() -> None:
    """Runs the rounds and prints the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="bursts of each relay (default: 40)")
    parser.add_argument("--requests", type=int, default=400, help="requests in a burst (default: 400)")
    arguments = parser.parse_args()
    on, off = Side(ON), Side(OFF)
    with Progress(transient=True) as progress:
        task = progress.add_task("rounds", total=arguments.rounds)
        for first in range(0, arguments.rounds, LIFE):
            with on.pipeline() as measuring, off.pipeline() as plain:
                sides = [(on, measuring), (off, plain)]
                for side, pipeline in sides:  # warm up, and leave that out
                    Side(side.keys).burst(pipeline, arguments.requests, scraped=True)
                for number in range(first, min(first + LIFE, arguments.rounds)):
                    for side, pipeline in sides if number % 2 else reversed(sides):
                        side.burst(pipeline, arguments.requests, scraped=number == first)
                    progress.advance(task)
    costs = {"cpu_per_request": cost(on.cpu_s, off.cpu_s), "time_per_request": cost(on.wall_s, off.wall_s)}
    table = Table(title=f"metrics and spans on against off, {arguments.rounds} rounds of {arguments.requests} requests")
    for column in ("of a request", "off ms", "on ms", "cost %", "95 % interval"):
        table.add_column(column, justify="right")
    for name, (without, with_it) in {
        "cpu_per_request": (off.cpu_s, on.cpu_s),
        "time_per_request": (off.wall_s, on.wall_s),
    }.items():
        row = costs[name]
        table.add_row(
            name.partition("_")[0],
            f"{statistics.fmean(without) * 1000:.3f}",
            f"{statistics.fmean(with_it) * 1000:.3f}",
            f"{row['cost']:+.1%}",
            f"{row['low']:+.1%} to {row['high']:+.1%}",
        )
    Console(stderr=True).print(table)
    throughput = {"on": 1 / statistics.fmean(on.wall_s), "off": 1 / statistics.fmean(off.wall_s)}
    print(json.dumps({"environment": environment(), "throughput_rps": throughput, **costs}))


if __name__ == "__main__":
    main()
