"""The clips that are sent, and the order in which they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.load.sending.arrivals import Arrival
from errors import ConfigError
from modules.contract.payloads import Audio, Payload


@dataclass(frozen=True, slots=True)
class InputClip:
    """A payload to send, with the name that samples and traces call it by."""

    name: str
    payload: Payload

    @property
    def seconds(self) -> float:
        """Length of the recording; 0 for text."""
        return self.payload.seconds if isinstance(self.payload, Audio) else 0.0


def shuffled_rounds(clips: Sequence[InputClip], seed: int) -> Iterator[InputClip]:
    """Yields the clips round after round without end, each round in another order.

    With rounds instead of independent draws every clip is sent equally often, so that a short run depends less on
    chance.
    """
    generator = np.random.default_rng([seed, 1])  # not the stream that the arrivals are drawn from
    while True:
        for index in generator.permutation(len(clips)):
            yield clips[index]


def choose_clips(clips: Sequence[InputClip], arrivals: Sequence[Arrival], seed: int) -> list[InputClip]:
    """Chooses a clip for every arrival: the one that its trace names, or else the next of `shuffled_rounds`.

    Raises:
        ConfigError: a trace names a clip that was not given.
    """
    by_name = {clip.name: clip for clip in clips}
    unknown = {arrival.clip for arrival in arrivals} - {"", *by_name}
    if unknown:
        raise ConfigError(f"the trace names clips that were not given: {', '.join(sorted(unknown))}; pass these files")
    rounds = shuffled_rounds(clips, seed)
    return [by_name[arrival.clip] if arrival.clip else next(rounds) for arrival in arrivals]
