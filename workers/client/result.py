"""What a caller gets back: events while a request runs, and one result at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from modules.audio.waveform import leading_silence_s
from modules.contract.notes import Note
from modules.contract.payloads import Audio, Payload, Text
from workers.wire.messages import JobPath, OutcomeName, Span

UNSPACED = {"ja", "th", "zh"}  # languages that are written without spaces between sentences


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a request.

    ``payload`` is one output of the stage, or None when a replica of the stage has just begun. ``at_s`` counts
    from the submission. Each stage's outputs come in path order.
    """

    request: str
    stage: str
    path: JobPath
    payload: Payload | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended.

    ``outcome`` is one of ok, rejected, expired, cancelled, failed, dead_letter; ``error`` says why it is not ok,
    and after a rejection ``retry_after_s`` is the wait to expect. ``latency_s`` runs from submission to the outcome,
    ``time_to_first_audio_s`` to the first audible sample, leading silence included (None when there is none).
    ``spans`` hold the raw queue and service times of every job, in the order in which their service began.
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

    texts: dict[str, list[Text]] = field(default_factory=dict)
    sounds: list[Audio] = field(default_factory=list)
    notes: dict[Note, None] = field(default_factory=dict)
    first_audio_s: float | None = None
    _silence_s: float = 0.0

    def add(self, event: Event) -> None:
        """Takes an event in."""
        payload = event.payload
        if payload is None:
            return
        self.notes.update(dict.fromkeys(payload.notes))  # a stage hands on what the one before it remarked
        if isinstance(payload, Text):
            self.texts.setdefault(event.stage, []).append(payload)
            return
        self.sounds.append(payload)
        if self.first_audio_s is None:
            silent_s = leading_silence_s(payload)
            if silent_s < payload.seconds:
                self.first_audio_s = event.at_s + self._silence_s + silent_s
            self._silence_s += silent_s

    def audio(self) -> Audio | None:
        """All the sound, one piece after the other, or None."""
        if not self.sounds:
            return None
        first, last = self.sounds[0], self.sounds[-1]
        if first is last:
            return first
        samples = np.concatenate([sound.samples for sound in self.sounds])
        return Audio(samples, first.sample_rate, first.start_s, last.end_s)

    def joined_texts(self) -> dict[str, str]:
        """The text of each stage, its pieces joined."""
        return {stage: _joined(pieces) for stage, pieces in self.texts.items()}


def _joined(pieces: list[Text]) -> str:
    spaced = pieces[0].language.partition("-")[0] not in UNSPACED
    return (" " if spaced else "").join(piece.text for piece in pieces)
