"""1:1:N for growing N: how much of the ideal throughput is reached.

    python -m benchmarks.scaling [--replicas 1 2 4 8 16] [--seconds 20]

The speech stage is a stand-in for an accelerator: it waits instead of computing, with the service times of the
seed's speech stage (--times, a JSON file with zh_text_to_zh_audio), shortened by --speed-up so that a run is short. The
two stages before it take no time, so that the ideal is N ÷ mean service time. The queue is never empty.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.environment import ROOT, environment
from benchmarks.stand_ins import request_audio, stages
from pipeline import Pipeline
from workers.config import PipelineConfig

SEED_TIMES = ROOT.parent / "shared" / "data" / "seed_times.json"
SPEECH_STAGE = "zh_text_to_zh_audio"


def measure(replicas: int, times: list[float], requests: int) -> float:
    """Achieved over ideal throughput with so many replicas of the stand-in."""
    config = PipelineConfig(stages=stages(speak=times), ratio=f"1:1:{replicas}", cores=max(2, replicas))
    with Pipeline(config) as pipeline:
        in_flight = 4 * replicas
        list(pipeline.map((request_audio(n) for n in range(in_flight)), in_flight=in_flight))
        endings: list[float] = []

        def noted(_: object) -> None:
            endings.append(time.monotonic())

        futures = [pipeline.submit(request_audio(number), patient=True) for number in range(requests)]
        for future in futures:
            future.add_done_callback(noted)
        for future in futures:
            future.result()
    # the ends of the run, where the queue is not full or runs empty, are left out
    endings.sort()
    steady = endings[in_flight : len(endings) - in_flight]
    return (len(steady) - 1) / (steady[-1] - steady[0]) * statistics.fmean(times) / replicas


def main() -> None:
    """Measures every N and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", nargs="+", type=int, default=[1, 2, 4, 8, 16], metavar="N")
    parser.add_argument("--times", type=Path, default=SEED_TIMES, metavar="FILE", help="service times as JSON")
    parser.add_argument("--speed-up", type=float, default=10.0, help="divide the times by this (default: 10)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    arguments = parser.parse_args()
    if not arguments.times.exists():
        raise SystemExit(f"there is no {arguments.times}; pass --times FILE with a list {SPEECH_STAGE!r} of seconds")
    cold_call = 1
    times = [
        seconds / arguments.speed_up
        for seconds in islice(json.loads(arguments.times.read_text())[SPEECH_STAGE], cold_call, None)
    ]
    mean_s = statistics.fmean(times)
    table = Table(title=f"1:1:N, speech stand-in of {mean_s:.3f} s mean")
    for column in ("N", "ideal requests/s", "achieved", "achieved ÷ ideal"):
        table.add_column(column, justify="right")
    shares: dict[int, float] = {}
    with Progress(transient=True) as progress:
        for replicas in progress.track(arguments.replicas, description="N"):
            requests = max(60, 10 * replicas, round(arguments.seconds * replicas / mean_s))
            shares[replicas] = measure(replicas, times, requests)
            ideal = replicas / mean_s
            table.add_row(str(replicas), f"{ideal:.2f}", f"{shares[replicas] * ideal:.2f}", f"{shares[replicas]:.3f}")
    Console().print(table)
    if arguments.json:
        record = {"environment": environment(), "mean_service_s": mean_s, "achieved_over_ideal": shares}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
