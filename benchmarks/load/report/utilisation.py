"""Utilisation: how busy the replicas of every stage were, and the cores."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.load.figures.level_figures import LevelFigures
from benchmarks.load.report.plot_style import INK, legend_above, panels, stage_colours

CORES = "cores"


def plot(levels: Sequence[LevelFigures], stages: Sequence[str]) -> Figure:
    """Draws bars for one level, or for several levels a line for each stage against the offered rate."""
    colours = {**stage_colours(stages), CORES: INK}
    shares = {name: [level.stages[name].busy or 0.0 for level in levels] for name in stages}
    if all(level.efficiency is not None for level in levels):
        shares[CORES] = [level.efficiency or 0.0 for level in levels]
    figure, (axes,) = panels(1, 1, 1.2 + 0.5 * len(shares) if len(levels) == 1 else 3.8)
    if len(levels) == 1:
        names = list(shares)
        bars = axes.barh(
            names, [shares[name][0] for name in names], color=[colours[name] for name in names], height=0.6
        )
        axes.bar_label(bars, [f" {shares[name][0]:.0%}" for name in names])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlim=(0, 1.08), title="Share of the replicas' time spent computing")
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        return figure
    rates = [level.rate or level.achieved_rps or 0.0 for level in levels]
    for name, values in shares.items():
        axes.plot(rates, values, marker="o", color=colours[name], label=name, linestyle="--" if name == CORES else "-")
    axes.set(ylim=(0, 1.08), xlabel="offered, requests/s", title="Share of the replicas' time spent computing")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    legend_above(axes)
    return figure
