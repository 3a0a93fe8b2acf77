"""How late the load generator sent its requests, and whether that invalidates a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.figures.lag_rule import LATE_SHARE, TOLERATED_S, TOLERATED_SHARE
from benchmarks.load.figures.samples import RequestSample, latencies
from benchmarks.load.figures.statistics import percentile, samples_needed


@dataclass(frozen=True, slots=True)
class SendLag:
    """How late requests were sent, in seconds; `p99` is None below 1,000 requests.

    `invalid` says why the run is invalid (see LAG_RULE). It is empty when the run is valid.
    """

    p50: float
    p99: float | None
    largest: float
    invalid: str


def send_lag(samples: Sequence[RequestSample]) -> SendLag:
    """Judges the send lag of the measured requests by LAG_RULE."""
    lags = [sample.lag_s for sample in samples]
    if not lags:
        return SendLag(0.0, None, 0.0, "no request was measured; lengthen the run or shorten its warm-up")
    took = latencies(samples)
    tolerated_s = max(TOLERATED_S, TOLERATED_SHARE * percentile(took, 0.5) if took else 0.0)
    late = sum(lag_s > tolerated_s for lag_s in lags)
    invalid = ""
    if late > LATE_SHARE * len(lags):
        invalid = f"the generator sent {late} of {len(lags)} requests more than {tolerated_s * 1000:.1f} ms late"
    p99 = percentile(lags, 0.99) if len(lags) >= samples_needed(0.99) else None
    return SendLag(percentile(lags, 0.5), p99, max(lags), invalid)
