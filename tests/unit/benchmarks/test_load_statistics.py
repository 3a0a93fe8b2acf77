from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.load.figures.statistics import (
    TooFewSamples,
    difference,
    independent_needed,
    independent_samples,
    percentile,
    percentile_estimate,
    samples_needed,
)

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@given(VALUES, st.floats(0, 0.98))
def test_percentiles_are_those_of_numpy(values, quantile):
    assert percentile(values, quantile) == np.quantile(values, quantile)


@settings(max_examples=30)
@given(VALUES)
def test_an_interval_lies_within_the_samples_and_contains_its_value(values):
    estimate = percentile_estimate(values, 0.5)
    assert estimate.n == len(values)
    assert min(values) <= estimate.low <= estimate.high <= max(values)


def test_p99_is_refused_below_a_thousand_samples():
    with pytest.raises(TooFewSamples, match="it needs 1000"):
        percentile(range(999), 0.99)
    with pytest.raises(TooFewSamples):
        percentile_estimate(range(9_999), 0.999)
    assert percentile(range(1000), 0.99) == np.quantile(range(1000), 0.99)
    assert samples_needed(0.95) == 1


def test_the_interval_covers_the_truth_about_as_often_as_claimed():
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(100):
        estimate = percentile_estimate(generator.exponential(size=300), 0.5)
        covered += estimate.low <= np.log(2) <= estimate.high
    assert 88 <= covered <= 100  # 95 % says the interval; three standard deviations of a binomial count below


def test_neighbours_that_wait_together_widen_the_interval():
    generator = np.random.default_rng(7)
    alone = generator.exponential(size=400)
    together = np.repeat(generator.exponential(size=20), 20)  # twenty queues of twenty, as many samples
    assert width(together) > 2 * width(alone)


def width(values):
    estimate = percentile_estimate(values, 0.5)
    return estimate.high - estimate.low


def test_a_difference_that_is_there_is_told_from_one_that_is_not():
    generator = np.random.default_rng(7)
    before, alike, slower = (generator.exponential(size=500) + late for late in (0.0, 0.0, 1.0))

    def median(values):
        return np.quantile(values, 0.5, axis=-1)

    same, other = difference(before, alike, median), difference(before, slower, median)
    assert same.low < 0 < same.high
    assert 0 < other.low < 1 < other.high


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 20), (0.9, 36), (0.95, 72), (0.99, 368)])
def test_a_comparison_needs_enough_samples_to_enclose_the_quantile(quantile, needed):
    assert independent_needed(quantile) == needed


def test_samples_that_follow_from_one_another_count_as_few():
    generator = np.random.default_rng(7)
    noise = generator.normal(size=4000)
    related = np.zeros(4000)
    for number in range(1, 4000):
        related[number] = 0.9 * related[number - 1] + noise[number]
    assert independent_samples(noise) == pytest.approx(4000, rel=0.2)
    assert independent_samples(related) == pytest.approx(4000 * (1 - 0.9) / (1 + 0.9), rel=0.3)  # of an AR(1) process


@given(VALUES)
def test_independent_samples_are_no_more_than_there_are(values):
    assert 0 < independent_samples(values) <= len(values)


def test_samples_that_are_all_alike_are_all_counted():
    assert independent_samples([1.0] * 30) == 30
    assert independent_samples([]) == 0
