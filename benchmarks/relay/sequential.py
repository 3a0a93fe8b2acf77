"""The baseline: the relay's modules in one process, one clip after the other, with the whole core budget.

    python -m benchmarks.relay.sequential FILES…

Prints one line of JSON: seconds, requests per second, CPU seconds a request, bytes.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from benchmarks.common.in_process import open_module, outputs_of
from benchmarks.common.process_tree import PeakMemory, cpu_seconds
from checkout import ROOT
from modules.audio.files import read_audio
from modules.contract.payloads import Audio, Payload
from workers.config import load_config, nested
from workers.plan import Plan, make_plan
from workers.processes.budget import apply_budget
from workers.report import Quantiles


class Sequential:
    """Every stage's module, loaded and warm, in this process."""

    def __init__(self, plan: Plan) -> None:
        self._modules = [open_module(stage, plan.cores, plan.config.seed) for stage in plan.stages]

    def __call__(self, audio: Audio) -> list[Payload]:
        """Everything that the last module says of one clip."""
        payloads: list[Payload] = [audio]
        for module in self._modules:
            payloads = [output for payload in payloads for output in outputs_of(module, payload)]
        return payloads


def main() -> None:
    """Runs the clips and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="clips to put through")
    parser.add_argument("--config", type=Path, default=ROOT / "pipelines" / "offline.yaml", metavar="FILE")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    plan = make_plan(load_config(arguments.config, **nested(arguments.changes)))
    apply_budget(plan.cores, "cpu")
    clips = [read_audio(path) for path in arguments.files]
    latencies = []
    with PeakMemory() as memory:
        began = time.monotonic()
        relay = Sequential(plan)
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


if __name__ == "__main__":
    main()
