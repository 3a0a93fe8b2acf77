"""What a caller gets back: events while a request runs, and one result at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from modules.notes import Note
from modules.payloads import Audio, Payload, Text
from workers.wire import OutcomeName, Path, Span

AUDIBLE = 10 ** (-50 / 20)  # amplitude at -50 dB of full scale, below which a sample counts as silence


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a request.

    ``payload`` is one output of the stage, or None when a replica of the stage has just begun. ``at_s`` counts
    from the submission. Each stage's outputs come in path order.
    """

    request: str
    stage: str
    path: Path
    payload: Payload | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended.

    ``outcome`` is one of ok, rejected, expired, cancelled, failed, dead_letter; ``error`` says why it is not ok,
    and after a rejection ``retry_after_s`` is the wait to expect. ``latency_s`` runs from submission to the outcome,
    ``time_to_first_audio_s`` to the first audible sample, leading silence included (None when there is none).
    ``spans`` hold the raw queue and service times of every job.
    """

    request: str
    outcome: OutcomeName
    error: str
    retry_after_s: float
    latency_s: float
    time_to_first_audio_s: float | None
    texts: dict[str, str]
    audio: Audio | None
    notes: tuple[Note, ...]
    spans: tuple[Span, ...]


@dataclass(slots=True)
class Transcript:
    """Gathers a request's events into what its result shows."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    sounds: list[Audio] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    first_audio_s: float | None = None
    _silence_s: float = 0.0

    def add(self, event: Event) -> None:
        """Takes an event in."""
        payload = event.payload
        if payload is None:
            return
        self.notes.extend(payload.notes)
        if isinstance(payload, Text):
            self.texts.setdefault(event.stage, []).append(payload.text)
            return
        self.sounds.append(payload)
        if self.first_audio_s is None:
            audible = np.flatnonzero(np.abs(payload.samples) > AUDIBLE)
            if len(audible):
                self.first_audio_s = event.at_s + self._silence_s + float(audible[0]) / payload.sample_rate
            self._silence_s += payload.seconds

    def audio(self) -> Audio | None:
        """All the sound, one piece after the other, or None."""
        if not self.sounds:
            return None
        first, last = self.sounds[0], self.sounds[-1]
        samples = np.concatenate([sound.samples for sound in self.sounds])
        return Audio(samples, first.sample_rate, first.start_s, last.end_s)

    def joined_texts(self) -> dict[str, str]:
        """The text of each stage, its pieces joined."""
        return {stage: " ".join(pieces) for stage, pieces in self.texts.items()}
