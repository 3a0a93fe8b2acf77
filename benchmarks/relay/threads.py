"""N replicas × k threads for each stage alone: does one pool of threads a core explain a slow 1:1:2?

    python -m benchmarks.relay.threads [--replicas 1 2 3] [--threads 1 2 4] [--inputs 4] [FILES]

Each stage is run by itself on the inputs that it gets in the relay, --inputs of them, all queued at once. Beside the
replicas that keep to k threads there is the unbudgeted setting of the seed: no thread variable in the environment,
and every library opens the pool that it likes, which is one as wide as the machine. More threads than cores stand
for what such pools do on a wider machine. The rows of a stage are compared with its first. Prints a table; --json
writes every figure. The whole grid takes less than ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.environment import environment
from benchmarks.common.stage_alone import run_alone, stage_inputs
from benchmarks.relay.unbudgeted import UNBUDGETED
from checkout import ROOT
from modules.audio.files import read_audio
from modules.contract.payloads import Payload
from workers.config import PipelineConfig, load_config
from workers.processes.budget import available_cores
from workers.report import Quantiles

UNSET = "unset"


@dataclass(frozen=True)
class Cell:
    """One stage with so many replicas and threads: inputs per second, seconds of service, CPU seconds an input."""

    stage: str
    replicas: int
    threads: str
    throughput_rps: float
    service_p50_s: float | None
    service_p95_s: float | None
    cpu_s_per_input: float


def measure(config: PipelineConfig, stage: str, replicas: int, threads: str, inputs: list[Payload]) -> Cell:
    """Runs one stage alone."""
    if threads == UNSET:
        unbudgeted = {"module": UNBUDGETED[config.stages[stage].module]}
        stages = config.stages | {stage: config.stages[stage].model_copy(update=unbudgeted)}
        config = config.model_copy(update={"stages": stages})
    count = available_cores() if threads == UNSET else int(threads)
    alone = run_alone(config, stage, replicas, count, inputs)
    service = Quantiles.of(span.service_s for result in alone.results for span in result.spans)
    cpu_s = alone.cpu_s / len(inputs)
    return Cell(stage, replicas, threads, len(inputs) / alone.wall_s, service.p50, service.p95, cpu_s)


def main() -> None:
    """Measures the grid and prints it."""
    cores = available_cores()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    samples = sorted((ROOT / "samples").glob("0[1-4]*.flac"))
    parser.add_argument("files", nargs="*", type=Path, default=samples, metavar="FILE", help="default: four samples")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument("--stages", nargs="+", metavar="NAME", help="only these stages")
    parser.add_argument("--replicas", nargs="+", type=int, default=[1, 2, 3], metavar="N")
    parser.add_argument(
        "--threads",
        nargs="+",
        default=[*dict.fromkeys(("1", str(cores))), UNSET],
        metavar="K",
        help=f"threads of each replica; {UNSET}: no budget (default: 1, the cores, {UNSET})",
    )
    parser.add_argument("--inputs", type=int, default=4, metavar="N", help="inputs of each cell (default: 4)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every cell")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    stages = arguments.stages or list(config.stages)
    given = stage_inputs(config, [read_audio(path) for path in arguments.files])
    inputs = {name: list(itertools.islice(itertools.cycle(given[name]), arguments.inputs)) for name in stages}
    grid = list(itertools.product(stages, arguments.replicas, dict.fromkeys(arguments.threads)))
    cells = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for stage, replicas, threads in progress.track(grid, description="grid"):
            cells.append(measure(config, stage, replicas, threads, inputs[stage]))
    Console().print(_table(cells, cores, arguments.inputs))
    if arguments.json:
        record = {"environment": environment(), "inputs": arguments.inputs, "cells": [asdict(cell) for cell in cells]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _table(cells: list[Cell], cores: int, inputs: int) -> Table:
    table = Table(title=f"each stage alone on {cores} cores, {inputs} inputs a cell")
    for column in ("stage", "replicas", "threads", "inputs/s", "of the first", "p50 s", "p95 s", "CPU s/input"):
        table.add_column(column, justify="left" if column == "stage" else "right", no_wrap=True)
    for cell in cells:
        first = next(other for other in cells if other.stage == cell.stage)
        table.add_row(
            cell.stage,
            str(cell.replicas),
            cell.threads,
            f"{cell.throughput_rps:.3f}",
            f"{cell.throughput_rps / first.throughput_rps:.2f}",
            f"{cell.service_p50_s:.2f}",
            f"{cell.service_p95_s:.2f}",
            f"{cell.cpu_s_per_input:.2f}",
        )
    return table


if __name__ == "__main__":
    main()
