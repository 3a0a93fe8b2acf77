"""The middle of a run at saturation: its queues have filled, and do not run empty yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Mark(NamedTuple):
    """A moment of a run, its beginning or the end of a request: when it was, and the CPU seconds used until then."""

    at_s: float
    cpu_s: float


class SteadyState(NamedTuple):
    """Requests per second, and cores in use on average."""

    rps: float
    cores: float


def length(requests: int, in_flight: int) -> int:
    """How many requests a closed loop of so many callers has to send so that `requests` of them end in its middle."""
    return in_flight // 2 + requests + in_flight


def middle(marks: Sequence[Mark], in_flight: int) -> SteadyState:
    """What a closed loop did from when as many requests as half of its callers had ended until the last was sent.

    Args:
        marks: the beginning, and every end in the order of time; more of them than 1.5 times the callers.
        in_flight: the callers.
    """
    first, last = in_flight // 2, len(marks) - 1 - in_flight
    passed_s = marks[last].at_s - marks[first].at_s
    return SteadyState((last - first) / passed_s, (marks[last].cpu_s - marks[first].cpu_s) / passed_s)
