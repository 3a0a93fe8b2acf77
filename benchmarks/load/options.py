"""The options of a load test, checked before anything is started."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.load.arguments import DEFAULT_GIVE_UP_S, DEFAULT_SECONDS
from benchmarks.load.figures.objective import Objective
from benchmarks.load.figures.samples import check_suffix
from benchmarks.load.figures.statistics import samples_needed
from benchmarks.load.formatting import duration_text
from benchmarks.load.sending.arrivals import Arrival, Arrivals, Bound, ClosedLoop, Ramp, Replay, parse_arrivals
from benchmarks.load.sending.driver import WarmUp
from checkout import ROOT
from commands.options import check_relay_options
from errors import ConfigError

LONGEST_TRIAL_S = 7 * 24 * 3600.0
MOST_REQUESTS = 1_000_000  # of one trial


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """A load test as the command line asks for it. `arrivals_text` names the arrival process."""

    arrivals: Arrivals | ClosedLoop
    arrivals_text: str
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

    def schedule(self, rate: float, seed: int) -> list[Arrival]:
        """Draws the arrivals of one trial; none for a closed loop.

        Raises:
            ConfigError: they are too few for an objective, all belong to the warm-up, or the trial would be too long.
        """
        if isinstance(self.arrivals, ClosedLoop):
            return []
        one_too_many = min(self.bound.requests or math.inf, MOST_REQUESTS + 1)
        drawn = self.arrivals.draw(rate, Bound(int(one_too_many), self.bound.seconds), seed)
        self._check_size(rate, drawn)
        measured = sum(not self.warm_up.covers(number, arrival.at_s) for number, arrival in enumerate(drawn))
        self._check_enough(rate, measured)
        return drawn

    def _check_size(self, rate: float, drawn: list[Arrival]) -> None:
        if len(drawn) > MOST_REQUESTS:
            raise ConfigError(
                f"{rate:g} requests/s: a trial would have more than {MOST_REQUESTS:,} requests; "
                "lower --rate, --requests or --seconds"
            )
        if drawn and drawn[-1].at_s > LONGEST_TRIAL_S:
            raise ConfigError(
                f"{rate:g} requests/s: the last of {len(drawn)} requests would be sent after "
                f"{duration_text(drawn[-1].at_s)}, and a trial may last {duration_text(LONGEST_TRIAL_S)} at most; "
                "raise --rate or lower --requests"
            )

    def _check_enough(self, rate: float, measured: int) -> None:
        needed = max([1, *(samples_needed(objective.quantile) for objective in self.objectives)])
        if measured * self.repeats < needed:
            raise ConfigError(
                f"{measured * self.repeats} requests would be measured at {rate:g} requests/s, and {needed} are "
                "needed; raise --requests, --seconds or --repeats, or lower --warm-up"
            )


def load_options(parsed: argparse.Namespace) -> LoadOptions:
    """Checks the arguments of `relevo load`.

    Raises:
        ConfigError: an argument is wrong, or two do not go together.
    """
    check_relay_options(parsed)
    check_suffix(Path(parsed.samples))
    arrivals = parse_arrivals(parsed.arrivals)
    objectives = [Objective.parse(text) for text in parsed.slo]
    _check_numbers(parsed)
    files = parsed.files or sorted((ROOT / "samples").glob("*.flac"))
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise ConfigError(f"there is no file {', '.join(missing)}; pass recordings")
    slowest_s = max((one.bound_s for one in objectives), default=DEFAULT_GIVE_UP_S)
    options = LoadOptions(
        arrivals=arrivals,
        arrivals_text=f"replay:{Path(parsed.arrivals).name}" if isinstance(arrivals, Replay) else parsed.arrivals,
        rates=_rates(parsed, arrivals, objectives),
        bound=_bound(parsed, arrivals),
        warm_up=_warm_up(parsed.warm_up),
        objectives=objectives,
        repeats=parsed.repeats,
        seed=parsed.seed,
        give_up_s=parsed.give_up or (slowest_s if parsed.find_peak else DEFAULT_GIVE_UP_S),
        find_peak=parsed.find_peak,
        tolerance=parsed.tolerance,
        most_probes=parsed.most_probes,
        files=[file.resolve() for file in files],
        output=parsed.output or Path("reports") / f"load-{datetime.now():%Y%m%d-%H%M%S}",
        samples=parsed.samples,
    )
    for rate in options.rates:
        options.schedule(rate, options.seed)
    return options


def _check_numbers(parsed: argparse.Namespace) -> None:
    for name, count, least in (
        ("--requests", parsed.requests, 1),
        ("--repeats", parsed.repeats, 1),
        ("--most-probes", parsed.most_probes, 1),
        ("--seed", parsed.seed, 0),
    ):
        if count is not None and count < least:
            raise ConfigError(f"{name} {count}: it must be {least} or more")
    for name, number, most in (
        ("--seconds", parsed.seconds, LONGEST_TRIAL_S),
        ("--tolerance", parsed.tolerance, math.inf),
        ("--give-up", parsed.give_up, LONGEST_TRIAL_S),
    ):
        if number is not None and not 0 < number < math.inf:
            raise ConfigError(f"{name} {number:g}: it must be a positive number")
        if number is not None and number > most:
            raise ConfigError(f"{name} {number:g}: a trial may last {most:g} s at most ({duration_text(most)})")


def _rates(parsed: argparse.Namespace, arrivals: Arrivals | ClosedLoop, objectives: list[Objective]) -> list[float]:
    rates: list[float] = parsed.rate
    if any(not 0 < rate < math.inf for rate in rates):
        raise ConfigError(f"--rate {' '.join(f'{rate:g}' for rate in rates)}: rates are positive requests per second")
    if isinstance(arrivals, ClosedLoop) and rates:
        raise ConfigError("--rate: a closed loop has no rate, it is as fast as the relay; leave it out")
    if parsed.find_peak:
        if isinstance(arrivals, ClosedLoop | Ramp):
            raise ConfigError(f"--find-peak: there is no rate to search in --arrivals {parsed.arrivals}; use poisson")
        if not objectives:
            raise ConfigError("--find-peak: name the objective that the rate is to hold, such as --slo p95=4s")
        if len(rates) != 1:
            raise ConfigError("--find-peak: name the rate to begin with, with one --rate")
    if not rates and isinstance(arrivals, Replay):
        return [arrivals.rate]
    if not rates and not isinstance(arrivals, ClosedLoop):
        raise ConfigError("no rate was given: pass --rate, in requests per second, such as --rate 0.2")
    return rates or [0.0]


def _bound(parsed: argparse.Namespace, arrivals: Arrivals | ClosedLoop) -> Bound:
    if parsed.requests is None and parsed.seconds is None and not isinstance(arrivals, Replay):
        return Bound(seconds=DEFAULT_SECONDS)
    return Bound(parsed.requests, parsed.seconds)


def _warm_up(text: str) -> WarmUp:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s|(\d+)", text)
    if match is None:
        raise ConfigError(f"--warm-up {text!r}: write a number of requests, such as 10, or of seconds, such as 30s")
    return WarmUp(seconds=float(match[1])) if match[1] else WarmUp(requests=int(match[2]))
