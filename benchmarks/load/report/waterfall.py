"""The waterfall: waiting and service of every stage along the time line of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.load.figures.samples import RequestSample, SpanSample, ended_ok
from benchmarks.load.formatting import seconds_text
from benchmarks.load.report.plot_style import ALARM, INK, MUTED, panels, stage_colours

MOST_JOBS = 24  # bars of the example at most


def plot(samples: Sequence[RequestSample], stages: Sequence[str]) -> Figure | None:
    """Draws the mean request stage by stage, and the request of median latency job by job.

    Returns None when no request ended well.
    """
    ended = [sample for sample in ended_ok(samples) if sample.spans]
    if not ended:
        return None
    example = sorted(ended, key=lambda sample: sample.latency_s)[len(ended) // 2]
    jobs = sorted(example.spans, key=lambda span: (span.start_s - span.queue_s, stages.index(span.stage)))[:MOST_JOBS]
    figure, (mean, one) = panels(
        2, 1, 2.4 + 0.34 * (len(stages) + len(jobs)), height_ratios=[len(stages) + 1, len(jobs) + 1]
    )
    colours = stage_colours(stages)
    for row, name in enumerate(stages):
        _bar(mean, row, *_mean_times(ended, name), colours[name])
    _rows(mean, stages, f"Mean of {len(ended)} requests: first wait, then first to last moment of service")
    for row, span in enumerate(jobs):
        late_s = example.lag_s
        queued_s, begun_s, ended_s = _times(span)
        _bar(one, row, late_s + queued_s, late_s + begun_s, late_s + ended_s, colours[span.stage])
    names = [f"{span.stage} {'.'.join(map(str, span.path))}".strip() for span in jobs]
    _rows(one, names, f"The request of median latency, job by job ({example.clip})")
    _moments(mean, _mean([sample.ttfa_s for sample in ended]), _mean([sample.latency_s for sample in ended]))
    _moments(one, example.ttfa_s, example.latency_s)
    one.set_xlabel("seconds from the scheduled moment")
    return figure


def _times(span: SpanSample) -> tuple[float, float, float]:
    return span.start_s - span.queue_s, span.start_s, span.start_s + span.service_s


def _mean_times(samples: Sequence[RequestSample], stage: str) -> tuple[float, float, float]:
    """Averages seconds from the scheduled moment: first job queued, first service begun, last service ended."""
    rows = []
    for sample in samples:
        times = [_times(span) for span in sample.spans if span.stage == stage]
        if times:
            queued, begun, ended = zip(*times, strict=True)
            rows.append((sample.lag_s + min(queued), sample.lag_s + min(begun), sample.lag_s + max(ended)))
    queued_s, begun_s, ended_s = np.mean(rows, axis=0) if rows else (0.0, 0.0, 0.0)
    return float(queued_s), float(begun_s), float(ended_s)


def _bar(axes: Any, row: int, queued_s: float, begun_s: float, ended_s: float, colour: str) -> None:
    axes.barh(row, begun_s - queued_s, left=queued_s, height=0.62, color=colour, alpha=0.25)
    axes.barh(row, ended_s - begun_s, left=begun_s, height=0.62, color=colour)


def _rows(axes: Any, names: Sequence[str], title: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set(title=title)
    axes.tick_params(axis="y", colors=INK)


def _moments(axes: Any, first_s: float | None, end_s: float | None) -> None:
    lines = [
        axes.axvline(at_s, color=colour, linewidth=1.2, linestyle="--", label=f"{name}: {seconds_text(at_s)}")
        for at_s, name, colour in ((first_s, "first audio", ALARM), (end_s, "end", INK))
        if at_s is not None
    ]
    kinds = [Patch(facecolor=MUTED, alpha=0.25, label="waiting"), Patch(facecolor=MUTED, label="service")]
    axes.legend(handles=[*kinds, *lines], loc="upper right")  # a waterfall leaves this corner free
    axes.set_xlim(0, (end_s or axes.get_xlim()[1]) * 1.35)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
