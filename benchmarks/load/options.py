"""The command line of the load generator."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import fill

from benchmarks.load.arrivals import Arrival, Arrivals, Bound, Closed, Ramp, Replay, parse_arrivals
from benchmarks.load.driver import WarmUp
from benchmarks.load.figures import LAG_RULE
from benchmarks.load.objective import Objective
from benchmarks.load.samples import check_suffix
from benchmarks.load.statistics import samples_needed
from checkout import ROOT
from commands.options import add_config_options, add_connect_options
from errors import ConfigError

SECONDS = 60.0
GIVE_UP_S = 60.0

DESCRIPTION = f"""\
Loads a relay and writes a report: one HTML file with its plots beside it, and every raw sample.

The load is an open loop: the arrival times are drawn in advance from a seed, and every request is sent at its time,
however the relay fares, without a cap on how many are on their way. Latency counts from when a request was to be sent,
so that a pause of the relay, or of the generator, shows in everybody who would have come meanwhile. A rejected request
is an outcome and is not sent again. Requests are sent by a process of their own.

{fill(LAG_RULE[0].upper() + LAG_RULE[1:], 120)}.

Arrivals:
  poisson         independent users: exponential gaps (the default)
  constant        equal gaps
  burst[:SIZE]    SIZE at the same moment, the bursts evenly spaced
  ramp:RATE       Poisson, from --rate at the beginning to RATE at the end
  replay:FILE     a CSV file with a column at_s (seconds) and, if wanted, clip; --rate stretches it
  closed:CALLERS  no arrivals: each caller waits for an answer before it asks again. Such a load slows down with the
                  relay and cannot see its pauses; use it for throughput, not for latency
