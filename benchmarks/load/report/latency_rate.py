"""Latency and throughput against the offered rate, with a line at the rate where the relay is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.load.figures.level_figures import LevelFigures, Percentiles
from benchmarks.load.figures.objective import Objective
from benchmarks.load.formatting import number_text
from benchmarks.load.report.plot_style import ACCENT, ALARM, GOOD, INK, MUTED, panels
from benchmarks.load.trials.peak_search import Peak


def plot(
    levels: Sequence[LevelFigures],
    objectives: Sequence[Objective],
    peak: Peak | None,
    limit_rps: tuple[float, str] | None,
) -> Figure:
    """Draws the levels; whiskers are intervals of 95 %.

    Args:
        levels: those that have a rate.
        objectives: of latency; drawn as horizontal lines.
        peak: drawn as a vertical line.
        limit_rps: the rate at which the relay is full and its cause, as measured at the highest throughput: a request
            may cost more at high load than at low load.
    """
    figure, (latency, achieved) = panels(1, 2, 4.2)
    rates = [level.rate for level in levels]
    _whiskers(latency, rates, [level.latency_s for level in levels], "p50", ACCENT)
    _whiskers(latency, rates, [level.latency_s for level in levels], "p95", INK)
    for objective in objectives:
        if objective.what == "latency":
            latency.axhline(objective.bound_s, color=MUTED, linestyle=":", linewidth=1.2, label=str(objective))
    latency.set(title="Latency of requests that ended well", xlabel="offered, requests/s", ylabel="seconds")
    achieved.plot(
        rates, [level.offered_rps for level in levels], ".:", color=MUTED, linewidth=1.2, label="offered, as drawn"
    )
    counted = [(level.rate, level.achieved_rps) for level in levels if level.achieved_rps is not None]
    achieved.plot([rate for rate, _ in counted], [rps for _, rps in counted], "o-", color=ACCENT, label="achieved")
    achieved.set(title="Throughput", xlabel="offered, requests/s", ylabel="requests/s")
    if _spans_decades(levels):
        latency.set_yscale("log")
    for axes in (latency, achieved):
        if limit_rps is not None and limit_rps[0] < 3 * max(rates):
            label = f"full: {limit_rps[1]} ({number_text(limit_rps[0])}/s)"
            axes.axvline(limit_rps[0], color=ALARM, linestyle="--", linewidth=1.4, label=label)
        if peak is not None and peak.held is not None:
            axes.axvline(peak.held, color=GOOD, linewidth=1.4, label=f"highest that held ({number_text(peak.held)}/s)")
        axes.set_xlim(left=0)
        bottom, top = axes.get_ylim()
        if axes.get_yscale() == "linear":
            axes.set_ylim(0, top * 1.35)  # room for the legend
        else:
            axes.set_ylim(bottom, top * 4)
        axes.legend(loc="upper left", ncols=2)
    return figure


def _whiskers(axes: Any, rates: Sequence[float], found: Sequence[Percentiles], name: str, colour: str) -> None:
    points = [(rate, quantiles[name]) for rate, quantiles in zip(rates, found, strict=True) if name in quantiles]
    axes.errorbar(
        [rate for rate, _ in points],
        [one.value for _, one in points],
        yerr=[[one.value - one.low for _, one in points], [one.high - one.value for _, one in points]],
        fmt="o-",
        color=colour,
        capsize=3,
        elinewidth=1,
        markersize=5,
        label=name,
    )


def _spans_decades(levels: Sequence[LevelFigures]) -> bool:
    medians = [level.latency_s["p50"].value for level in levels if "p50" in level.latency_s]
    return bool(medians) and max(medians) > 20 * min(medians)
