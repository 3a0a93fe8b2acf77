"""Measures the throughput of the relay at several ratios, beside the same modules in one process.

    python -m benchmarks.relay.throughput [--ratios 1:1:1 1:1:2] [--rounds 2] FILES

Every setting gets the same clips and the same core budget. The settings are run in turn, --rounds times, so that a
drift of the machine's speed meets all of them. The CPU-bound limit is cores ÷ CPU-seconds a request, once with the CPU
time of the setting itself, which says how well the cores were filled, and once with that of the sequential run, which
also says what the setting cost. Prints a table of medians.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.common.command_line import add_json, add_relay, add_rounds, measurement_parser, run_measurement
from benchmarks.common.expectations import expect_ok
from benchmarks.common.output import figures_table, progress, show, write_record
from benchmarks.common.process_tree import PeakMemory, cpu_seconds
from benchmarks.relay.sequential import run_sequential
from modules.audio.files import read_audio
from modules.contract.payloads import Audio
from pipeline import Pipeline
from workers.config import load_config, nested
from workers.plan import make_plan
from workers.report import Quantiles

SEQUENTIAL = "sequential"


@dataclass(frozen=True)
class SettingRun:
    """One run of one setting: seconds, requests per second, bytes. `busy` is the share of each stage's time."""

    setting: str
    ready_s: float
    throughput_rps: float
    latency_p50_s: float | None
    latency_p95_s: float | None
    cpu_s_per_request: float
    peak_rss_bytes: float
    busy: dict[str, float]


def run_ratio(config: Path, ratio: str, changes: list[str], clips: list[Audio]) -> SettingRun:
    """Submits all clips at once to a relay of that ratio.

    Raises:
        MeasurementError: a request did not end ok.
    """
    with PeakMemory() as memory, Pipeline.from_config(config, ratio=ratio, **nested(changes)) as pipeline:
        cpu_before, began = cpu_seconds(), time.monotonic()
        results = [future.result() for future in [pipeline.submit(clip) for clip in clips]]
        wall_s = time.monotonic() - began
        cpu_s = (cpu_seconds() - cpu_before) / len(clips)
        replicas = {stage.name: stage.replicas for stage in pipeline.plan.stages}
    expect_ok(results)
    busy = {
        name: sum(span.busy_s for result in results for span in result.spans if span.stage == name) / wall_s / count
        for name, count in replicas.items()
    }
    latency = Quantiles.of(result.latency_s for result in results)
    ready_s = pipeline.ready_s or 0.0
    return SettingRun(ratio, ready_s, len(clips) / wall_s, latency.p50, latency.p95, cpu_s, memory.rss_bytes, busy)


def settings_table(runs: list[SettingRun], cores: int, title: str) -> Table:
    """Makes the table of the medians of each setting."""
    by_setting: dict[str, list[SettingRun]] = {}
    for run in runs:
        by_setting.setdefault(run.setting, []).append(run)
    baseline_cpu_s = statistics.median(run.cpu_s_per_request for run in by_setting[SEQUENTIAL])
    table = figures_table(
        f"{title}; {cores} cores; medians",
        *("setting", "requests/s", "p50 s", "p95 s", "CPU s/request", "of its limit", "of the sequential limit"),
        *("ready s", "peak RSS MiB", "busy"),
    )
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
    return table


def main() -> int:
    """Runs every setting in turn and prints the table."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings")
    add_relay(parser)
    parser.add_argument("--ratios", nargs="+", default=["1:1:1", "1:1:2"], metavar="1:1:N", help="default: 1:1:1 1:1:2")
    add_rounds(parser, default=2)
    add_json(parser)
    arguments = parser.parse_args()
    clips = [read_audio(path) for path in arguments.files]
    plan = make_plan(load_config(arguments.config, **nested(arguments.changes)))
    runs: list[SettingRun] = []
    with progress() as bar:
        task = bar.add_task("runs", total=arguments.rounds * (1 + len(arguments.ratios)))
        for _ in range(arguments.rounds):
            for ratio in arguments.ratios:
                runs.append(run_ratio(arguments.config, ratio, arguments.changes, clips))
                bar.advance(task)
            baseline: dict[str, Any] = run_sequential(arguments.config, arguments.changes, arguments.files)
            runs.append(SettingRun(SEQUENTIAL, busy={}, **baseline))
            bar.advance(task)
    speech_s = sum(clip.seconds for clip in clips)
    title = f"{len(clips)} clips, {speech_s:.0f} s of speech, {arguments.rounds} rounds"
    show(settings_table(runs, plan.cores, title))
    write_record(arguments.json, {"cores": plan.cores, "runs": [asdict(run) for run in runs]})
    return 0


if __name__ == "__main__":
    run_measurement(main)
