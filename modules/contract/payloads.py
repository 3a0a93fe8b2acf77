"""The payloads that travel between stages: a stretch of audio or of text, placed on the request's time line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import InputError
from modules.contract.notes import Note

__all__ = ["Audio", "Note", "Payload", "Samples", "Text"]

Samples = NDArray[np.float32]
"""Mono float32 samples of shape (n,), scaled so that full scale is 1."""


@dataclass(frozen=True, slots=True)
class Text:
    """A stretch of text.

        Text("Buenos días.", "es", start_s=0.5, end_s=1.75)

    Attributes:
        text: the text itself.
        language: its language as a BCP-47 tag, such as ``en`` or ``zh``.
        start_s: where the speech that the text came from begins, in seconds from the start of the request's audio.
        end_s: where that speech ends.
        notes: remarks of the stages so far.
    """

    text: str
    language: str
    start_s: float = 0.0
    end_s: float = 0.0
    notes: tuple[Note, ...] = ()

    @property
    def cost(self) -> float:
        """Size for queue limits and batching, in characters."""
        return float(len(self.text))


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A stretch of sound.

        Audio(numpy.zeros(16_000, numpy.float32), 16_000)  # a second of silence

    Attributes:
        samples: mono float32 of shape (n,) in [-1, 1].
        sample_rate: samples per second, in Hz.
        start_s: where the sound begins on the request's time line, in seconds. For synthesised speech, the place of
            the source speech that it translates.
        end_s: where it ends.
        notes: remarks of the stages so far.

    Raises:
        InputError: the samples are not one-dimensional float32, or the sample rate is not positive.
    """

    samples: Samples
    sample_rate: int
    start_s: float = 0.0
    end_s: float = 0.0
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise InputError(
                f"audio must be mono float32 of shape (n,), not {self.samples.dtype} of shape {self.samples.shape}; "
                "average the channels and convert with .astype(numpy.float32)"
            )
        if self.sample_rate <= 0:
            raise InputError(f"audio has a sample rate of {self.sample_rate} Hz; pass the rate it was recorded at")

    @property
    def seconds(self) -> float:
        """Length of the sound in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def cost(self) -> float:
        """Size for queue limits and batching, in seconds of audio."""
        return self.seconds


Payload = Text | Audio
