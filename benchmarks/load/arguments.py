"""The arguments of `relevo load`, and its help."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.load.figures.lag_rule import LAG_RULE
from commands.options import add_config_options, add_connect_options

DEFAULT_SECONDS = 60.0
DEFAULT_GIVE_UP_S = 60.0

DESCRIPTION = f"""\
Loads a relay and writes a report: one HTML page with its plots beside it, and the raw sample of every request.

The load is an open loop. Arrival times are drawn in advance from a seed, and every request is sent at its time by a
process of its own. Nothing limits how many requests are in flight, and a rejected request is not sent again. Latency
counts from the scheduled moment, so that a pause of the relay shows in every request that was due meanwhile.

{LAG_RULE[0].upper() + LAG_RULE[1:]}.

arrivals:
  poisson         independent users: exponential gaps (the default)
  constant        equal gaps
  burst[:SIZE]    SIZE requests at the same moment, the bursts evenly spaced
  ramp:RATE       Poisson, from --rate at the beginning to RATE at the end
  replay:FILE     a CSV file with a column at_s (seconds) and, if wanted, clip; --rate stretches it
  closed:CALLERS  a closed loop: each caller waits for an answer before it asks again. Such a load slows down with the
                  relay and hides its pauses; use it to measure throughput, not latency
"""
EPILOG = """\
examples:
  Load a relay of two speech replicas for five minutes, and check an objective:
    relevo load --config pipelines/offline.yaml --ratio 1:1:2 --rate 0.2 --requests 60 --slo p95=12s
  Plot latency against the rate:
    relevo load --config pipelines/offline.yaml --rate 0.05 0.1 0.15 0.2 --requests 60 --warm-up 5
  Find the highest rate that a running relay holds, with recordings of your own:
    relevo load calls/*.wav --connect ADDRESS --find-peak --rate 0.1 --requests 60 --slo p95=12s
  Compare two reports:
    relevo compare reports/ONE reports/OTHER

exit status:
  0    all objectives were held
  1    an objective was missed, no request ended well, or the relay failed
  2    wrong usage or configuration
  3    the run is invalid: the load generator could not keep its schedule
  130  interrupted
An interrupt or a failure loses no finished trial: the report is written from those.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="recordings to send (default: samples/*.flac)"
    )
    load = parser.add_argument_group("load")
    load.add_argument("--arrivals", default="poisson", metavar="KIND", help="see above (default: poisson)")
    load.add_argument(
        "--rate",
        nargs="+",
        type=float,
        default=[],
        metavar="R",
        help="requests per second; several rates are run in turn (name FILEs before it)",
    )
    load.add_argument("--requests", type=int, metavar="N", help="end a trial after so many requests")
    load.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help=f"end a trial's arrivals after so many seconds (default: {DEFAULT_SECONDS:g}, without --requests)",
    )
    load.add_argument(
        "--warm-up",
        default="0",
        metavar="N|Ss",
        help="leave the first N requests, or those of the first S seconds, out of the figures: 10, 30s (default: 0)",
    )
    load.add_argument(
        "--repeats", type=int, default=1, metavar="N", help="trials at each rate, each with its own seed (default: 1)"
    )
    load.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of arrivals and of the order of recordings (default: 0)"
    )
    load.add_argument(
        "--give-up",
        type=float,
        metavar="S",
        help="cancel requests that have not ended S seconds after the last arrival (default: "
        f"{DEFAULT_GIVE_UP_S:g}; with --find-peak the time of the slowest objective, which they have missed by then)",
    )
    goal = parser.add_argument_group("objective")
    goal.add_argument(
        "--slo",
        action="append",
        default=[],
        metavar="pNN=TIME",
        help="an objective, such as p95=4s, p99=800ms, or ttfa:p50=2s for the time to first audio. It is held when "
        "that share of all measured requests ended well within the time; may be repeated",
    )
    goal.add_argument(
        "--find-peak",
        action="store_true",
        help="search the highest rate that holds every --slo: doubles or halves from --rate until one rate holds and "
        "another does not, then halves the bracket. Each rate tried is a trial (or --repeats trials) of the report",
    )
    goal.add_argument(
        "--tolerance",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="end the search when the bracket is narrower than this (default: 0.05)",
    )
    goal.add_argument(
        "--most-probes", type=int, default=12, metavar="N", help="rates that the search tries at most (default: 12)"
    )
    result = parser.add_argument_group("result")
    result.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for report, plots, record and samples (default: reports/load-TIME)",
    )
    result.add_argument(
        "--samples",
        default="samples.jsonl",
        metavar="NAME",
        help="name of the file of raw samples there: .jsonl or .parquet (default: samples.jsonl)",
    )
    add_connect_options(parser, "load the relay that `serve` keeps up there, instead of starting one", required=False)
    add_config_options(parser)
