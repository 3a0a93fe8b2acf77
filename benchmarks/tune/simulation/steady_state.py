"""The steady state of a run at saturation: after its queues have filled and before they run empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Mark(NamedTuple):
    """The beginning of a run or the good end of a request: when it was, and the CPU seconds used until then."""

    at_s: float
    cpu_s: float


class SteadyState(NamedTuple):
    """Requests per second, and cores in use on average."""

    rps: float
    cores: float


def run_length(requests: int, in_flight: int) -> int:
    """Returns how many requests a closed loop must send so that `requests` of them end in its steady state."""
    return in_flight // 2 + requests + in_flight


def steady_state(marks: Sequence[Mark], in_flight: int) -> SteadyState:
    """Computes the steady state of a closed loop.

    It lasts from when half as many requests as callers have ended until the last request is sent.

    Args:
        marks: the beginning, and every good end in the order of time; more of them than 1.5 times the callers.
        in_flight: the callers.
    """
    first, last = in_flight // 2, len(marks) - 1 - in_flight
    passed_s = marks[last].at_s - marks[first].at_s
    return SteadyState((last - first) / passed_s, (marks[last].cpu_s - marks[first].cpu_s) / passed_s)
