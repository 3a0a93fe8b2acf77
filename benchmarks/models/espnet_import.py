"""What importing ESPnet's Text2Speech costs: as it is, without each of the two things that Relevo leaves out, and so.

    .venv-hub/bin/python -m benchmarks.models.espnet_import [--repeats 3]

Each import runs in a process of its own, in turn. Processor seconds are what the import itself takes; wall seconds are
what a user waits, and grow with whatever else the machine does.
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
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.environment import environment
from checkout import ROOT
from modules.espnet.lean_import import import_text2speech, unchecked_types, without_english

WAYS = ("plain", "without typeguard", "without English", "as Relevo does")


def measure(way: str) -> dict[str, float]:
    """Imports in this process, and returns wall and processor seconds, megabytes and modules."""
    wall, processor = time.perf_counter(), time.process_time()
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
        "processor_s": time.process_time() - processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "modules": len(sys.modules),
    }


def measured(way: str) -> dict[str, float]:
    """The same in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.models.espnet_import", "--in-process", way]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way}: {done.stderr.strip().splitlines()[-1]}; run this with the interpreter of `make hub`")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Runs every way in turn and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="rounds over all ways (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE")
    parser.add_argument("--in-process", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_process:
        print(json.dumps(measure(arguments.in_process)))
        return
    samples: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with Progress(transient=True) as progress:
        task = progress.add_task("imports", total=arguments.repeats * len(WAYS))
        for _ in range(arguments.repeats):
            for way in WAYS:
                samples[way].append(measured(way))
                progress.advance(task)
    table = Table("import of Text2Speech", "wall s", "processor s", "peak MB", "modules", title="medians")
    for way, rows in samples.items():
        median = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        table.add_row(
            way, f"{median['wall_s']:.1f}", f"{median['processor_s']:.1f}", f"{median['peak_mb']:.0f}",
            f"{median['modules']:.0f}",
        )  # fmt: skip
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps({"environment": environment(), "samples": samples}, indent=1))


if __name__ == "__main__":
    main()
