"""Throughput of the relay at several ratios, beside the same modules in one process and the CPU-bound limit.

    python -m benchmarks.relay.throughput [--ratios 1:1:1 1:1:2] [--repeats 2] FILES…

Every setting gets the same clips and the same core budget; the settings are run in turn, `--repeats` times over, so
that a drift of the machine's speed meets all of them. The limit is cores ÷ CPU-seconds a request, with the CPU
time of that very setting, and with that of the sequential run: the first says how well the cores were filled, the
second what the setting itself cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.common.environment import environment
from benchmarks.common.process_tree import PeakMemory, cpu_seconds
from checkout import ROOT
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from pipeline import Pipeline
from workers.config import load_config, nested
from workers.plan import make_plan
from workers.report import Quantiles


@dataclass(frozen=True)
class Run:
    """One setting, once: seconds, requests per second, bytes."""

    setting: str
    ready_s: float
    throughput_rps: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    cpu_s_per_request: float
    peak_rss_bytes: int
    busy: dict[str, float]


def run_sequential(config: Path, changes: list[str], files: list[Path]) -> Run:
    """The same clips in one process; see `benchmarks.relay.sequential`."""
    command = [sys.executable, "-m", "benchmarks.relay.sequential", "--config", str(config)]
    command += [f"--set={change}" for change in changes]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return Run("sequential", busy={}, **json.loads(done.stdout))


def run_ratio(config: Path, ratio: str, changes: list[str], clips: list[Audio]) -> Run:
    """All clips submitted at once to a relay of that ratio."""
    with PeakMemory() as memory, Pipeline.from_config(config, ratio=ratio, **nested(changes)) as pipeline:
        cpu_before, began = cpu_seconds(), time.monotonic()
        results = [future.result() for future in [pipeline.submit(clip) for clip in clips]]
        wall_s = time.monotonic() - began
        cpu_s = (cpu_seconds() - cpu_before) / len(clips)
        replicas = {stage.name: stage.replicas for stage in pipeline.plan.stages}
    failed = [result.error for result in results if result.outcome != "ok"]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(clips)} requests failed, such as: {failed[0]}")
    busy = {
        name: sum(span.busy_s for result in results for span in result.spans if span.stage == name) / wall_s / count
        for name, count in replicas.items()
    }
    latency = Quantiles.of(result.latency_s for result in results)
    ready_s = pipeline.ready_s or 0.0
    return Run(ratio, ready_s, len(clips) / wall_s, latency.p50, latency.p95, cpu_s, memory.rss_bytes, busy)


def main() -> None:
    """Runs every setting in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="clips to put through")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument("--ratios", nargs="+", default=["1:1:1", "1:1:2"], metavar="1:1:N")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.add_argument("--repeats", type=int, default=2, help="how often every setting is run (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run")
    arguments = parser.parse_args()
    clips = [read_audio(path) for path in arguments.files]
    plan = make_plan(load_config(arguments.config, **nested(arguments.changes)))
    runs: list[Run] = []
    with Progress(transient=True) as progress:
        task = progress.add_task("runs", total=arguments.repeats * (1 + len(arguments.ratios)))
        for _ in range(arguments.repeats):
            for ratio in arguments.ratios:
                runs.append(run_ratio(arguments.config, ratio, arguments.changes, clips))
                progress.advance(task)
            runs.append(run_sequential(arguments.config, arguments.changes, arguments.files))
            progress.advance(task)
    audio_s = sum(clip.seconds for clip in clips)
    _print(runs, plan.cores, f"{len(clips)} clips, {audio_s:.0f} s of speech, {arguments.repeats} runs each")
    if arguments.json:
        record = {"environment": environment(), "cores": plan.cores, "runs": [asdict(run) for run in runs]}
        arguments.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _print(runs: list[Run], cores: int, title: str) -> None:
    by_setting: dict[str, list[Run]] = {}
    for run in runs:
        by_setting.setdefault(run.setting, []).append(run)
    baseline_cpu_s = statistics.median(run.cpu_s_per_request for run in by_setting["sequential"])
    table = Table(title=f"{title}; {cores} cores; medians")
    for column in (
        "setting",
        "requests/s",
        "p50 s",
        "p95 s",
        "CPU s/request",
        "of its limit",
        "of the sequential run's limit",
        "ready s",
        "peak RSS MiB",
        "busy",
    ):
        table.add_column(column, justify="left" if column == "setting" else "right")
    for setting, group in by_setting.items():
        rps = statistics.median(run.throughput_rps for run in group)
        cpu_s = statistics.median(run.cpu_s_per_request for run in group)
        table.add_row(
            setting,
            f"{rps:.3f}",
            f"{statistics.median(run.latency_p50_s or 0.0 for run in group):.2f}",
            f"{statistics.median(run.latency_p95_s or 0.0 for run in group):.2f}",
            f"{cpu_s:.2f}",
            f"{rps * cpu_s / cores:.0%}",
            f"{rps * baseline_cpu_s / cores:.0%}",
            f"{statistics.median(run.ready_s for run in group):.1f}",
            f"{max(run.peak_rss_bytes for run in group) / 2**20:.0f}",
            " ".join(f"{share:.0%}" for share in group[-1].busy.values()),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
