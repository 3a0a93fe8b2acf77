"""The figures of a run, or of two, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.load.figures.statistics import Estimate
from benchmarks.load.formatting import number_text
from benchmarks.load.report.summary import summary
from benchmarks.load.run_comparison import LevelPair, verdict
from benchmarks.load.run_record import LoadRun
from commands.output import say
from commands.tables import SafeConsole, TableColumn, print_table

RUN_COLUMNS = (
    TableColumn("load", "name"),
    TableColumn("n", "number"),
    TableColumn("achieved/s", "number"),
    TableColumn("p50", "number"),
    TableColumn("p95", "number"),
    TableColumn("first audio p50", "number"),
    TableColumn("in time", "number"),
    TableColumn("outcomes"),
)
COMPARISON_COLUMNS = (
    TableColumn("figure", "name"),
    TableColumn("first", "number"),
    TableColumn("second", "number"),
    TableColumn("difference", "number"),
    TableColumn("interval", "number"),
    TableColumn("the second is"),
)


def print_run(run: LoadRun) -> None:
    """Prints a table with a row for each level, then the summary."""
    print_table(
        SafeConsole(),
        RUN_COLUMNS,
        [
            (
                level.name,
                str(level.requests),
                number_text(level.achieved_rps),
                _estimate_text(level.latency_s.get("p50")),
                _estimate_text(level.latency_s.get("p95")),
                _estimate_text(level.ttfa_s.get("p50")),
                " ".join(f"{verdict.attained.value:.1%}" for verdict in level.objectives.values()) or "–",
                ", ".join(f"{count} {outcome}" for outcome, count in level.outcomes.items()),
            )
            for level in run.levels
        ],
        title=f"{run.title}: latencies in seconds from the scheduled moment, with intervals of 95 %",
    )
    for line in (*summary(run), *(f"INVALID: {why}" for why in run.invalid)):
        say(line)


def print_comparison(pairs: Sequence[LevelPair]) -> None:
    """Prints a table for each pair of levels."""
    for pair in pairs:
        print_table(
            SafeConsole(),
            COMPARISON_COLUMNS,
            [
                (
                    one.name,
                    number_text(one.before.value),
                    number_text(one.after.value),
                    f"{one.change.value:+.3g}",
                    f"{one.change.low:+.3g} to {one.change.high:+.3g}",
                    verdict(one),
                )
                for one in pair.differences
            ],
            title=f"{pair.before.name} against {pair.after.name}; intervals of 95 %",
        )


def _estimate_text(estimate: Estimate | None) -> str:
    """Formats the value and its interval; – when there were too few samples."""
    if estimate is None:
        return "–"
    return f"{number_text(estimate.value)} ({number_text(estimate.low)}–{number_text(estimate.high)})"
