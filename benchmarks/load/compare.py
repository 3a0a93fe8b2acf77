"""Two runs of `benchmarks.load` side by side: is the second better, and is that more than chance?

    python -m benchmarks.load.compare reports/ONE reports/OTHER [--output DIR]

The levels that both runs were offered alike (same arrivals, same rate) are compared; when there are none, the one that
each report shows: the peak, or the highest rate that held. Every difference has a bootstrap interval of 95 %, from
blocks of neighbouring requests; one whose interval holds 0 may be chance. Writes compare.html with overlaid
distributions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.progress_view import WIDTH
from benchmarks.load.report import distribution
from benchmarks.load.report.plot_style import ACCENT, ALARM, save, styled
from benchmarks.load.report.summary import number_text
from benchmarks.load.report.templates import render
from benchmarks.load.run_comparison import Difference, LevelPair, LoadedRun, compare
from benchmarks.load.run_record import load
from errors import ConfigError, RelevoError

PAGE = "compare.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares and returns the exit status: 0, or 2 when a folder holds no run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", type=Path, help="folder of the run to compare with")
    parser.add_argument("after", type=Path, help="folder of the run to judge")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: the second run's)")
    parsed = parser.parse_args(arguments)
    try:
        before, after = LoadedRun(*load(parsed.before)), LoadedRun(*load(parsed.after))
        pairs = compare(before, after)
        page = write_comparison(parsed.output or parsed.after, before, after, pairs)
    except RelevoError as error:
        print(f"relevo: {error}", file=sys.stderr)
        return 2
    for pair in pairs:
        _print(pair)
    for name, loaded in (("first", before), ("second", after)):
        for why in loaded.run.invalid:
            print(f"INVALID, the {name}: {why}")
    print(f"report: {page}")
    return 0


def write_comparison(folder: Path, before: LoadedRun, after: LoadedRun, pairs: Sequence[LevelPair]) -> Path:
    """Writes the page and its plots; returns its path.

    Raises:
        ConfigError: a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with styled():
            plots = [
                save(
                    distribution.plot(_overlaid(before, after, pair), (ALARM, ACCENT)), folder / f"compare-{number}.png"
                )
                for number, pair in enumerate(pairs, start=1)
            ]
        pairs_with_plots = list(zip(pairs, plots, strict=True))
        page = render("compare.html.j2", before=before.run, after=after.run, pairs=pairs_with_plots, verdict=verdict)
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the comparison to {folder}: {error.strerror}") from error
    return folder / PAGE


def _overlaid(before: LoadedRun, after: LoadedRun, pair: LevelPair) -> dict[str, list[RequestSample]]:
    return {f"first: {before.run.title}": pair.before_samples, f"second: {after.run.title}": pair.after_samples}


def verdict(difference: Difference) -> str:
    """Whether the second run is better, in a word or two."""
    if difference.change.low == difference.change.high == 0:
        return "equal"
    return {None: "may be chance", True: "better", False: "worse"}[difference.better]


def _print(pair: LevelPair) -> None:
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
    (Console() if sys.stdout.isatty() else Console(width=WIDTH)).print(table)


if __name__ == "__main__":
    sys.exit(main())
