"""The record of a trial: what is kept beside its samples."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from benchmarks.load.figures.samples import RequestSample, measured


class StageState(msgspec.Struct, frozen=True):
    """One stage at one moment.

    `starts` counts the replicas that the stage has started so far. It is None when the load generator did not start
    the relay.
    """

    replicas: int
    ready: int
    queued: int
    in_service: int
    starts: int | None = None


class RelayState(msgspec.Struct, frozen=True):
    """All stages at one moment. `at_s` counts from the beginning of the trial."""

    at_s: float
    stages: dict[str, StageState]


class Trial(msgspec.Struct, frozen=True):
    """One trial.

    `rate` is the offered rate in requests per second; a closed loop has 0. `cpu_s` is the CPU time of the relay's
    processes from the first request to the last outcome; it is None when they run on another machine. `sender_cpu_s`
    is the CPU time of the load generator's own sending process.
    """

    number: int
    arrivals: str
    rate: float
    seed: int
    requests: int
    wall_s: float
    cpu_s: float | None
    sender_cpu_s: float
    relay_states: list[RelayState]


@dataclass(frozen=True, slots=True)
class TrialSamples:
    """A trial with the samples of its requests, in the order of their schedule."""

    trial: Trial
    samples: list[RequestSample]

    @property
    def measured(self) -> list[RequestSample]:
        """The samples without those of the warm-up."""
        return measured(self.samples)
