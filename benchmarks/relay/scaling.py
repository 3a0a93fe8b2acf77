"""Measures how much of the ideal throughput 1:1:N reaches as N grows.

    python -m benchmarks.relay.scaling [--replicas 1 2 4 8 16] [--seconds 20]
    python -m benchmarks.relay.scaling --config pipelines/offline.yaml [--replicas 1 2 3] [FILES]

Without --config the speech stage is a stand-in for an accelerator: it waits instead of computing, with the service
times of the seed's speech stage (benchmarks/seed_times.json), divided by --speed-up so that a run is short. The two
stages before it take no time, so that the ideal is N ÷ mean service time. The queue is never empty.

With --config it is that relay with its real models, and all FILES (default: six samples) are submitted at once. The
core budget is the machine's whatever N is: with `threads: auto` the replicas of the last stage share it. The plan may
refuse a ratio; the table says why. The ratios are run in turn, --rounds times.

Prints a table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.common.command_line import (
    add_json,
    add_rounds,
    measurement_parser,
    run_measurement,
    sample_files,
)
from benchmarks.common.expectations import expect_ok
from benchmarks.common.output import figures_table, progress, show, write_record
from checkout import ROOT
from errors import ConfigError
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from modules.testing import stand_in_stages
from modules.testing.timed import request_audio
from pipeline import Pipeline
from workers.config import PipelineConfig, load_config, nested
from workers.processes.budget import available_cores

SEED_TIMES = ROOT / "benchmarks" / "seed_times.json"  # of the project that this one grew out of, in seconds
SPEECH_STAGE = "zh_text_to_zh_audio"
COLD_CALLS = 1  # at the beginning of the seed's times


def service_times(file: Path, speed_up: float) -> list[float]:
    """Reads the service times of the speech stage, in seconds, without the cold call.

    Raises:
        ConfigError: the file is missing or holds no such times.
    """
    try:
        published = json.loads(file.read_text("utf-8"))[SPEECH_STAGE]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"--times {file}: {type(error).__name__}: {error}; pass JSON with a list {SPEECH_STAGE!r} of seconds"
        ) from error
    return [seconds / speed_up for seconds in islice(published, COLD_CALLS, None)]


def measure_stand_in(replicas: int, times: list[float], requests: int) -> float:
    """Returns the achieved over the ideal throughput of so many replicas of the stand-in.

    Raises:
        MeasurementError: a request did not end ok.
    """
    stages = stand_in_stages("timed", speak={"service_s": times})
    config = PipelineConfig(stages=stages, ratio=f"1:1:{replicas}", cores=max(2, replicas))
    with Pipeline(config) as pipeline:
        in_flight = 4 * replicas
        expect_ok(pipeline.map((request_audio(number) for number in range(in_flight)), in_flight=in_flight))
        endings: list[float] = []

        def note(_: object) -> None:
            endings.append(time.monotonic())

        futures = [pipeline.submit(request_audio(number), patient=True) for number in range(requests)]
        for future in futures:
            future.add_done_callback(note)
        expect_ok(future.result() for future in futures)
    # Both ends of the run are left out: there the queue is not full or runs empty.
    endings.sort()
    steady = endings[in_flight : len(endings) - in_flight]
    return (len(steady) - 1) / (steady[-1] - steady[0]) * statistics.fmean(times) / replicas


def scale_stand_in(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures the stand-in at every N, prints the table and returns every figure."""
    times = service_times(arguments.times, arguments.speed_up)
    mean_s = statistics.fmean(times)
    table = figures_table(
        f"1:1:N, speech stand-in of {mean_s:.3f} s mean",
        *("N", "ideal requests/s", "achieved", "achieved ÷ ideal"),
    )
    shares: dict[int, float] = {}
    with progress() as bar:
        for replicas in bar.track(arguments.replicas or [1, 2, 4, 8, 16], description="N"):
            requests = max(60, 10 * replicas, round(arguments.seconds * replicas / mean_s))
            shares[replicas] = measure_stand_in(replicas, times, requests)
            ideal = replicas / mean_s
            table.add_row(str(replicas), f"{ideal:.2f}", f"{shares[replicas] * ideal:.2f}", f"{shares[replicas]:.3f}")
    show(table)
    return {"mean_service_s": mean_s, "achieved_over_ideal": shares}


def measure_relay(config: Path, changes: list[str], replicas: int, clips: list[Audio]) -> float:
    """Returns the requests per second of a relay with so many replicas of its last stage.

    Raises:
        ConfigError: the plan refuses the ratio.
        MeasurementError: a request did not end ok.
    """
    overrides = nested(changes)
    before_last = len(load_config(config, **overrides).stages) - 1
    with Pipeline.from_config(config, ratio="1:" * before_last + str(replicas), **overrides) as pipeline:
        began = time.monotonic()
        results = list(pipeline.map(clips, in_flight=len(clips)))
        wall_s = time.monotonic() - began
    expect_ok(results)
    return len(clips) / wall_s


def scale_relay(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures a relay at every N, prints the table and returns every figure."""
    clips = [read_audio(path) for path in arguments.files or sample_files(6)]
    counts = arguments.replicas or [1, 2, 3]
    reached: dict[int, list[float]] = {}
    refused: dict[int, str] = {}
    with progress() as bar:
        for _ in bar.track(range(arguments.rounds), description="rounds"):
            for replicas in counts:
                try:
                    rate = measure_relay(arguments.config, arguments.changes, replicas, clips)
                except ConfigError as error:
                    refused[replicas] = str(error)
                else:
                    reached.setdefault(replicas, []).append(rate)
    table = figures_table(
        f"1:1:N of {arguments.config.name} on {available_cores()} cores, {len(clips)} clips, medians",
        *("N", "requests/s", "of the first"),
    )
    table.add_column("refused because")
    rates = {replicas: statistics.median(values) for replicas, values in reached.items()}
    for replicas in counts:
        if replicas in refused:
            table.add_row(str(replicas), "", "", refused[replicas])
        else:
            share = rates[replicas] / next(iter(rates.values()))
            table.add_row(str(replicas), f"{rates[replicas]:.3f}", f"{share:.2f}", "")
    show(table)
    return {"requests_per_s": reached, "refused": refused}


def main() -> int:
    """Measures every N and prints the table."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings, with --config")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a real relay instead of the stand-in")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE", help="with --config")
    add_rounds(parser, default=2)
    parser.add_argument(
        "--replicas", nargs="+", type=int, metavar="N", help="default: 1 2 4 8 16; with --config, 1 2 3"
    )
    parser.add_argument("--times", type=Path, default=SEED_TIMES, metavar="FILE", help="service times as JSON")
    parser.add_argument("--speed-up", type=float, default=10.0, help="divide the times by this (default: 10)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each run (default: 20)")
    add_json(parser)
    arguments = parser.parse_args()
    figures = scale_stand_in(arguments) if arguments.config is None else scale_relay(arguments)
    write_record(arguments.json, figures)
    return 0


if __name__ == "__main__":
    run_measurement(main)
