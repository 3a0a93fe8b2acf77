"""Arrival processes: when requests come, drawn in advance from a seed."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.load.sending.trace import read_trace
from errors import ConfigError

BURST = 8  # requests that `burst` sends at once by default
GAPS_DRAWN_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Arrival:
    """One scheduled request: seconds from the beginning, and the clip that a trace asks for (empty: any)."""

    at_s: float
    clip: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """The end of a schedule: after so many requests, or so many seconds, whichever comes first."""

    requests: int | None = None
    seconds: float | None = None

    def cut(self, arrivals: Iterator[Arrival]) -> list[Arrival]:
        """Returns the arrivals within the bound."""
        seconds = math.inf if self.seconds is None else self.seconds
        return list(itertools.islice(itertools.takewhile(lambda one: one.at_s < seconds, arrivals), self.requests))


class Arrivals(ABC):
    """An open-loop arrival process: requests come at their times, whatever the relay does."""

    @abstractmethod
    def draw(self, rate: float, bound: Bound, seed: int) -> list[Arrival]:
        """Draws a schedule in ascending order; the same seed gives the same schedule.

        Args:
            rate: mean requests per second.
            bound: the end of the schedule.
            seed: of every random choice.

        Raises:
            ConfigError: the process cannot be drawn with these arguments.
        """


@dataclass(frozen=True, slots=True)
class Constant(Arrivals):
    """One request every 1 ÷ rate seconds."""

    def draw(self, rate: float, bound: Bound, seed: int) -> list[Arrival]:
        """Draws as Arrivals says; nothing is random."""
        return bound.cut(Arrival(number / rate) for number in itertools.count())


@dataclass(frozen=True, slots=True)
class Poisson(Arrivals):
    """Independent users: exponential gaps of mean 1 ÷ rate."""

    def draw(self, rate: float, bound: Bound, seed: int) -> list[Arrival]:
        """Draws as Arrivals says."""
        return bound.cut(Arrival(at / rate) for at in _unit_poisson(seed))


@dataclass(frozen=True, slots=True)
class Burst(Arrivals):
    """`size` requests at the same moment; the bursts are evenly spaced so that the mean is the rate."""

    size: int = BURST

    def draw(self, rate: float, bound: Bound, seed: int) -> list[Arrival]:
        """Draws as Arrivals says; nothing is random."""
        return bound.cut(Arrival(number // self.size * self.size / rate) for number in itertools.count())


@dataclass(frozen=True, slots=True)
class Ramp(Arrivals):
    """A Poisson process whose rate changes in a straight line from the rate at the beginning to `end_rate`."""

    end_rate: float

    def draw(self, rate: float, bound: Bound, seed: int) -> list[Arrival]:
        """Draws as Arrivals says; the bound must be in seconds.

        A unit Poisson process is put through the inverse of the expected count Λ(t) = rate·t + slope·t²/2 (Çinlar,
        Introduction to Stochastic Processes, 1975: the time change of a non-homogeneous Poisson process).
        """
        if bound.seconds is None:
            raise ConfigError(f"--arrivals ramp:{self.end_rate:g} needs a length for its ramp; pass --seconds")
        slope = (self.end_rate - rate) / bound.seconds
        expected = (rate + self.end_rate) / 2 * bound.seconds

        def at_s(count: float) -> float:  # the root of Λ(t) = count that also holds for a slope of 0
            return 2 * count / (rate + math.sqrt(max(0.0, rate * rate + 2 * slope * count)))

        counts = itertools.takewhile(lambda count: count < expected, _unit_poisson(seed))
        return bound.cut(Arrival(at_s(count)) for count in counts)


@dataclass(frozen=True, slots=True)
class Replay(Arrivals):
    """The arrivals of a trace, with their recorded gaps, or stretched so that their mean is the rate."""

    trace: tuple[Arrival, ...]

    @classmethod
    def read(cls, path: Path) -> Replay:
        """Reads a trace and counts its times from the first; see `read_trace`.

        Raises:
            ConfigError: the file is no trace.
        """
        rows = sorted(read_trace(path), key=lambda row: row[0])
        origin = rows[0][0]
        return cls(tuple(Arrival(at_s - origin, clip) for at_s, clip in rows))

    @property
    def rate(self) -> float:
        """Mean requests per second as recorded; 0 when all came at once."""
        last_s = self.trace[-1].at_s
        return (len(self.trace) - 1) / last_s if last_s else 0.0

    def draw(self, rate: float, bound: Bound, seed: int) -> list[Arrival]:
        """Draws as Arrivals says; nothing is random. A rate of 0 keeps the recorded times."""
        stretch = self.rate / rate if rate else 1.0
        return bound.cut(Arrival(one.at_s * stretch, one.clip) for one in self.trace)


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """A closed loop of `callers`, each of whom waits for an answer before asking again.

    A closed loop is no arrival process. It hides pauses of the relay, because nobody asks during one (coordinated
    omission).
    """

    callers: int


def parse_arrivals(text: str) -> Arrivals | ClosedLoop:
    """Reads ``poisson``, ``constant``, ``burst[:SIZE]``, ``ramp:RATE``, ``replay:FILE`` or ``closed:CALLERS``.

    Raises:
        ConfigError: the text is none of these.
    """
    kind, _, argument = text.partition(":")
    match kind:
        case "poisson" if not argument:
            return Poisson()
        case "constant" if not argument:
            return Constant()
        case "burst":
            return Burst(_count(text, argument) if argument else BURST)
        case "ramp":
            return Ramp(_rate(text, argument))
        case "replay" if argument:
            return Replay.read(Path(argument))
        case "closed":
            return ClosedLoop(_count(text, argument))
    raise ConfigError(
        f"--arrivals {text!r} is not known; "
        "use poisson, constant, burst[:SIZE], ramp:RATE, replay:FILE or closed:CALLERS"
    )


def _count(text: str, argument: str) -> int:
    if not argument.isdecimal() or int(argument) < 1:
        raise ConfigError(f"--arrivals {text!r}: after the colon, write how many, 1 or more")
    return int(argument)


def _rate(text: str, argument: str) -> float:
    try:
        rate = float(argument)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate >= 0):
        raise ConfigError(f"--arrivals {text!r}: after the colon, write the rate at the end, in requests per second")
    return rate


def _unit_poisson(seed: int) -> Iterator[float]:
    """Yields the arrival times of a Poisson process of one request per second."""
    generator, at = np.random.default_rng(seed), 0.0
    while True:
        for gap in generator.exponential(size=GAPS_DRAWN_AT_ONCE):
            at += float(gap)
            yield at
