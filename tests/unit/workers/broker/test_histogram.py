from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from workers.broker.histogram import LONGEST_S, MAX_ID, SHORTEST_S, Histogram, second_edges


def test_edges_are_evenly_spaced_on_a_log_scale_with_one_on_each_objective():
    edges = second_edges([])
    assert (edges[0], edges[-1]) == (SHORTEST_S, LONGEST_S)
    ratios = [after / before for before, after in itertools.pairwise(edges)]
    assert max(ratios) / min(ratios) < 1.02
    assert {4.0, 0.3} <= set(second_edges([4, 0.3, 120]))
    assert len(second_edges([4, 0.3, 120])) == len(edges) + 2


@given(st.lists(st.floats(0, 1000), max_size=50))
def test_every_value_is_counted_from_the_first_edge_that_is_not_below_it(values):
    histogram = Histogram((0.1, 1.0, 10.0))
    for value in values:
        histogram.observe(value)
    counts = {edge: count for edge, count, *_ in histogram.buckets(0.0)}
    assert counts == {
        edge: sum(value <= float(edge.replace("+Inf", "inf")) for value in values)
        for edge in ("0.1", "1.0", "10.0", "+Inf")
    }
    assert math.isclose(histogram.sum, sum(values))


def test_a_bucket_shows_the_latest_request_that_fell_into_it():
    histogram = Histogram((1.0,))
    histogram.observe(0.5, "first", 1.0)
    histogram.observe(0.6, "second", 2.0)
    histogram.observe(7.0, "x" * (MAX_ID + 1), 3.0)  # longer than OpenMetrics allows
    (low, high) = histogram.buckets(100.0)
    assert low[2] == ({"request_id": "second"}, 0.6, 102.0)
    assert len(high) == 2
