"""What a client returns: events while a request runs, and one result at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from modules.audio.waveform import leading_silence_s
from modules.contract.notes import Note
from modules.contract.payloads import Audio, Payload, Text
from workers.wire.messages import JobPath, OutcomeName, Span
from workers.wire.public_id import public_id

UNSPACED = {"ja", "th", "zh"}  # languages that put no space between sentences


@dataclass(frozen=True, slots=True)
class Event:
    """An output of a stage for a request, or the start of a job.

    ``payload`` is the output; None when a job at the stage has just been leased to a replica. ``path`` is the place of
    the output, or of the job, in the request. ``at_s`` counts from the submission. The outputs of a stage come in path
    order.
    """

    request: str
    stage: str
    path: JobPath
    payload: Payload | None
    at_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """How a request ended.

    ``outcome`` is one of ok, rejected, expired, cancelled, failed, dead_letter. ``error`` says why it is not ok, and
    after a rejection ``retry_after_s`` is the wait to expect. ``latency_s`` runs from the submission to the outcome,
    ``time_to_first_audio_s`` to the first audible sample, leading silence included; it is None without one.
    ``texts`` has the joined text of each stage that yields text, and ``audio`` the joined output of the last stage.
    ``spans`` has the queue time and service time of every job, in the order in which their service began.
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

    @property
    def public_id(self) -> str:
        """The id of the request in the metrics' exemplars."""
        return public_id(self.request)


@dataclass(slots=True)
class Transcript:
    """Joins the outputs of a request for its result."""

    texts: dict[str, list[Text]] = field(default_factory=dict)
    sounds: list[Audio] = field(default_factory=list)
    notes: dict[Note, None] = field(default_factory=dict)
    first_audio_s: float | None = None
    _silence_s: float = 0.0

    def add(self, event: Event) -> None:
        """Adds the output of an event; a job's start changes nothing."""
        payload = event.payload
        if payload is None:
            return
        self.notes.update(dict.fromkeys(payload.notes))  # a stage passes on those of the stage before it
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
        """Returns all the audio, one piece after the other, or None."""
        if not self.sounds:
            return None
        first, last = self.sounds[0], self.sounds[-1]
        if first is last:
            return first
        samples = np.concatenate([sound.samples for sound in self.sounds])
        return Audio(samples, first.sample_rate, first.start_s, last.end_s)

    def joined_texts(self) -> dict[str, str]:
        """Returns the joined text of each stage."""
        return {stage: _joined(pieces) for stage, pieces in self.texts.items()}


def _joined(pieces: list[Text]) -> str:
    spaced = pieces[0].language.partition("-")[0] not in UNSPACED
    return (" " if spaced else "").join(piece.text for piece in pieces)
