"""The search for the highest rate that holds the objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

STEP = 2.0  # by which the rate grows or falls until one holds and another does not


@dataclass(frozen=True, slots=True)
class Peak:
    """What the search found: the highest rate that held, and the lowest that did not (None: none was found)."""

    held: float | None
    missed: float | None
    probes: int


def find_peak(holds: Callable[[float], bool], begin: float, *, tolerance: float = 0.05, most_probes: int = 12) -> Peak:
    """Brackets the peak by doubling or halving, then halves the bracket.

    It ends when the bracket is as narrow as asked, or when the probes are used up: then it is as narrow as they
    made it. A rate that holds above one that missed, which chance may bring about, is never probed.

    Args:
        holds: tries a rate, in requests per second, for as long as it takes.
        begin: the rate to try first.
        tolerance: how far apart, as a share, the two ends of the bracket may be.
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
