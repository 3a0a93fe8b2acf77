"""Histograms that are written often and read seldom."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

SHORTEST_S, LONGEST_S, STEPS = 0.005, 120.0, 18
MAX_ID = 128 - len("request_id")  # OpenMetrics limits the characters of an exemplar's labels
Bucket = tuple[str, float] | tuple[str, float, Exemplar]


def second_edges(objectives_s: Iterable[float]) -> tuple[float, ...]:
    """Returns upper bucket edges in seconds: evenly spaced on a log scale, and one on each objective.

    The edge on an objective makes the share of observations within it exact.
    """
    factor = LONGEST_S / SHORTEST_S
    spaced = (float(f"{SHORTEST_S * factor ** (step / STEPS):.3g}") for step in range(STEPS + 1))
    return tuple(sorted({*spaced, *map(float, objectives_s)}))


class Histogram:
    """Counts observations by bucket, with their sum and the latest request seen in each bucket.

    One thread uses it, so that an observation needs neither a lock nor a look-up of labels; the histograms of
    prometheus-client cost several times as much (benchmarks/relay/metrics_cost.py measures the cost of this one).
    """

    __slots__ = ("_counts", "_edges", "_latest", "_sum")

    def __init__(self, edges: Sequence[float]) -> None:
        """Starts empty. `edges` are the upper edges of the buckets; a last one without an edge is added."""
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)
        self._latest: list[tuple[str, float, float] | None] = [None] * (len(edges) + 1)
        self._sum = 0.0

    def observe(self, value: float, request: str = "", at: float = 0.0) -> None:
        """Counts a value of a request at a monotonic time."""
        bucket = bisect_left(self._edges, value)  # a value on an edge is within it
        self._counts[bucket] += 1
        self._sum += value
        if request:
            self._latest[bucket] = (request, value, at)

    def buckets(self, clock_offset_s: float) -> list[Bucket]:
        """Returns cumulative counts by upper edge, with exemplars; the offset turns monotonic times into Unix times."""
        edges = (*map(floatToGoString, self._edges), "+Inf")
        return [
            (edge, count, *_exemplar(latest, clock_offset_s))
            for edge, count, latest in zip(edges, accumulate(self._counts), self._latest, strict=True)
        ]

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum


def _exemplar(latest: tuple[str, float, float] | None, clock_offset_s: float) -> tuple[()] | tuple[Exemplar]:
    if latest is None or len(latest[0]) > MAX_ID:
        return ()
    request, value, at = latest
    return (Exemplar({"request_id": request}, value, round(at + clock_offset_s, 3)),)
