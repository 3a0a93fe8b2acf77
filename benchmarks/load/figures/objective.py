"""What a relay is asked to hold, such as ``p95=4s``, and whether it did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.load.figures.samples import RequestSample
from benchmarks.load.figures.statistics import CONFIDENCE, Estimate, TooFewSamples, figure, samples_needed
from errors import ConfigError

_PATTERN = re.compile(r"(?P<what>ttfa:)?p(?P<percent>\d+(\.\d+)?)=(?P<time>\d+(\.\d+)?)(?P<unit>ms|s)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Share of the measured requests that were in time, and whether that is enough."""

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
        """Reads ``p95=4s`` or ``p99.9=800ms``, of the latency; ``ttfa:p50=1.5s`` is of the time to first audio.

        Raises:
            ConfigError: it is neither.
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
        """As `parse` reads it."""
        bound = f"{self.bound_s * 1000:g}ms" if self.bound_s < 1 else f"{self.bound_s:g}s"
        return f"{'ttfa:' if self.what == 'ttfa' else ''}p{self.quantile * 100:g}={bound}"

    def met_by(self, sample: RequestSample) -> bool:
        """Whether one request was in time. One that did not end well was not, however fast it failed."""
        took_s = sample.ttfa_s if self.what == "ttfa" else sample.latency_s
        return sample.outcome == "ok" and took_s is not None and took_s <= self.bound_s

    def judge(self, samples: Sequence[RequestSample]) -> Verdict:
        """Whether the measured requests held it: rejected, expired and failed ones count against it.

        Raises:
            TooFewSamples: too few to speak of the percentile; see `statistics.samples_needed`.
        """
        needed = max(1, samples_needed(self.quantile))
        if len(samples) < needed:
            raise TooFewSamples(f"{self} cannot be judged by {len(samples)} requests; it needs {needed}")
        met = [float(self.met_by(sample)) for sample in samples]
        attained = figure(met, lambda values: np.mean(values, axis=-1))
        unseen = (1 - CONFIDENCE) / 2
        if attained.value == 1.0:  # resampling what has no miss finds none: the exact binomial bound instead
            attained = replace(attained, low=unseen ** (1 / len(met)))
        elif attained.value == 0.0:
            attained = replace(attained, high=1 - unseen ** (1 / len(met)))
        return Verdict(attained, attained.value >= self.quantile)
