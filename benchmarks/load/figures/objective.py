"""Service-level objectives such as ``p95=4s``, and whether requests held them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.figures.statistics import CONFIDENCE, Estimate, TooFewSamples, estimate, samples_needed
from errors import ConfigError

_PATTERN = re.compile(r"(?P<what>ttfa:)?p(?P<percent>\d+(\.\d+)?)=(?P<time>\d+(\.\d+)?)(?P<unit>ms|s)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The share of the measured requests that were in time, and whether it is large enough."""

    attained: Estimate
    held: bool


@dataclass(frozen=True, slots=True)
class Objective:
    """At least the share `quantile` of the requests takes no longer than `bound_s`."""

    what: Literal["latency", "ttfa"]
    quantile: float
    bound_s: float

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Reads ``p95=4s`` or ``p99.9=800ms`` (latency), or ``ttfa:p50=1.5s`` (time to first audio).

        Raises:
            ConfigError: the text has another form.
        """
        match = _PATTERN.fullmatch(text)
        percent, time = (float(match["percent"]), float(match["time"])) if match else (0.0, 0.0)
        if not match or not 0 < percent < 100 or not time:
            raise ConfigError(
                f"--slo {text!r}: write a percentile and a time, such as p95=4s, p99=800ms or ttfa:p50=1.5s"
            )
        bound_s = time / 1000 if match["unit"] == "ms" else time
        return cls("ttfa" if match["what"] else "latency", percent / 100, bound_s)

    def __str__(self) -> str:
        """Returns the form that `parse` reads."""
        bound = f"{self.bound_s * 1000:g}ms" if self.bound_s < 1 else f"{self.bound_s:g}s"
        return f"{'ttfa:' if self.what == 'ttfa' else ''}p{self.quantile * 100:g}={bound}"

    def met_by(self, sample: RequestSample) -> bool:
        """Returns whether one request was in time; a request that did not end well was not, however fast it failed."""
        took_s = sample.ttfa_s if self.what == "ttfa" else sample.latency_s
        return sample.outcome == "ok" and took_s is not None and took_s <= self.bound_s

    def judge(self, samples: Sequence[RequestSample]) -> Verdict:
        """Judges the measured requests; rejected, expired and failed ones count against the objective.

        Raises:
            TooFewSamples: fewer than the percentile needs; see `statistics.samples_needed`.
        """
        needed = max(1, samples_needed(self.quantile))
        if len(samples) < needed:
            raise TooFewSamples(f"{self} cannot be judged by {len(samples)} requests; it needs {needed}")
        met = [float(self.met_by(sample)) for sample in samples]
        attained = estimate(met, lambda values: np.mean(values, axis=-1))
        one_sided = (1 - CONFIDENCE) / 2
        if attained.value == 1.0:  # resampling a run without a miss finds none: the exact binomial bound instead
            attained = replace(attained, low=one_sided ** (1 / len(met)))
        elif attained.value == 0.0:
            attained = replace(attained, high=1 - one_sided ** (1 / len(met)))
        return Verdict(attained, attained.value >= self.quantile)
