"""Time to first audio of a long recording: streamed through the relay, against whole, one stage after the other.

    python -m benchmarks.first_audio [FILE] [--repeats 2]

Whole means that each stage ends before the next begins and the speech is handed over when all of it is there, with
the whole core budget for each (benchmarks/sequential.py). The two are run in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.environment import ROOT, environment
from modules.audio_file import read_audio
from pipeline import Pipeline

LONG_SAMPLE = ROOT / "samples" / "07_mercado.flac"


def streamed(config: Path, ratio: str, file: Path) -> tuple[float, float]:
    """Seconds to the first audio and to the end."""
    with Pipeline.from_config(config, ratio=ratio) as pipeline:
        result = pipeline.submit(read_audio(file)).result()
    if result.outcome != "ok" or result.time_to_first_audio_s is None:
        raise SystemExit(f"{file}: {result.outcome} {result.error}")
    return result.time_to_first_audio_s, result.latency_s


def whole(config: Path, file: Path) -> float:
    """Seconds until all of the speech is there."""
    command = [sys.executable, "-m", "benchmarks.sequential", "--config", str(config), str(file)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout)["latency_p50_s"])


def main() -> None:
    """Runs both in turn and prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=LONG_SAMPLE, metavar="FILE")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml")
    parser.add_argument("--ratio", default="1:1:1")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    firsts, ends, wholes = [], [], []
    with Progress(transient=True) as progress:
        for _ in progress.track(range(arguments.repeats), description="rounds"):
            first_s, end_s = streamed(arguments.config, arguments.ratio, arguments.file)
            firsts.append(first_s)
            ends.append(end_s)
            wholes.append(whole(arguments.config, arguments.file))
    first_s, end_s, whole_s = (statistics.median(values) for values in (firsts, ends, wholes))
    table = Table("", "first audio s", "all of it s", "earlier", title=f"{arguments.file.name}, medians")
    table.add_row(f"streamed, {arguments.ratio}", f"{first_s:.2f}", f"{end_s:.2f}", f"{whole_s / first_s:.1f}×")
    table.add_row("whole, stage after stage", f"{whole_s:.2f}", f"{whole_s:.2f}", "1×")
    Console().print(table)
    if arguments.json:
        record = {"environment": environment(), "first_s": firsts, "end_s": ends, "whole_s": wholes}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
