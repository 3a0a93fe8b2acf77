"""Measures N replicas × k threads of each stage alone: does one pool of threads a core explain a slow 1:1:2?

    python -m benchmarks.relay.threads [--replicas 1 2 3] [--threads 1 2 4] [--inputs 4] [FILES]

Each stage is run by itself on the inputs that it gets in the relay, --inputs of them, all queued at once. Beside the
replicas that keep to k threads there is the unbudgeted setting of the seed: no thread variable in the environment, so
that every library opens a pool as wide as the machine. More threads than cores stand for such pools on a wider
machine. The rows of a stage are compared with its first. Prints a table. The whole grid takes less than ten minutes on
two cores.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.common.command_line import add_json, add_relay, measurement_parser, run_measurement, sample_files
from benchmarks.common.output import figures_table, progress, show, write_record
from benchmarks.common.stage_alone import run_alone, stage_inputs
from benchmarks.relay.unbudgeted import UNBUDGETED
from modules.audio.files import read_audio
from modules.contract.payloads import Payload
from workers.config import PipelineConfig, load_config, nested
from workers.processes.budget import available_cores
from workers.report import Quantiles

UNSET = "unset"


@dataclass(frozen=True)
class GridPoint:
    """One stage with so many replicas and threads: inputs per second, seconds of service, CPU seconds an input."""

    stage: str
    replicas: int
    threads: str
    throughput_rps: float
    service_p50_s: float | None
    service_p95_s: float | None
    cpu_s_per_input: float


def measure(config: PipelineConfig, stage: str, replicas: int, threads: str, inputs: list[Payload]) -> GridPoint:
    """Runs one stage alone.

    Raises:
        MeasurementError: an input did not end ok.
    """
    if threads == UNSET:
        unbudgeted = {"module": UNBUDGETED[config.stages[stage].module]}
        stages = config.stages | {stage: config.stages[stage].model_copy(update=unbudgeted)}
        config = config.model_copy(update={"stages": stages})
    count = available_cores() if threads == UNSET else int(threads)
    alone = run_alone(config, stage, replicas, count, inputs)
    service = Quantiles.of(span.service_s for result in alone.results for span in result.spans)
    cpu_s = alone.cpu_s / len(inputs)
    return GridPoint(stage, replicas, threads, len(inputs) / alone.wall_s, service.p50, service.p95, cpu_s)


def grid_table(points: list[GridPoint], inputs: int) -> Table:
    """Makes the table, each point beside the first of its stage."""
    table = figures_table(
        f"each stage alone on {available_cores()} cores, {inputs} inputs a row",
        *("stage", "replicas", "threads", "inputs/s", "of the first", "p50 s", "p95 s", "CPU s/input"),
    )
    for point in points:
        first = next(other for other in points if other.stage == point.stage)
        table.add_row(
            point.stage,
            str(point.replicas),
            point.threads,
            f"{point.throughput_rps:.3f}",
            f"{point.throughput_rps / first.throughput_rps:.2f}",
            f"{point.service_p50_s:.2f}",
            f"{point.service_p95_s:.2f}",
            f"{point.cpu_s_per_input:.2f}",
        )
    return table


def main() -> int:
    """Measures the grid and prints it."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings (default: four samples)")
    add_relay(parser)
    parser.add_argument("--stages", nargs="+", metavar="NAME", help="only these stages")
    parser.add_argument("--replicas", nargs="+", type=int, default=[1, 2, 3], metavar="N", help="default: 1 2 3")
    parser.add_argument(
        "--threads",
        nargs="+",
        default=["1", str(available_cores()), UNSET],
        metavar="K",
        help=f"threads of each replica; {UNSET}: no budget (default: 1, the cores, {UNSET})",
    )
    parser.add_argument("--inputs", type=int, default=4, metavar="N", help="inputs of each stage (default: 4)")
    add_json(parser)
    arguments = parser.parse_args()
    config = load_config(arguments.config, **nested(arguments.changes))
    stages = arguments.stages or list(config.stages)
    given = stage_inputs(config, [read_audio(path) for path in arguments.files or sample_files(4)])
    inputs = {name: list(itertools.islice(itertools.cycle(given[name]), arguments.inputs)) for name in stages}
    grid = list(itertools.product(stages, arguments.replicas, dict.fromkeys(arguments.threads)))
    points = []
    with progress() as bar:
        for stage, replicas, threads in bar.track(grid, description="grid"):
            points.append(measure(config, stage, replicas, threads, inputs[stage]))
    show(grid_table(points, arguments.inputs))
    write_record(arguments.json, {"inputs": arguments.inputs, "grid": [asdict(point) for point in points]})
    return 0


if __name__ == "__main__":
    run_measurement(main)
