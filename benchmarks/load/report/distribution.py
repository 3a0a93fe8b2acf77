"""Cumulative distributions of latency and time to first audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.samples import RequestSample, latencies, times_to_first_audio
from benchmarks.load.report.plot_style import MUTED, panels


def plot(
    samples: Mapping[str, Sequence[RequestSample]], colours: Sequence[Any], objectives: Sequence[Objective] = ()
) -> Figure:
    """Draws one line for each name; it counts requests that ended well, so it may end below 100 %.

    Args:
        samples: the measured requests by their name in the legend.
        colours: one for each name.
        objectives: drawn as triangles; a line that passes left of one holds it.
    """
    figure, (whole, first) = panels(1, 2, 4.2, sharey=True)
    for (name, group), colour in zip(samples.items(), colours, strict=True):
        _line(whole, latencies(group), len(group), name, colour)
        _line(first, times_to_first_audio(group), len(group), name, colour)
    for objective in objectives:
        axes = whole if objective.what == "latency" else first
        axes.plot(
            [objective.bound_s], [objective.quantile], "v", color=MUTED, markersize=9, label=str(objective), zorder=5
        )
    whole.set(title="Latency", xlabel="seconds from the scheduled moment", ylabel="share of requests", ylim=(0, 1.02))
    first.set(title="Time to first audio", xlabel="seconds from the scheduled moment")
    for axes in (whole, first):
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    whole.legend(loc="lower right")
    if any(objective.what == "ttfa" for objective in objectives):
        first.legend(loc="lower right")
    if not first.lines:
        first.annotate("no request had audible sound", (0.5, 0.5), xycoords="axes fraction", color=MUTED, ha="center")
    return figure


def _line(axes: Any, values: Sequence[float], total: int, name: str, colour: Any) -> None:
    if values:
        steps = np.arange(len(values) + 1) / total
        axes.step([0.0, *sorted(values)], steps, where="post", color=colour, label=name)
