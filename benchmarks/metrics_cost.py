"""What metrics and spans cost: the same no-op relay with both and with neither, driven in turn.

    python -m benchmarks.metrics_cost [--rounds 40] [--requests 400]

Both relays are up all the time and get bursts of requests in turn (on off off on), so that a drift of the machine's
speed meets both. The one that measures is scraped in every burst, which is more often than Prometheus would. CPU is
that of the relay's processes and of the client. A no-op relay is the worst case: a real request takes a thousand times
as long, and costs the same to measure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import psutil
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.environment import ROOT, environment
from benchmarks.noop import SPEECH
from pipeline import Pipeline

IN_FLIGHT = 32
OFF = {"metrics": None, "spans": False}
ON = {"metrics": "127.0.0.1:0", "spans": True}
RESAMPLES = 2000


@dataclass
class Side:
    """One of the two relays, and what its bursts took for each request."""

    pipeline: Pipeline
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def burst(self, requests: int) -> None:
        """Drives one burst."""
        pids = [self.pipeline.broker_pid, *(replica.pid for replica in self.pipeline.replicas())]
        processes = [psutil.Process(pid) for pid in pids if pid is not None]
        cpu_before, began = _cpu_s(processes), time.perf_counter()
        if self.pipeline.metrics_url is not None:
            urllib.request.urlopen(self.pipeline.metrics_url).read()
        for result in self.pipeline.map((SPEECH for _ in range(requests)), in_flight=IN_FLIGHT):
            assert result.outcome == "ok", result.error
        self.wall_s.append((time.perf_counter() - began) / requests)
        self.cpu_s.append((_cpu_s(processes) - cpu_before) / requests)


def _cpu_s(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return time.process_time() + sum(spent.user + spent.system for spent in times)


def cost(on: list[float], off: list[float]) -> dict[str, float]:
    """On over off, less 1, of the sums over all rounds, with a bootstrap interval of 95 % over rounds."""
    with_it, without = np.array(on), np.array(off)
    picks = np.random.default_rng(0).integers(0, len(on), (RESAMPLES, len(on)))
    low, high = np.quantile(with_it[picks].sum(axis=1) / without[picks].sum(axis=1), [0.025, 0.975]) - 1
    return {"cost": float(with_it.sum() / without.sum() - 1), "low": float(low), "high": float(high)}


def main() -> None:
    """Runs the rounds and prints the costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="bursts of each relay (default: 40)")
    parser.add_argument("--requests", type=int, default=400, help="requests in a burst (default: 400)")
    arguments = parser.parse_args()
    with ExitStack() as stack, Progress(transient=True) as progress:
        on, off = (
            Side(stack.enter_context(Pipeline.from_config(ROOT / "pipelines" / "noop.yaml", **keys)))
            for keys in (ON, OFF)
        )
        for side in (on, off):  # warm up, and leave that out
            side.burst(arguments.requests)
            side.cpu_s.clear()
            side.wall_s.clear()
        for number in progress.track(range(arguments.rounds), description="rounds"):
            for side in (on, off) if number % 2 else (off, on):
                side.burst(arguments.requests)
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
