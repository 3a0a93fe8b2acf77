"""Measures the import of ESPnet's Text2Speech: whole, without each part that Relevo leaves out, and without both.

    .venv-hub/bin/python -m benchmarks.models.espnet_import [--rounds 3]

Each import runs in a process of its own, in turn. CPU seconds are the cost of the import itself. Wall seconds are what
a user waits, and grow with whatever else the machine does. Prints a table of medians. Runs in the environment of
`make hub`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time

from benchmarks.common.command_line import add_json, add_rounds, measurement_parser, require, run_measurement
from benchmarks.common.output import figures_table, progress, show, write_record
from checkout import ROOT
from errors import MeasurementError
from modules.espnet.lean_import import import_text2speech, unchecked_types, without_english

WAYS = ("plain", "without typeguard", "without English", "as Relevo does")


def measure(way: str) -> dict[str, float]:
    """Imports in this process and returns wall and CPU seconds, peak memory in MiB, and the number of modules."""
    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.ExitStack() as leaving_out:
        if way == "without typeguard":
            leaving_out.enter_context(unchecked_types())
        if way == "without English":
            leaving_out.enter_context(without_english())
        if way == "as Relevo does":
            import_text2speech()
        else:
            from espnet2.bin.tts_inference import Text2Speech  # noqa: F401
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "modules": len(sys.modules),
    }


def measure_in_a_process(way: str) -> dict[str, float]:
    """Imports in a fresh process and returns the same figures.

    Raises:
        MeasurementError: the import failed.
    """
    command = [sys.executable, "-m", "benchmarks.models.espnet_import", "--in-process", way]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MeasurementError(f"the import {way!r} failed: {done.stderr.strip().splitlines()[-1]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> int:
    """Runs every way in turn and prints the medians."""
    parser = measurement_parser(__doc__)
    add_rounds(parser, default=3)
    add_json(parser)
    parser.add_argument("--in-process", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    require("espnet2")
    if arguments.in_process:
        print(json.dumps(measure(arguments.in_process)))
        return 0
    samples: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with progress() as bar:
        task = bar.add_task("imports", total=arguments.rounds * len(WAYS))
        for _ in range(arguments.rounds):
            for way in WAYS:
                samples[way].append(measure_in_a_process(way))
                bar.advance(task)
    table = figures_table("medians", "import of Text2Speech", "wall s", "CPU s", "peak MiB", "modules")
    for way, runs in samples.items():
        median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        table.add_row(
            way,
            f"{median['wall_s']:.1f}",
            f"{median['cpu_s']:.1f}",
            f"{median['peak_mib']:.0f}",
            f"{median['modules']:.0f}",
        )
    show(table)
    write_record(arguments.json, {"samples": samples})
    return 0


if __name__ == "__main__":
    run_measurement(main)
