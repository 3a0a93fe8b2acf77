"""Stand-ins that compute nothing: they measure the cost of the relay alone.

The payloads are as large as those of a real request of 5 s: 320 kB of audio in, two short texts, 480 kB of audio out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pydantic import Field

from errors import InputError
from modules.contract.module import Compute, Options
from modules.contract.payloads import Audio, Payload, Text
from modules.testing.stand_in import StandIn

SPEECH = Audio(np.random.default_rng(0).uniform(-1, 1, 80_000).astype(np.float32), 16_000)
ENGLISH = Text("The museum on the corner opens at ten and closes at six in the evening.", "en")
CHINESE = Text("街角的博物馆早上十点开门,晚上六点关门。", "zh")
ANSWER = Audio(np.random.default_rng(1).uniform(-1, 1, 120_000).astype(np.float32), 24_000)


class _Noop(StandIn):
    answer: Payload

    def outputs(self, payload: Payload, batch_size: int) -> Iterable[Payload | InputError]:
        """Returns the same answer for every input."""
        return (self.answer,)


class NoopListen(_Noop):
    """Audio → `ENGLISH`."""

    accepts, yields, answer = Audio, Text, ENGLISH


class NoopTranslate(_Noop):
    """Text → `CHINESE`."""

    accepts, yields, answer = Text, Text, CHINESE


class NoopSpeakOptions(Options):
    """Options of NoopSpeak."""

    audio_s: float = Field(
        5.0, ge=0.1, le=5.0, description="seconds of audio in the answer; short audio leaves out the cost of its bytes"
    )


class NoopSpeak(_Noop):
    """Text → the first `audio_s` seconds of `ANSWER`."""

    accepts, yields, options_type = Text, Audio, NoopSpeakOptions

    def __init__(self, model: Path | None, options: NoopSpeakOptions, compute: Compute) -> None:
        """Cuts the answer to its length."""
        super().__init__(model, options, compute)
        samples = ANSWER.samples[: round(options.audio_s * ANSWER.sample_rate)]
        self.answer = Audio(samples, ANSWER.sample_rate)
