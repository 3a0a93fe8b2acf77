from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.load.figures.statistics import TooFewSamples, difference, percentile, percentile_figure, samples_needed

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@given(VALUES, st.floats(0, 0.98))
def test_percentiles_are_those_of_numpy(values, quantile):
    assert percentile(values, quantile) == np.quantile(values, quantile)


@settings(max_examples=30)
@given(VALUES)
def test_an_interval_is_made_of_the_samples_and_holds_their_median(values):
    figure = percentile_figure(values, 0.5)
    assert figure.n == len(values)
    assert min(values) <= figure.low <= figure.high <= max(values)


def test_p99_is_refused_below_a_thousand_samples():
    with pytest.raises(TooFewSamples, match="it needs 1000"):
        percentile(range(999), 0.99)
    with pytest.raises(TooFewSamples):
        percentile_figure(range(9_999), 0.999)
    assert percentile(range(1000), 0.99) == np.quantile(range(1000), 0.99)
    assert samples_needed(0.95) == 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(100):
        figure = percentile_figure(generator.exponential(size=300), 0.5)
        covered += figure.low <= np.log(2) <= figure.high
    assert 88 <= covered <= 100  # 95 % says the interval; three standard deviations of a binomial count below


def test_neighbours_that_wait_together_widen_the_interval():
    generator = np.random.default_rng(7)
    alone = generator.exponential(size=400)
    together = np.repeat(generator.exponential(size=20), 20)  # twenty queues of twenty, as many samples
    assert width(together) > 2 * width(alone)


def width(values):
    figure = percentile_figure(values, 0.5)
    return figure.high - figure.low


def test_a_difference_that_is_there_is_told_from_one_that_is_not():
    generator = np.random.default_rng(7)
    before, alike, slower = (generator.exponential(size=500) + late for late in (0.0, 0.0, 1.0))

    def median(values):
        return np.quantile(values, 0.5, axis=-1)

    same, other = difference(before, alike, median), difference(before, slower, median)
    assert same.low < 0 < same.high
    assert 0 < other.low < 1 < other.high