"""
EPILOG = """\
examples:
  relevo load --config pipelines/offline.yaml --ratio 1:1:2 --rate 0.2 --requests 60 --slo p95=12s
  relevo load --config pipelines/offline.yaml --rate 0.05 0.1 0.15 0.2 --requests 60 --warm-up 5
  relevo load --connect ADDRESS --find-peak --rate 0.1 --requests 60 --slo p95=12s samples/*.flac
  relevo compare reports/ONE reports/OTHER

Exit status: 0 all well, 1 an objective was missed, nothing ended well or the relay failed, 2 wrong usage or
configuration, 3 the run is invalid because the generator could not keep its schedule, 130 interrupted. Trials that were
over before an interrupt or a failure are reported.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for, checked."""

    arrivals: Arrivals | Closed
    rates: list[float]
    bound: Bound
    warm_up: WarmUp
    objectives: list[Objective]
    repeats: int
    seed: int
    give_up_s: float
    find_peak: bool
    tolerance: float
    most_probes: int
    files: list[Path]
    output: Path
    samples: str
    text: str  # the arrivals in words

    def schedule(self, rate: float, seed: int) -> list[Arrival]:
        """The arrivals of one trial; none for a closed loop.

        Raises:
            ConfigError: they are too few for an objective, or all belong to the warm-up.
        """
        if isinstance(self.arrivals, Closed):
            return []
        drawn = self.arrivals.draw(rate, self.bound, seed)
        measured = sum(not self.warm_up.covers(number, arrival.at_s) for number, arrival in enumerate(drawn))
        self._check_enough(measured, f"{rate:g} requests/s")
        return drawn

    def _check_enough(self, measured: int, where: str) -> None:
        needed = max([1, *(samples_needed(objective.quantile) for objective in self.objectives)])
        if measured * self.repeats < needed:
            raise ConfigError(
                f"{measured * self.repeats} requests would be measured at {where}, and {needed} are needed; "
                "raise --requests, --seconds or --repeats, or lower --warm-up"
            )


def add_arguments(made: argparse.ArgumentParser) -> None:
    """Adds the arguments of the load generator."""
    made.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="recordings to send (default: samples/*.flac)"
    )
    load = made.add_argument_group("load")
    load.add_argument("--arrivals", default="poisson", metavar="KIND", help="see above (default: poisson)")
    load.add_argument(
        "--rate",
        nargs="+",
        type=float,
        default=[],
        metavar="R",
        help="requests per second; several are run in turn (name FILEs before it)",
    )
    load.add_argument("--requests", type=int, metavar="N", help="end a trial after so many requests")
    load.add_argument(
        "--seconds", type=float, metavar="S", help=f"end a trial's arrivals after so long (default: {SECONDS:g})"
    )
    load.add_argument(
        "--warm-up",
        default="0",
        metavar="N|Ss",
        help="leave out the first N requests, or those of S seconds: 10, 30s",
    )
    load.add_argument("--repeats", type=int, default=1, metavar="N", help="trials of each rate, each with its own seed")
    load.add_argument("--seed", type=int, default=0, help="of arrivals and of the order of the recordings (default: 0)")
    load.add_argument(
        "--give-up",
        type=float,
        metavar="S",
        help="cancel what has not ended so long after the last arrival; it counts as cancelled (default: "
        f"{GIVE_UP_S:g}; with --find-peak the time of the objective, after which a request has missed it anyway)",
    )
    goal = made.add_argument_group("objective")
    goal.add_argument(
        "--slo",
        action="append",
        default=[],
        metavar="pNN=TIME",
        help="what to hold, such as p95=4s, p99=800ms, or ttfa:p50=2s for the time to first audio. It is held when "
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
        help="end the search when the bracket is this narrow (0.05)",
    )
    goal.add_argument("--most-probes", type=int, default=12, metavar="N", help="rates to try at most (12)")
    result = made.add_argument_group("result")
    result.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for report, plots, record and samples (default: reports/load-TIME)",
    )
    result.add_argument(
        "--samples", default="samples.jsonl", metavar="NAME", help="file of the raw samples there: .jsonl or .parquet"
    )
    add_connect_options(made, "load the relay that `serve` keeps up there, instead of starting one", required=False)
    add_config_options(made)


def asked(parsed: argparse.Namespace) -> Asked:
    """Checks what was asked before anything is started.

    Raises:
        ConfigError: an argument is wrong, or two do not go together.
    """
    check_suffix(Path(parsed.samples))
    arrivals = parse_arrivals(parsed.arrivals)
    objectives = [Objective.parse(text) for text in parsed.slo]
    for name, value, least in (
        ("--requests", parsed.requests, 1),
        ("--repeats", parsed.repeats, 1),
        ("--most-probes", parsed.most_probes, 1),
        ("--seed", parsed.seed, 0),
    ):
        if value is not None and value < least:
            raise ConfigError(f"{name} {value}: {least} is the least")
    for name, value in (
        ("--seconds", parsed.seconds),
        ("--tolerance", parsed.tolerance),
        ("--give-up", parsed.give_up),
    ):
        if value is not None and not 0 < value < float("inf"):
            raise ConfigError(f"{name} {value:g}: it must be a positive number")
    files = parsed.files or sorted((ROOT / "samples").glob("*.flac"))
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise ConfigError(f"there is no file {', '.join(missing)}; pass recordings")
    slowest_s = max((one.bound_s for one in objectives), default=GIVE_UP_S)
    made = Asked(
        arrivals=arrivals,
        rates=_rates(parsed, arrivals, objectives),
        bound=_bound(parsed, arrivals),
        warm_up=_warm_up(parsed.warm_up),
        objectives=objectives,
        repeats=parsed.repeats,
        seed=parsed.seed,
        give_up_s=parsed.give_up or (slowest_s if parsed.find_peak else GIVE_UP_S),
        find_peak=parsed.find_peak,
        tolerance=parsed.tolerance,
        most_probes=parsed.most_probes,
        files=[file.resolve() for file in files],
        output=parsed.output or ROOT / "reports" / f"load-{datetime.now():%Y%m%d-%H%M%S}",
        samples=parsed.samples,
        text=f"replay:{Path(parsed.arrivals).name}" if isinstance(arrivals, Replay) else parsed.arrivals,
    )
    for rate in made.rates:
        made.schedule(rate, made.seed)


def _rates(parsed: argparse.Namespace, arrivals: Arrivals | Closed, objectives: list[Objective]) -> list[float]:
    if any(not 0 < rate < float("inf") for rate in parsed.rate):
        raise ConfigError(
            f"--rate {' '.join(f'{rate:g}' for rate in parsed.rate)}: rates are positive requests per second"
        )
    if isinstance(arrivals, Closed) and parsed.rate:
        raise ConfigError("--rate: a closed loop has no rate, it is as fast as the relay; leave it out")
    if parsed.find_peak:
        if isinstance(arrivals, Closed | Ramp):
            raise ConfigError(f"--find-peak: there is no rate to search in --arrivals {parsed.arrivals}; use poisson")
        if not objectives:
            raise ConfigError("--find-peak: say what the rate is to hold, such as --slo p95=4s")
        if len(parsed.rate) != 1:
            raise ConfigError("--find-peak: say where to begin, with one --rate")
    if not parsed.rate and not isinstance(arrivals, Closed | Replay):
        raise ConfigError("how many requests per second? pass --rate, such as --rate 0.2")
    if not parsed.rate and isinstance(arrivals, Replay):
        return [arrivals.rate]
    return parsed.rate or [0.0]


def _bound(parsed: argparse.Namespace, arrivals: Arrivals | Closed) -> Bound:
    if parsed.requests is None and parsed.seconds is None and not isinstance(arrivals, Replay):
        return Bound(seconds=SECONDS)
    return Bound(parsed.requests, parsed.seconds)


def _warm_up(text: str) -> WarmUp:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s|(\d+)", text)
    if match is None:
        raise ConfigError(f"--warm-up {text!r}: write a number of requests, such as 10, or of seconds, such as 30s")
    return WarmUp(seconds=float(match[1])) if match[1] else WarmUp(requests=int(match[2]))
