"""The style of every plot, and the way from a plot to a file and a page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import colormaps
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2937", "#6b7280", "#e5e7eb"
ACCENT, GOOD, ALARM = "#1d4ed8", "#15803d", "#dc2626"
STAGE_COLOURS = ("#0e7490", "#d97706", "#7c3aed", "#15803d", "#be185d")
OUTCOME_COLOURS = {
    "ok": "#1d4ed8",
    "rejected": "#d97706",
    "expired": "#7c3aed",
    "cancelled": "#9ca3af",
    "failed": "#dc2626",
    "dead_letter": "#111827",
}
WIDTH_IN, DPI = 10.0, 110
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "lines.linewidth": 1.8,
}


def styled() -> AbstractContextManager[None]:
    """Returns the context in which plots are drawn and saved."""
    return mpl.rc_context(_STYLE)


def panels(rows: int = 1, columns: int = 1, height_in: float = 4.0, **how: Any) -> tuple[Figure, list[Any]]:
    """Makes a figure of panels; returns it and its axes, row by row."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **how).flat)


def legend_above(axes: Any) -> None:
    """Adds a legend in one line beside the title, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=max(1, len(labels)), borderpad=0.1)


def save(figure: Figure, path: Path) -> str:
    """Writes a PNG file, and returns it as a data URL for the page."""
    figure.savefig(path, facecolor="white")
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def stage_colours(stages: Sequence[str]) -> dict[str, str]:
    """Gives each stage a colour, the same in every plot."""
    return {name: STAGE_COLOURS[number % len(STAGE_COLOURS)] for number, name in enumerate(stages)}


def shades(count: int) -> list[Any]:
    """Returns `count` colours, from light to dark as the load grows."""
    if count == 1:
        return [ACCENT]
    return [colormaps["viridis_r"](0.15 + 0.8 * number / (count - 1)) for number in range(count)]
