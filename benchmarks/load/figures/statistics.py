"""Exact percentiles of raw samples, how sure they are, and how many samples a comparison needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
RESAMPLES = 1000
VALUES_AT_ONCE = 2_000_000  # in all resamples held together: a long run must not take the machine's memory
CONFIDENCE = 0.95
TAIL_FROM = 0.99  # percentiles from here on are refused …
TAIL_SAMPLES = 10  # … unless so many samples are expected beyond them
FEWEST_INDEPENDENT = 20  # below this the bootstrap finds differences where there are none


class TooFewSamples(ValueError):
    """A percentile so far out that the samples do not reach it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic of `n` samples with its bootstrap interval of 95 %, from `low` to `high`."""

    value: float
    low: float
    high: float
    n: int


def samples_needed(quantile: float) -> int:
    """Returns how many samples a quantile in [0, 1] needs: 1,000 for p99, 10,000 for p99.9, and 1 below p99."""
    return math.ceil(TAIL_SAMPLES / (1 - quantile) - 1e-6) if quantile >= TAIL_FROM else 1


def independent_needed(quantile: float) -> int:
    """Returns how many independent samples a quantile in (0, 1) needs before two runs can be compared by it.

    That is the number from which the smallest and the largest sample enclose the quantile with 97.5 % certainty on
    either side (36 for p90, 72 for p95), and never less than FEWEST_INDEPENDENT.
    """
    enclosing = math.log((1 - CONFIDENCE) / 2) / math.log(max(quantile, 1 - quantile))
    return max(FEWEST_INDEPENDENT, math.ceil(enclosing))


def independent_samples(values: Sequence[float]) -> float:
    """Estimates how many independent samples say as much as these, which are in the order of their requests.

    Requests that are near in time wait in the same queue, so that a thousand of them near saturation may say as much
    as forty. The number is n ÷ the integrated autocorrelation time, which sums the autocorrelations of pairs of lags
    while these are positive (initial positive sequence: Geyer, Practical Markov Chain Monte Carlo, 1992).
    """
    data = np.asarray(values, float)
    n = len(data)
    centred = data - data.mean() if n else data
    if not centred.any():
        return float(n)
    spectrum = np.fft.rfft(centred, 2 * n)
    correlation = np.fft.irfft(spectrum * spectrum.conj())[: n - n % 2]
    pairs = (correlation / correlation[0]).reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    positive = pairs[: negative[0]] if len(negative) else pairs
    return n / max(1.0, 2 * float(positive.sum()) - 1)


def percentile(values: Sequence[float] | Values, quantile: float) -> float:
    """Computes the exact quantile, in [0, 1), by linear interpolation between order statistics.

    Raises:
        TooFewSamples: fewer than `samples_needed`.
    """
    needed = samples_needed(quantile)
    if len(values) < needed:
        raise TooFewSamples(f"p{quantile * 100:g} of {len(values)} samples says nothing; it needs {needed}")
    return float(np.quantile(np.asarray(values, float), quantile))


def percentile_estimate(values: Sequence[float] | Values, quantile: float) -> Estimate:
    """Computes the exact quantile with its interval.

    Raises:
        TooFewSamples: fewer than `samples_needed`.
    """
    percentile(values, quantile)
    return estimate(values, lambda samples: np.quantile(samples, quantile, axis=-1))


def estimate(values: Sequence[float] | Values, statistic: Callable[[Values], Values]) -> Estimate:
    """Computes a statistic with its interval.

    Args:
        values: one or more samples, in the order of their requests.
        statistic: takes an array and reduces its last axis.
    """
    data = np.asarray(values, float)
    low, high = _interval(_resampled(data, statistic, seed=0))
    return Estimate(float(statistic(data)), low, high, len(data))


def difference(before: Sequence[float], after: Sequence[float], statistic: Callable[[Values], Values]) -> Estimate:
    """Subtracts the statistic of `before` from that of `after`, two independent runs; returns it with its interval."""
    one, other = np.asarray(before, float), np.asarray(after, float)
    low, high = _interval(_resampled(other, statistic, seed=1) - _resampled(one, statistic, seed=0))
    return Estimate(float(statistic(other) - statistic(one)), low, high, min(len(one), len(other)))


def _resampled(data: Values, statistic: Callable[[Values], Values], seed: int) -> Values:
    """Computes the statistic of each of RESAMPLES bootstrap resamples, which are drawn in blocks of neighbours.

    Requests that are near in time wait in the same queue, so that drawing them one by one would make the interval
    far too narrow. Circular block bootstrap (Politis and Romano 1992) with blocks of √n: long blocks, since near
    saturation a queue remembers long.
    """
    n = len(data)
    block = max(1, round(math.sqrt(n)))
    generator = np.random.default_rng(seed)
    at_once = max(1, VALUES_AT_ONCE // n)
    found = []
    for begun in range(0, RESAMPLES, at_once):
        resamples = min(at_once, RESAMPLES - begun)
        starts = generator.integers(0, n, size=(resamples, -(-n // block)))
        indices = (starts[:, :, None] + np.arange(block)) % n
        found.append(statistic(data[indices.reshape(resamples, -1)[:, :n]]))
    return np.concatenate(found)


def _interval(spread: Values) -> tuple[float, float]:
    low, high = np.quantile(spread, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
