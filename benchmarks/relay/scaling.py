"""1:1:N for growing N: how much of the ideal throughput is reached.

    python -m benchmarks.relay.scaling [--replicas 1 2 4 8 16] [--seconds 20]
    python -m benchmarks.relay.scaling --config pipelines/offline.yaml [--replicas 1 2 3] [FILES]

The speech stage is a stand-in for an accelerator: it waits instead of computing, with the service times of the
seed's speech stage (benchmarks/seed_times.json), shortened by --speed-up so that a run is short. The two stages before
it take no time, so that the ideal is N ÷ mean service time. The queue is never empty.

With --config it is that relay with its real models, all FILES (or the samples) submitted at once. The core budget is
the machine's whatever N is: with `threads: auto` the replicas of the last stage share it. A ratio that exceeds it is
refused by the plan; the table says why. The ratios are run in turn, --repeats times over.
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

from benchmarks.common.environment import environment
from checkout import ROOT
from errors import ConfigError
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from modules.testing import stand_in_stages
from modules.testing.timed import request_audio
from pipeline import Pipeline
from workers.config import PipelineConfig, load_config, nested
from workers.processes.budget import available_cores

SEED_TIMES = ROOT / "benchmarks" / "seed_times.json"  # of the project that this one grew out of; seconds
SPEECH_STAGE = "zh_text_to_zh_audio"


def measure(replicas: int, times: list[float], requests: int) -> float:
    """Achieved over ideal throughput with so many replicas of the stand-in."""
    stages = stand_in_stages("timed", speak={"service_s": times})
    config = PipelineConfig(stages=stages, ratio=f"1:1:{replicas}", cores=max(2, replicas))
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


def stand_in(arguments: argparse.Namespace) -> dict[str, object]:
    """Measures the stand-in and prints its table; every figure."""
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
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for replicas in progress.track(arguments.replicas, description="N"):
            requests = max(60, 10 * replicas, round(arguments.seconds * replicas / mean_s))
            shares[replicas] = measure(replicas, times, requests)
            ideal = replicas / mean_s
            table.add_row(str(replicas), f"{ideal:.2f}", f"{shares[replicas] * ideal:.2f}", f"{shares[replicas]:.3f}")
    Console().print(table)
    return {"mean_service_s": mean_s, "achieved_over_ideal": shares}


def measure_real(config: Path, changes: list[str], replicas: int, clips: list[Audio]) -> float:
    """Requests per second of a real relay with so many replicas of its last stage.

    Raises:
        ConfigError: the plan refuses the ratio.
    """
    overrides = nested(changes)
    before_last = len(load_config(config, **overrides).stages) - 1
    with Pipeline.from_config(config, ratio="1:" * before_last + str(replicas), **overrides) as pipeline:
        began = time.monotonic()
        results = list(pipeline.map(clips, in_flight=len(clips)))
        wall_s = time.monotonic() - began
    failed = [result.error for result in results if result.outcome != "ok"]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(clips)} requests failed, such as: {failed[0]}")
    return len(clips) / wall_s


def real(arguments: argparse.Namespace) -> dict[str, object]:
    """Measures a real relay and prints its table; every figure."""
    clips = [read_audio(path) for path in arguments.files]
    reached: dict[int, list[float]] = {}
    refused: dict[int, str] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for _ in progress.track(range(arguments.repeats), description="rounds"):
            for replicas in arguments.replicas:
                try:
                    rate = measure_real(arguments.config, arguments.changes, replicas, clips)
                except ConfigError as error:
                    refused[replicas] = str(error)
                else:
                    reached.setdefault(replicas, []).append(rate)
    table = Table(title=f"1:1:N of {arguments.config.name} on {available_cores()} cores, {len(clips)} clips, medians")
    for column in ("N", "requests/s", "of the first", "refused because"):
        table.add_column(column, justify="left" if column.startswith("refused") else "right")
    rates = {replicas: statistics.median(values) for replicas, values in reached.items()}
    for replicas in arguments.replicas:
        if replicas in refused:
            table.add_row(str(replicas), "", "", refused[replicas])
        else:
            share = rates[replicas] / next(iter(rates.values()))
            table.add_row(str(replicas), f"{rates[replicas]:.3f}", f"{share:.2f}", "")
    Console().print(table)
    return {"requests_per_s": reached, "refused": refused}


def main() -> None:
    """Measures every N and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings, with --config")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a real relay instead of the stand-in")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE", help="with --config")
    parser.add_argument("--repeats", type=int, default=2, help="how often each N is run, with --config (default: 2)")
    parser.add_argument(
        "--replicas", nargs="+", type=int, metavar="N", help="default: 1 2 4 8 16; with --config, 1 2 3"
    )
    parser.add_argument("--times", type=Path, default=SEED_TIMES, metavar="FILE", help="service times as JSON")
    parser.add_argument("--speed-up", type=float, default=10.0, help="divide the times by this (default: 10)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    arguments = parser.parse_args()
    if arguments.config is None:
        arguments.replicas = arguments.replicas or [1, 2, 4, 8, 16]
        figures = stand_in(arguments)
    else:
        arguments.replicas = arguments.replicas or [1, 2, 3]
        arguments.files = arguments.files or sorted((ROOT / "samples").glob("0[1-6]*.flac"))
        figures = real(arguments)
    if arguments.json:
        record = {"environment": environment(), **figures}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
