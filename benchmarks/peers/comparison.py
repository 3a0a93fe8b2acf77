"""The comparison as a table and as a picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.common.output import figures_table
from benchmarks.load.figures.samples import ended_ok, latencies, times_to_first_audio
from benchmarks.load.figures.statistics import percentile
from benchmarks.peers.trial import UNANSWERED, TrialRecord

OURS = "relevo"
NOTHING = "–"


@dataclass(frozen=True)
class KillOutcome:
    """What a killed worker did to a trial, in words.

    `requests` counts the outcomes of all requests as they were first sent, `second_tries` those of the requests that
    were sent once more, and `replacement` is about the worker.
    """

    requests: str = NOTHING
    second_tries: str = NOTHING
    replacement: str = NOTHING

    @classmethod
    def of(cls, record: TrialRecord | None) -> KillOutcome:
        """Makes the words from the trial with a kill."""
        if record is None:
            return cls()
        if record.killed_at_s is None:
            return cls(requests="no worker was found with a request in hand")
        outcomes = Counter(
            {"ok": "ok", "cancelled": UNANSWERED}.get(sample.outcome, "failed") for sample in record.samples
        )
        later = [sample for sample in record.samples if sample.scheduled_s > record.killed_at_s]
        served = any(sample.outcome == "ok" for sample in later)
        return cls(
            requests=", ".join(_counted(outcomes) + ([] if served else ["nothing served after it"])),
            second_tries=", ".join(_counted(Counter(each.outcome for each in record.second_tries))) or NOTHING,
            replacement=(
                "no" if record.replaced_at_s is None else f"after {record.replaced_at_s - record.killed_at_s:.1f} s"
            ),
        )


@dataclass(frozen=True)
class SystemFigures:
    """One system: seconds, requests per second, bytes; None where there was nothing to measure."""

    name: str
    throughput_rps: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    first_audio_p50_s: float | None = None
    peak_rss_bytes: int | None = None
    ready_s: float | None = None
    kill: KillOutcome = KillOutcome()

    @classmethod
    def of(cls, name: str, calm: TrialRecord | None, killed: TrialRecord | None) -> SystemFigures:
        """Makes the figures from the undisturbed trial and the one with a kill."""
        kill = KillOutcome.of(killed)
        ok = [] if calm is None else ended_ok(calm.samples)
        if calm is None or not ok:
            return cls(name, kill=kill)
        wall_s = max(sample.end_s for sample in ok) - min(sample.scheduled_s for sample in calm.samples)
        first_audio = times_to_first_audio(ok)
        return cls(
            name,
            throughput_rps=len(ok) / wall_s,
            p50_s=percentile(latencies(ok), 0.5),
            p95_s=percentile(latencies(ok), 0.95),
            first_audio_p50_s=percentile(first_audio, 0.5) if first_audio else None,
            peak_rss_bytes=calm.peak_rss_bytes,
            ready_s=calm.ready_s,
            kill=kill,
        )


def _counted(outcomes: Counter[str]) -> list[str]:
    return [f"{count} {outcome}" for outcome, count in outcomes.items()]


def errors_of(record: TrialRecord) -> list[str]:
    """Returns the first line of each different error of a trial."""
    return sorted({sample.error.strip().partition("\n")[0] for sample in record.samples if sample.error})


def comparison_table(systems: list[SystemFigures], title: str) -> Table:
    """Makes the table, one system a row."""
    table = figures_table(title, "system", "requests/s", "p50 s", "p95 s", "first audio p50 s", "peak MiB", "ready s")
    for column in ("worker killed with a request in hand", "sent once more", "worker replaced"):
        table.add_column(column)
    for system in systems:
        table.add_row(
            system.name,
            _figure(system.throughput_rps, 3),
            _figure(system.p50_s, 1),
            _figure(system.p95_s, 1),
            _figure(system.first_audio_p50_s, 1),
            _figure(None if system.peak_rss_bytes is None else system.peak_rss_bytes / 2**20, 0),
            _figure(system.ready_s, 1),
            system.kill.requests,
            system.kill.second_tries,
            system.kill.replacement,
        )
    return table


def plot(systems: list[SystemFigures], path: Path) -> None:
    """Draws bars of throughput, p95 and time to first audio."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    panels = (
        ("requests/s, more is better", [system.throughput_rps for system in systems]),
        ("latency p95 s, less is better", [system.p95_s for system in systems]),
        ("first audio p50 s, less is better", [system.first_audio_p50_s for system in systems]),
    )
    figure, axes = pyplot.subplots(1, len(panels), figsize=(12, 3.2), layout="constrained")
    colours = ["tab:orange" if system.name == OURS else "tab:gray" for system in systems]
    for axis, (title, values) in zip(axes, panels, strict=True):
        bars = axis.barh([system.name for system in systems], [value or 0.0 for value in values], color=colours)
        axis.bar_label(bars, [NOTHING if value is None else f"{value:.3g}" for value in values], padding=3)
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
        axis.margins(x=0.2)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _figure(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"
