"""N replicas × k threads for each stage alone: does one pool of threads a core explain a slow 1:1:2?

    python -m benchmarks.threads [--replicas 1 2 3] [--threads 1 2 4] [--inputs 4] [FILES]

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
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.environment import ROOT, environment
from benchmarks.process_tree import cpu_seconds
from benchmarks.unbudgeted import UNBUDGETED
from modules.audio_file import read_audio
from modules.payloads import Payload
from pipeline import Pipeline
from workers.budget import available_cores
from workers.config import PipelineConfig, load_config
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


def stage_inputs(config: PipelineConfig, files: list[Path], count: int) -> dict[str, list[Payload]]:
    """`count` inputs for each stage: what it is given when the files go through the relay, over and over."""
    names = list(config.stages)
    inputs: dict[str, list[Payload]] = {name: [] for name in names}
    clips = [read_audio(path) for path in files]
    inputs[names[0]] += clips
    following = dict(itertools.pairwise(names))
    with Pipeline(config) as pipeline:
        for clip in clips:
            for event in pipeline.stream(clip):
                if event.payload is not None and event.stage in following:
                    inputs[following[event.stage]].append(event.payload)
    return {name: list(itertools.islice(itertools.cycle(given), count)) for name, given in inputs.items()}


def measure(config: PipelineConfig, stage: str, replicas: int, threads: str, inputs: list[Payload]) -> Cell:
    """Runs one stage alone."""
    alone = config.stages[stage].model_dump() | {"max_batch": 1}
    if threads == UNSET:
        alone |= {"module": UNBUDGETED[alone["module"]], "threads": available_cores()}
    else:
        alone |= {"threads": int(threads)}
    values = {"stages": {stage: alone}, "ratio": str(replicas), "allow_oversubscription": True}
    with Pipeline(PipelineConfig(**values)) as pipeline:
        cpu_before, began = cpu_seconds(), time.monotonic()
        results = list(pipeline.map(inputs, in_flight=len(inputs)))
        wall_s = time.monotonic() - began
        cpu_s = (cpu_seconds() - cpu_before) / len(inputs)
    failed = [result.error for result in results if result.outcome != "ok"]
    if failed:
        raise SystemExit(f"{stage}: {len(failed)} of {len(inputs)} requests failed, such as: {failed[0]}")
    service = Quantiles.of(span.service_s for result in results for span in result.spans)
    return Cell(stage, replicas, threads, len(inputs) / wall_s, service.p50, service.p95, cpu_s)


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
    inputs = stage_inputs(config, arguments.files, arguments.inputs)
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
