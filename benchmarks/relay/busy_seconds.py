"""Compares the busy seconds of the metrics with the CPU seconds that the system counted for the replicas.

    python -m benchmarks.relay.busy_seconds [--jobs 40] [--service-s 0.25]

Each stage in turn spins on the CPU for every job while the others take no time. Enough jobs are in flight that the
replica never waits. relevo_stage_busy_seconds_total, read over HTTP before and after, is compared with the CPU seconds
of the stage's process. Busy time is by the clock, so the time that the process waited for a core is added to its CPU
seconds; on a quiet machine that is next to nothing. Prints one line of JSON, and exits with 1 when they differ by over
5 %.
"""

from __future__ import annotations

import urllib.request
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.common.command_line import measurement_parser, run_measurement
from benchmarks.common.expectations import expect_ok
from benchmarks.common.output import print_record, progress
from errors import MeasurementError
from modules.testing import stand_in_stages
from modules.testing.configuration import STAGES
from modules.testing.timed import request_audio
from pipeline import Pipeline
from workers.config import PipelineConfig

IN_FLIGHT = 4
TOLERANCE = 0.05


def busy_s(url: str, stage: str) -> float:
    """Returns the stage's busy seconds as Prometheus reads them."""
    text = urllib.request.urlopen(url).read().decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return next(
        float(sample.value)
        for sample in samples
        if sample.name == "relevo_stage_busy_seconds_total" and sample.labels["stage"] == stage
    )


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds of a process, as the system accounts for them."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def waited_s(pid: int) -> float:
    """Returns how long the process's main thread was ready to run but had no core (proc(5), schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def measure(stage: str, service_s: float, jobs: int) -> dict[str, float]:
    """Runs one stage that spins and returns its busy and CPU seconds.

    Raises:
        MeasurementError: a job did not end ok.
    """
    stages = stand_in_stages("timed", **{stage: {"service_s": [service_s], "spin": True}})
    with Pipeline(PipelineConfig(stages=stages)) as pipeline:
        pid = next(replica.pid for replica in pipeline.replicas() if replica.stage == stage)
        url = pipeline.metrics_url
        assert pid is not None
        assert url is not None
        before = busy_s(url, stage), cpu_s(pid), waited_s(pid)
        expect_ok(pipeline.map((request_audio(number) for number in range(jobs)), in_flight=IN_FLIGHT))
        after = busy_s(url, stage), cpu_s(pid), waited_s(pid)
    busy, cpu, waited = (end - begin for begin, end in zip(before, after, strict=True))
    return {"busy_s": busy, "cpu_s": cpu, "waited_s": waited, "difference": busy / (cpu + waited) - 1}


def main() -> int:
    """Measures every stage and prints the comparison."""
    parser = measurement_parser(__doc__)
    parser.add_argument("--jobs", type=int, default=40, help="jobs of each stage (default: 40)")
    parser.add_argument("--service-s", type=float, default=0.25, help="CPU seconds of a job (default: 0.25)")
    arguments = parser.parse_args()
    figures = {}
    with progress() as bar:
        for stage in bar.track(STAGES, description="stages"):
            figures[stage] = measure(stage, arguments.service_s, arguments.jobs)
    print_record({"stages": figures})
    worst = max(figures, key=lambda stage: abs(figures[stage]["difference"]))
    if abs(figures[worst]["difference"]) > TOLERANCE:
        raise MeasurementError(
            f"busy and CPU seconds of {worst} differ by {figures[worst]['difference']:+.1%}; the bound is "
            f"{TOLERANCE:.0%}: run it again on a quiet machine"
        )
    return 0


if __name__ == "__main__":
    run_measurement(main)
