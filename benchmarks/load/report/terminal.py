"""The figures of a run, or of two, as tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.load.figures.statistics import Estimate
from benchmarks.load.formatting import number_text
from benchmarks.load.report.summary import summary
from benchmarks.load.run_comparison import LevelPair, verdict
from benchmarks.load.run_record import LoadRun

FILE_WIDTH = 120  # of output that goes to a file or a pipe, in characters


def print_run(run: LoadRun) -> None:
    """Prints a table with a row for each level, then the summary."""
    console = _console()
    table = Table(title=f"{run.title}: latencies in seconds from the scheduled moment, with intervals of 95 %")
    for column in ("load", "n", "achieved/s", "p50", "p95", "first audio p50", "in time", "outcomes"):
        table.add_column(column, justify="left" if column in ("load", "outcomes") else "right", overflow="fold")
    for level in run.levels:
        table.add_row(
            level.name,
            str(level.requests),
            number_text(level.achieved_rps),
            _estimate_cell(level.latency_s.get("p50")),
            _estimate_cell(level.latency_s.get("p95")),
            _estimate_cell(level.ttfa_s.get("p50")),
            " ".join(f"{verdict.attained.value:.1%}" for verdict in level.objectives.values()) or "–",
            ", ".join(f"{count} {outcome}" for outcome, count in level.outcomes.items()),
        )
    console.print(table)
    for line in (*summary(run), *(f"INVALID: {why}" for why in run.invalid)):
        console.print(Text(line), soft_wrap=True)


def print_comparison(pairs: Sequence[LevelPair]) -> None:
    """Prints a table for each pair of levels."""
    for pair in pairs:
        table = Table(title=f"{pair.before.name} against {pair.after.name}; intervals of 95 %")
        for column in ("figure", "first", "second", "difference", "interval", "the second is"):
            table.add_column(column, justify="left" if column == "figure" else "right")
        for one in pair.differences:
            table.add_row(
                one.name,
                number_text(one.before.value),
                number_text(one.after.value),
                f"{one.change.value:+.3g}",
                f"{one.change.low:+.3g} to {one.change.high:+.3g}",
                verdict(one),
            )
        _console().print(table)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)


def _estimate_cell(estimate: Estimate | None) -> str:
    """The value above its interval; – when there were too few samples."""
    if estimate is None:
        return "–"
    return f"{number_text(estimate.value)}\n{number_text(estimate.low)}–{number_text(estimate.high)}"
