"""The search for the peak: the highest rate that holds the objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

STEP = 2.0  # factor between rates until one rate holds and another does not


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest rate that held, and the lowest that did not; None where there was no such rate."""

    held: float | None
    missed: float | None
    probes: int


def find_peak(holds: Callable[[float], bool], begin: float, *, tolerance: float = 0.05, most_probes: int = 12) -> Peak:
    """Brackets the peak by doubling or halving, then halves the bracket.

    The search ends when the bracket is narrower than the tolerance, or when the probes are used up. A rate that holds
    above one that missed, which may happen by chance, is never probed.

    Args:
        holds: tries a rate in requests per second, and tells whether it holds.
        begin: the rate to try first.
        tolerance: how far apart the two ends of the bracket may be, as a share of the lower one.
        most_probes: how many rates to try at most.
    """
    held: float | None = None
    missed: float | None = None
    rate = begin
    for probes in range(1, most_probes + 1):
        if holds(rate):
            held = rate
        else:
            missed = rate
        if held is None:
            rate = rate / STEP
        elif missed is None:
            rate = rate * STEP
        elif missed <= held * (1 + tolerance):
            return Peak(held, missed, probes)
        else:
            rate = (held + missed) / 2
    return Peak(held, missed, most_probes)
