"""Prints the end of `relevo run`: every recording, a table of the stages, and the figures of the whole run."""

from __future__ import annotations

from commands.output import printable
from commands.tables import SafeConsole, TableColumn, print_table
from workers.report import Quantiles, Report


def print_summary(report: Report) -> None:
    """Prints every recording's texts and file, a table of the stages, and the figures of the whole run."""
    console = SafeConsole()
    for clip in report.clips:
        seconds = "" if clip.seconds is None else f"  {clip.seconds:.1f} s"
        latency = "" if clip.latency_s is None else f" in {clip.latency_s:.2f} s"
        console.print(f"{printable(clip.file)}{seconds}  {clip.outcome}{latency}", style="bold", overflow="fold")
        remarks = [f"{stage}: {text}" for stage, text in clip.texts.items()]
        remarks += [*clip.notes, *filter(None, [clip.error])]
        if clip.outcome == "ok":
            remarks.append(f"→ {clip.wav}" if clip.wav else "nothing to say: no speech was found")
        for remark in remarks:
            console.print(f"    {printable(remark)}", soft_wrap=True)
    if report.stages:
        _print_stages(console, report)
    latency = f"latency p50 / p95 {_quantiles(report.latency_s)} s"
    whole = [latency, f"throughput {report.throughput_rps:.2f} requests/s"]
    if report.real_time_factor is not None:
        whole.append(f"real-time factor {report.real_time_factor:.2f}")
    if report.ready_s is not None:
        whole.append(f"ready after {report.ready_s:.1f} s")
    console.print("; ".join(whole))


def _print_stages(console: SafeConsole, report: Report) -> None:
    print_table(
        console,
        [
            TableColumn("stage", "name"),
            TableColumn("replicas × threads", "number"),
            TableColumn("jobs", "number"),
            TableColumn("queue", "number"),
            TableColumn("service", "number"),
            TableColumn("jobs/s", "number"),
            TableColumn("busy", "number"),
        ],
        [
            (
                name,
                f"{stage.replicas} × {stage.threads}",
                str(stage.jobs),
                _quantiles(stage.queue_s),
                _quantiles(stage.service_s),
                f"{stage.throughput_rps:.2f}",
                f"{stage.busy:.0%}",
            )
            for name, stage in report.stages.items()
        ],
        title="stages; times are p50 / p95 in seconds",
    )


def _quantiles(quantiles: Quantiles) -> str:
    return " / ".join("–" if value is None else f"{value:.2f}" for value in (quantiles.p50, quantiles.p95))
