"""`relevo compare`: shows two load tests side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from commands.output import say

EXIT_INVALID = 3
DESCRIPTION = """\
Compares two reports of `relevo load`: whether the second run is better, and whether that is more than chance.

Levels with the same arrivals and the same rate are compared. When there are none, each run's main level is: the peak,
or the highest rate that held its objectives. Every difference has an interval of 95 % from a bootstrap of blocks of
neighbouring requests.

verdicts:
  better, worse    the interval does not contain 0
  may be chance    the interval contains 0
  equal            every request of both runs has the same value
  too few to tell  a run has too few independent samples: 20 for p50, a share or a rate, 36 for p90, 72 for p95.
                   Requests that wait in the same queue are not independent: near saturation a thousand may count as
                   forty

A difference may still come from the machine. Run the two in turn, more than once. Writes compare.html, with the
distributions of both runs in one plot.
"""
EPILOG = """\
examples:
  relevo load --config pipelines/offline.yaml --ratio 1:1:1 --rate 0.1 --requests 100 --output reports/one
  relevo load --config pipelines/offline.yaml --ratio 1:1:2 --rate 0.1 --requests 100 --output reports/two
  relevo compare reports/one reports/two

exit status:
  0  compared
  1  failed
  2  wrong usage, or a folder without a run
  3  one of the runs is invalid
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        help="compare two reports of `load`",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("before", type=Path, metavar="FIRST", help="folder of the run to compare with")
    parser.add_argument("after", type=Path, metavar="SECOND", help="folder of the run to judge")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the page (default: the second run's)")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Compares two runs and returns the exit status; the end of the help lists them."""
    from benchmarks.load.report.comparison_page import write_comparison  # imports the plotting library
    from benchmarks.load.report.terminal import print_comparison
    from benchmarks.load.run_comparison import RunOnDisk, compare_runs
    from benchmarks.load.run_record import load_run

    before, after = RunOnDisk(*load_run(parsed.before)), RunOnDisk(*load_run(parsed.after))
    pairs = compare_runs(before, after)
    page = write_comparison(parsed.output or parsed.after, before, after, pairs)
    print_comparison(pairs)
    invalid = [("first", why) for why in before.run.invalid] + [("second", why) for why in after.run.invalid]
    for which, why in invalid:
        say(f"INVALID, the {which}: {why}")
    say(f"report: {page}")
    return EXIT_INVALID if invalid else 0
