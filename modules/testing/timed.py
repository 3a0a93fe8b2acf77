"""Stages that wait, or spin, instead of computing: stand-ins for models, to measure the machinery and its scaling.

Their answers name the request, so that a lost, doubled or mixed-up answer shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from errors import InputError
from modules.contract.module import Compute, Module, Options
from modules.contract.payloads import Audio, Payload, Text

SAMPLE_RATE = 16_000
PHRASES = 2


class StandInOptions(Options):
    """How long the stand-in takes."""

    service_s: list[float] = Field([0.0], min_length=1, description="service times that the requests get by number")
    spin: bool = Field(False, description="use the CPU for so long, instead of waiting")


class _StandIn(Module):
    options_type = StandInOptions

    def __init__(self, model: Path | None, options: StandInOptions, compute: Compute) -> None:
        """Loads nothing."""
        self._times, self._work = options.service_s, _spin if options.spin else time.sleep

    def warm_up(self) -> None:
        """Has nothing to warm."""

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Waits the service time of each input and yields its answers."""
        for position, payload in enumerate(batch):
            number = number_of(payload)
            self._work(self._times[number % len(self._times)])  # what this stands in for
            for answer in self.answers(number):
                yield position, answer

    def answers(self, number: int) -> list[Payload]:
        """What this stage says of a request."""
        raise NotImplementedError


def _spin(seconds: float) -> None:
    ends_at = time.thread_time() + seconds
    while time.thread_time() < ends_at:
        pass


class StandInListen(_StandIn):
    """Audio → the request's number as English text."""

    accepts, yields = Audio, Text

    def answers(self, number: int) -> list[Payload]:
        """One text."""
        return [Text(str(number), "en")]


class StandInTranslate(_StandIn):
    """Text → the same number as Chinese text."""

    accepts, yields = Text, Text

    def answers(self, number: int) -> list[Payload]:
        """One text."""
        return [Text(str(number), "zh")]


class StandInSpeak(_StandIn):
    """Text → two phrases of audio that hold the number."""

    accepts, yields = Text, Audio

    def answers(self, number: int) -> list[Payload]:
        """Two phrases."""
        return [request_audio(number) for _ in range(PHRASES)]


def request_audio(number: int) -> Audio:
    """A request: a tenth of a second of sound whose level holds its number, up to 2**20."""
    return Audio(np.full(SAMPLE_RATE // 10, number / 2**20, np.float32), SAMPLE_RATE)


def number_of(payload: Payload) -> int:
    """The number of the request that a payload belongs to."""
    return int(payload.text) if isinstance(payload, Text) else round(float(payload.samples[0]) * 2**20)


def stages(**service_s: Sequence[float]) -> dict[str, dict[str, Any]]:
    """The three stages as configuration, with the service times of each."""
    classes = {"listen": "StandInListen", "translate": "StandInTranslate", "speak": "StandInSpeak"}
    return {
        name: {
            "module": f"modules.testing.timed:{kind}",
            "threads": 1,
            "options": {"service_s": list(service_s.get(name, [0.0]))},
        }
        for name, kind in classes.items()
    }
