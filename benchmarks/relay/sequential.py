"""Measures the baseline: the relay's modules in one process, one clip after the other, with the whole core budget.

    python -m benchmarks.relay.sequential FILES

Prints one line of JSON: seconds until ready, requests per second, latency, CPU seconds a request, bytes of memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.common.command_line import add_relay, measurement_parser, run_measurement
from benchmarks.common.in_process import open_module, outputs_of
from benchmarks.common.process_tree import PeakMemory, cpu_seconds
from checkout import ROOT
from errors import MeasurementError
from modules.audio.files import read_audio
from modules.contract.payloads import Audio, Payload
from workers.config import load_config, nested
from workers.plan import Plan, make_plan
from workers.processes.budget import apply_budget
from workers.report import Quantiles


class SequentialRelay:
    """Every stage's module, loaded and warm, in this process."""

    def __init__(self, plan: Plan) -> None:
        self._modules = [open_module(stage, plan.cores, plan.config.seed) for stage in plan.stages]

    def __call__(self, audio: Audio) -> list[Payload]:
        """Returns the outputs of the last module for one clip.

        Raises:
            InputError: a module refuses its input.
        """
        payloads: list[Payload] = [audio]
        for module in self._modules:
            payloads = [output for payload in payloads for output in outputs_of(module, payload)]
        return payloads


def run_sequential(config: Path, changes: list[str], files: list[Path]) -> dict[str, float]:
    """Runs this measurement in a process of its own and returns its figures.

    Raises:
        MeasurementError: it failed.
    """
    command = [sys.executable, "-m", __name__, "--config", str(config), *(f"--set={change}" for change in changes)]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise MeasurementError(f"the sequential run exited with {done.returncode}; its standard error says why")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> int:
    """Runs the clips and prints the figures."""
    parser = measurement_parser(__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings, run in turn")
    add_relay(parser)
    arguments = parser.parse_args()
    plan = make_plan(load_config(arguments.config, **nested(arguments.changes)))
    apply_budget(plan.cores, "cpu")
    clips = [read_audio(path) for path in arguments.files]
    latencies = []
    with PeakMemory() as memory:
        began = time.monotonic()
        relay = SequentialRelay(plan)
        ready_s = time.monotonic() - began
        cpu_before, began = cpu_seconds(), time.monotonic()
        for clip in clips:
            submitted = time.monotonic()
            relay(clip)
            latencies.append(time.monotonic() - submitted)
        wall_s = time.monotonic() - began
        cpu_s = (cpu_seconds() - cpu_before) / len(clips)
    latency = Quantiles.of(latencies)
    figures = {
        "ready_s": ready_s,
        "throughput_rps": len(clips) / wall_s,
        "latency_p50_s": latency.p50,
        "latency_p95_s": latency.p95,
        "cpu_s_per_request": cpu_s,
        "peak_rss_bytes": memory.rss_bytes,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    run_measurement(main)
