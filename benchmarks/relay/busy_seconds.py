"""Whether the busy seconds of the metrics are true: beside what the system says that the replicas computed.

    python -m benchmarks.relay.busy_seconds [--jobs 40] [--service-s 0.25]

Each stage in turn spins on the CPU for every job while the others take no time, with so many jobs in flight that the
replica never waits. relevo_stage_busy_seconds_total, read over HTTP before and after, is compared with the CPU seconds
of the stage's process. Busy time is by the clock, so what the system let the process wait for a core, next to nothing
on a quiet machine, is added to its CPU seconds. Prints one line of JSON; exit status 1 when they differ by over 5 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families
from rich.progress import Progress

from benchmarks.common.environment import environment
from modules.testing import stand_in_stages
from modules.testing.timed import request_audio
from pipeline import Pipeline
from workers.config import PipelineConfig

IN_FLIGHT = 4
TOLERANCE = 0.05
STAGES = ("listen", "translate", "speak")


def busy_s(url: str, stage: str) -> float:
    """The stage's busy seconds, as Prometheus would read them."""
    text = urllib.request.urlopen(url).read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return next(
        sample.value
        for sample in samples
        if sample.name == "relevo_stage_busy_seconds_total" and sample.labels["stage"] == stage
    )


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, as the system accounts for them."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def waited_s(pid: int) -> float:
    """Seconds that the process's main thread could have run but had no core (proc(5), schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def measure(stage: str, service_s: float, jobs: int) -> dict[str, float]:
    """Busy and CPU seconds of one stage that spins."""
    stages = stand_in_stages("timed", **{stage: {"service_s": [service_s], "spin": True}})
    with Pipeline(PipelineConfig(stages=stages)) as pipeline:
        pid = next(replica.pid for replica in pipeline.replicas() if replica.stage == stage)
        assert pid is not None
        assert pipeline.metrics_url is not None
        before = busy_s(pipeline.metrics_url, stage), cpu_s(pid), waited_s(pid)
        for result in pipeline.map((request_audio(number) for number in range(jobs)), in_flight=IN_FLIGHT):
            assert result.outcome == "ok", result.error
        after = busy_s(pipeline.metrics_url, stage), cpu_s(pid), waited_s(pid)
    busy, cpu, waited = (end - begin for begin, end in zip(before, after, strict=True))
    return {"busy_s": busy, "cpu_s": cpu, "waited_s": waited, "difference": busy / (cpu + waited) - 1}


def main() -> None:
    """Measures every stage and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=40, help="jobs of each stage (default: 40)")
    parser.add_argument("--service-s", type=float, default=0.25, help="CPU seconds of a job (default: 0.25)")
    arguments = parser.parse_args()
    figures = {}
    with Progress(transient=True) as progress:
        for stage in progress.track(STAGES, description="stages"):
            figures[stage] = measure(stage, arguments.service_s, arguments.jobs)
    print(json.dumps({"environment": environment(), "stages": figures}))
    worst = max(figures, key=lambda stage: abs(figures[stage]["difference"]))
    if abs(figures[worst]["difference"]) > TOLERANCE:
        sys.exit(f"{worst}: busy and CPU seconds differ by {figures[worst]['difference']:+.1%}")


if __name__ == "__main__":
    main()
