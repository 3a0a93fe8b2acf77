"""Two runs of `relevo load` side by side: is the second better, and is that more than chance?

    relevo compare reports/ONE reports/OTHER [--output DIR]

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

from benchmarks.load.comparison import Difference, Loaded, Pair, compare
from benchmarks.load.report import distribution
from benchmarks.load.report.canvas import ACCENT, ALARM, save, styled
from benchmarks.load.report.templates import render
from benchmarks.load.run import load
from benchmarks.load.samples import Sample
from benchmarks.load.view import WIDTH
from benchmarks.load.words import number_text
from errors import ConfigError

PAGE = "compare.html"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command `relevo compare`."""
    parser = commands.add_parser(
        "compare",
        help="put two runs of `relevo load` side by side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("before", type=Path, help="folder of the run to compare with")
    parser.add_argument("after", type=Path, help="folder of the run to judge")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: the second run's)")
    parser.set_defaults(run=main)


def main(parsed: argparse.Namespace) -> int:
    """Compares and returns the exit status."""
    before, after = Loaded(*load(parsed.before)), Loaded(*load(parsed.after))
    pairs = compare(before, after)
    page = write_comparison(parsed.output or parsed.after, before, after, pairs)
    for pair in pairs:
        _print(pair)
    for name, loaded in (("first", before), ("second", after)):
        for why in loaded.run.invalid:
            print(f"INVALID, the {name}: {why}")
    print(f"report: {page}")
    return 0


def write_comparison(folder: Path, before: Loaded, after: Loaded, pairs: Sequence[Pair]) -> Path:
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


def _overlaid(before: Loaded, after: Loaded, pair: Pair) -> dict[str, list[Sample]]:
    return {f"first: {before.run.title}": pair.before_samples, f"second: {after.run.title}": pair.after_samples}


def verdict(difference: Difference) -> str:
    """Whether the second run is better, in a word or two."""
    if difference.change.low == difference.change.high == 0:
        return "equal"
    return {None: "may be chance", True: "better", False: "worse"}[difference.better]


def _print(pair: Pair) -> None:
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
