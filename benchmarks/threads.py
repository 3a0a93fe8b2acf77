"""N replicas × k threads for each stage alone: does one pool of threads a core explain a slow 1:1:2?

    python -m benchmarks.threads [--replicas 1 2 3] [--threads 1 2] FILES…

Each stage is run by itself on the inputs that it gets in the relay, all queued at once. A replica with as many threads
as the machine has cores is what libraries choose when nobody sets a budget: with several replicas that is the
unbudgeted setting of the seed, marked in the table.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.environment import ROOT, environment
from benchmarks.stage_alone import run_alone, stage_inputs
from modules.audio_file import read_audio
from modules.payloads import Payload
from workers.budget import available_cores
from workers.config import PipelineConfig, load_config
from workers.report import Quantiles


@dataclass(frozen=True)
class Cell:
    """One stage with so many replicas and threads: inputs per second, and seconds of service."""

    stage: str
    replicas: int
    threads: int
    throughput_rps: float
    service_p50_s: float | None
    service_p95_s: float | None


def measure(config: PipelineConfig, stage: str, replicas: int, threads: int, inputs: list[Payload]) -> Cell:
    """Runs one stage alone."""
    alone = run_alone(config, stage, replicas, threads, inputs)
    service = Quantiles.of(span.service_s for result in alone.results for span in result.spans)
    return Cell(stage, replicas, threads, len(inputs) / alone.wall_s, service.p50, service.p95)


def main() -> None:
    """Measures the grid and prints it."""
    cores = available_cores()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument("--replicas", nargs="+", type=int, default=[1, 2, 3], metavar="N")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, cores], metavar="K")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cell")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    inputs = stage_inputs(config, [read_audio(path) for path in arguments.files])
    grid = [(s, n, k) for s in config.stages for n in arguments.replicas for k in dict.fromkeys(arguments.threads)]
    cells = []
    with Progress(transient=True) as progress:
        for stage, replicas, threads in progress.track(grid, description="grid"):
            cells.append(measure(config, stage, replicas, threads, inputs[stage]))
    table = Table(title=f"each stage alone on {cores} cores")
    for column in ("stage", "replicas", "threads", "inputs/s", "of 1 × 1", "service p50 s", "p95 s", ""):
        table.add_column(column, justify="left" if column in ("stage", "") else "right")
    for cell in cells:
        base = next(other for other in cells if other.stage == cell.stage)
        unbudgeted = cell.threads == cores and cell.replicas > 1
        table.add_row(
            cell.stage,
            str(cell.replicas),
            str(cell.threads),
            f"{cell.throughput_rps:.3f}",
            f"{cell.throughput_rps / base.throughput_rps:.2f}",
            f"{cell.service_p50_s:.2f}",
            f"{cell.service_p95_s:.2f}",
            "unbudgeted" if unbudgeted else "",
        )
    Console().print(table)
    if arguments.json:
        record = {"environment": environment(), "cells": [asdict(cell) for cell in cells]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
