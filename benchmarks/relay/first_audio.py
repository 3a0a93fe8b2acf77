"""Time to first audio of a long recording: streamed through the relay, against whole, one stage after the other.

    python -m benchmarks.relay.first_audio [FILE] [--repeats 2]

Whole means that each stage ends before the next begins and the speech is handed over when all of it is there, with the
whole core budget for each (benchmarks/relay/sequential.py). The two are run in turn. Prints a table, with the time at
which each stage first had something to say, and writes every run with --json.
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

from benchmarks.common.environment import environment
from checkout import ROOT
from modules.audio.files import read_audio
from pipeline import Pipeline

FIRST_AUDIO, END = "first audio", "all of it"
LONG_SAMPLE = ROOT / "samples" / "07_mercado.flac"


def streamed(config: Path, ratio: str, file: Path) -> dict[str, float]:
    """Seconds to the first output of each stage by its name, to the first audible sample, and to the end."""
    firsts: dict[str, float] = {}
    with Pipeline.from_config(config, ratio=ratio) as pipeline:
        stream = pipeline.stream(read_audio(file))
        for event in stream:
            if event.payload is not None:
                firsts.setdefault(event.stage, event.at_s)
        result = stream.result()
    if result.outcome != "ok" or result.time_to_first_audio_s is None:
        raise SystemExit(f"{file}: {result.outcome} {result.error}")
    return {**firsts, FIRST_AUDIO: result.time_to_first_audio_s, END: result.latency_s}


def whole(config: Path, file: Path) -> float:
    """Seconds until all of the speech is there."""
    command = [sys.executable, "-m", "benchmarks.relay.sequential", "--config", str(config), str(file)]
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
    runs: list[dict[str, float]] = []
    wholes: list[float] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("runs", total=2 * arguments.repeats)
        for _ in range(arguments.repeats):
            runs.append(streamed(arguments.config, arguments.ratio, arguments.file))
            progress.advance(task)
            wholes.append(whole(arguments.config, arguments.file))
            progress.advance(task)
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    whole_s = statistics.median(wholes)
    earlier = whole_s / medians[FIRST_AUDIO]
    table = Table("seconds to", f"streamed, {arguments.ratio}", "whole, stage after stage")
    table.title = f"{arguments.file.name}, medians of {arguments.repeats}; first audio {earlier:.1f} times earlier"
    for name, seconds in medians.items():
        whole_too = name in (FIRST_AUDIO, END)
        label = name if whole_too else f"first output of {name}"
        table.add_row(label, f"{seconds:.2f}", f"{whole_s:.2f}" if whole_too else "")
    Console().print(table)
    if arguments.json:
        record = {"environment": environment(), "earlier": earlier, "streamed": runs, "whole_s": wholes}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
