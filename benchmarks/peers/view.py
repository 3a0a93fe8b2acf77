"""The comparison as a table and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.load.figures.samples import ended_ok, latencies, times_to_first_audio
from benchmarks.load.figures.statistics import percentile
from benchmarks.peers.contestant import Record

OURS = "relevo"


@dataclass(frozen=True)
class Row:
    """One system: seconds, requests per second, bytes; None where there was nothing to measure."""

    name: str
    throughput_rps: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    first_audio_p50_s: float | None = None
    peak_rss_bytes: int | None = None
    ready_s: float | None = None
    after_kill: str = "–"

    @classmethod
    def of(cls, name: str, calm: Record | None, killed: Record | None) -> Row:
        """From the undisturbed run and the one with a kill."""
        after_kill = _after_kill(killed)
        ok = [] if calm is None else ended_ok(calm.samples)
        if calm is None or not ok:
            return cls(name, after_kill=after_kill)
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
            after_kill=after_kill,
        )


def _after_kill(record: Record | None) -> str:
    if record is None or record.killed_at_s is None:
        return "–"
    counts: dict[str, int] = {}
    for sample in record.samples:
        word = {"ok": "ok", "cancelled": "never answered"}.get(sample.outcome, "failed")
        counts[word] = counts.get(word, 0) + 1
    after = [sample for sample in record.samples if sample.scheduled_s > record.killed_at_s]
    serves = any(sample.outcome == "ok" for sample in after)
    words = [f"{count} {word}" for word, count in counts.items()]
    words += ["worker replaced" if record.replaced else "worker not replaced"]
    return ", ".join(words + ([] if serves or not after else ["nothing served after it"]))


def table(rows: list[Row], title: str) -> Table:
    """The systems beside each other."""
    made = Table(title=title)
    made.add_column("system")
    for column in ("requests/s", "p50 s", "p95 s", "first audio p50 s", "peak MiB", "ready s"):
        made.add_column(column, justify="right")
    made.add_column("a speech worker killed half-way")
    for row in rows:
        made.add_row(
            row.name,
            _figure(row.throughput_rps, 3),
            _figure(row.p50_s, 1),
            _figure(row.p95_s, 1),
            _figure(row.first_audio_p50_s, 1),
            _figure(None if row.peak_rss_bytes is None else row.peak_rss_bytes / 2**20, 0),
            _figure(row.ready_s, 1),
            row.after_kill,
        )
    return made


def plot(rows: list[Row], path: Path) -> None:
    """Bars of throughput, p95 and time to first audio."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    panels = (
        ("requests/s, more is better", [row.throughput_rps for row in rows]),
        ("latency p95 s, less is better", [row.p95_s for row in rows]),
        ("first audio p50 s, less is better", [row.first_audio_p50_s for row in rows]),
    )
    figure, axes = pyplot.subplots(1, len(panels), figsize=(12, 3.2), layout="constrained")
    colours = ["tab:orange" if row.name == OURS else "tab:gray" for row in rows]
    for axis, (title, values) in zip(axes, panels, strict=True):
        bars = axis.barh([row.name for row in rows], [value or 0.0 for value in values], color=colours)
        axis.bar_label(bars, ["–" if value is None else f"{value:.3g}" for value in values], padding=3)
        axis.set_title(title, fontsize=10)
        axis.invert_yaxis()
        axis.margins(x=0.2)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
