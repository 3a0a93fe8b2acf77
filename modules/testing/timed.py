"""Stand-ins that take a given time for each request: they measure scaling, queues and schedules.

Each request carries a number, and every answer repeats it. A lost, doubled or mixed-up answer therefore shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from pydantic import Field

from errors import InputError
from modules.contract.module import Options
from modules.contract.payloads import Audio, Payload, Text
from modules.testing.stand_in import StandIn

SAMPLE_RATE = 16_000
PHRASES = 2  # outputs of TimedSpeak for each request


class TimedOptions(Options):
    """Options of the timed stand-ins."""

    service_s: list[float] = Field(
        [0.0],
        min_length=1,
        description="service times in seconds; request number i takes the one at position i modulo their count",
    )
    spin: bool = Field(False, description="use the CPU for the service time instead of sleeping")


def request_audio(number: int) -> Audio:
    """Makes the audio of a request: 0.1 s at 16 kHz whose level holds the number, which is below 2**20."""
    return Audio(np.full(SAMPLE_RATE // 10, number / 2**20, np.float32), SAMPLE_RATE)


def number_of(payload: Payload) -> int:
    """Reads the number of the request from any payload of a timed relay."""
    return int(payload.text) if isinstance(payload, Text) else round(float(payload.samples[0]) * 2**20)


class _Timed(StandIn):
    options_type = TimedOptions
    options: TimedOptions

    def outputs(self, payload: Payload, batch_size: int) -> Iterable[Payload | InputError]:
        """Takes the service time of the request and returns its answers."""
        number = number_of(payload)
        seconds = self.options.service_s[number % len(self.options.service_s)]
        if self.options.spin:
            _spin(seconds)
        else:
            time.sleep(seconds)  # the work that this stands in for
        return self.answers(number)

    def answers(self, number: int) -> list[Payload]:
        """Returns the answers for the request with this number."""
        raise NotImplementedError


def _spin(seconds: float) -> None:
    ends_at = time.thread_time() + seconds
    while time.thread_time() < ends_at:
        pass


class TimedListen(_Timed):
    """Audio → one text, the request's number, marked as English."""

    accepts, yields = Audio, Text

    def answers(self, number: int) -> list[Payload]:
        """Returns one text."""
        return [Text(str(number), "en")]


class TimedTranslate(_Timed):
    """Text → one text, the same number, marked as Chinese."""

    accepts, yields = Text, Text

    def answers(self, number: int) -> list[Payload]:
        """Returns one text."""
        return [Text(str(number), "zh")]


class TimedSpeak(_Timed):
    """Text → `PHRASES` phrases of audio that hold the number."""

    accepts, yields = Text, Audio

    def answers(self, number: int) -> list[Payload]:
        """Returns the phrases."""
        return [request_audio(number) for _ in range(PHRASES)]
