"""What travels between stages: a stretch of audio or of text, placed on the request's time line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import InputError
from modules.contract.notes import Note

__all__ = ["Audio", "Note", "Payload", "Samples", "Text"]

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Text:
    """A stretch of text.

    ``language`` is a BCP-47 tag. ``start_s`` and ``end_s`` are seconds on the time line of the request's
    audio: the stretch of source speech that the text came from.
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
    """A stretch of sound: ``samples`` is mono float32 of shape (n,) in [-1, 1] at ``sample_rate`` Hz.

    ``start_s`` and ``end_s`` are seconds on the time line of the request's audio.

    Raises:
        InputError: the samples are not one-dimensional float32, or the rate is not positive.
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
