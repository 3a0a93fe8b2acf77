"""Three stages that compute nothing, so that what is left is the cost of the relay itself.

The payloads are those of a real request of 5 s: 320 kB of audio in, two short texts, 480 kB of audio out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from errors import InputError
from modules.contract.module import Compute, Module, Options
from modules.contract.payloads import Audio, Payload, Text

SPEECH = Audio(np.random.default_rng(0).uniform(-1, 1, 80_000).astype(np.float32), 16_000)
ENGLISH = Text("The museum on the corner opens at ten and closes at six in the evening.", "en")
CHINESE = Text("街角的博物馆早上十点开门,晚上六点关门。", "zh")
ANSWER = Audio(np.random.default_rng(1).uniform(-1, 1, 120_000).astype(np.float32), 24_000)


class _Noop(Module):
    answer: Payload

    def __init__(self, model: Path | None, options: Any, compute: Compute) -> None:
        """Loads nothing."""

    def warm_up(self) -> None:
        """Has nothing to warm."""

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Yields the same answer for every input."""
        for position in range(len(batch)):
            yield position, self.answer


class NoopListen(_Noop):
    """Audio → the English text."""

    accepts, yields, answer = Audio, Text, ENGLISH


class NoopTranslate(_Noop):
    """Text → the Chinese text."""

    accepts, yields, answer = Text, Text, CHINESE


class NoopSpeakOptions(Options):
    """What NoopSpeak answers."""

    audio_s: float = Field(
        5.0, ge=0.1, le=5.0, description="seconds of audio; less measures the relay without its bytes"
    )


class NoopSpeak(_Noop):
    """Text → the answer's audio."""

    accepts, yields, options_type = Text, Audio, NoopSpeakOptions

    def __init__(self, model: Path | None, options: NoopSpeakOptions, compute: Compute) -> None:
        """Cuts the answer."""
        samples = ANSWER.samples[: round(options.audio_s * ANSWER.sample_rate)]
        self.answer = Audio(samples, ANSWER.sample_rate)
