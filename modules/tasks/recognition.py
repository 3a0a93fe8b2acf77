"""Speech recognition with any model: the audio it accepts, where that is cut, and the time line of the texts.

A model supplies one function, ``RecogniseSegments``. Everything that every recogniser shares is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from pydantic import Field

from errors import InputError
from modules.audio.speech_segments import SampleRange, cut_at_pauses, speech_ranges
from modules.audio.waveform import SPEECH_RATE, check_audio, resample
from modules.contract.module import Options
from modules.contract.payloads import Audio, Note, Payload, Samples, Text


class SegmentOptions(Options):
    """How a recording is cut into segments."""

    vad: bool = Field(True, description="look for speech first; without it, silence is recognised too")
    segment_s: float = Field(12.0, ge=2, le=28, description="longest segment that speech is cut into, in seconds")
    first_pause_s: float | None = Field(
        0.4,
        ge=0.1,
        le=5,
        description="a recording of several segments is first cut at a pause of this many seconds, so that its first "
        "words come soon",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A part of a recording.

    Attributes:
        samples: mono float32 of shape (n,) at SPEECH_RATE.
        start_s: where the segment begins on the request's time line, in seconds.
        end_s: where it ends.
        notes: the notes of the recording.
    """

    samples: Samples
    start_s: float
    end_s: float
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a model recognised in a segment."""

    text: str
    notes: tuple[Note, ...] = ()


RecogniseSegments = Callable[[list[Segment]], Iterable[Recognition | None]]
"""Recognises segments; returns the results in order, None for a segment in which nothing was said."""


def recognise(
    batch: Sequence[Payload],
    options: SegmentOptions,
    language: str,
    recognise_segments: RecogniseSegments,
    *,
    together: bool = False,
) -> Iterator[tuple[int, Text | InputError]]:
    """Recognises a batch of recordings, segment by segment.

    Args:
        batch: the recordings; Audio of any sample rate.
        options: how recordings are cut.
        language: the language that the model writes, as a BCP-47 tag.
        recognise_segments: the model. It is not called where voice activity detection finds no speech.
        together: recognise the first segments of all recordings in one call, then the second ones, and so on.
            By default every segment is a call of its own, recording by recording, so that the first result comes soon.

    Yields:
        (position in the batch, Text) for every segment whose text has a letter or digit, in the order of each
        recording, with the segment's place on the time line. An InputError takes the place of the texts of a payload
        that is not audio, or is too short, not finite or not scaled to [-1, 1].
    """
    recordings: list[list[Segment]] = [[] for _ in batch]
    for position, audio in enumerate(batch):
        try:
            recordings[position] = _segments(audio, options)
        except InputError as error:
            yield position, error
            continue
        if not together:
            for segment in recordings[position]:
                yield from _texts({position: segment}, language, recognise_segments)
    if together:
        for row in zip_longest(*recordings):
            present = {position: segment for position, segment in enumerate(row) if segment is not None}
            yield from _texts(present, language, recognise_segments)


def _texts(
    segments: dict[int, Segment], language: str, recognise_segments: RecogniseSegments
) -> Iterator[tuple[int, Text]]:
    recognitions = recognise_segments(list(segments.values()))
    for (position, segment), recognition in zip(segments.items(), recognitions, strict=True):
        if recognition is not None and any(map(str.isalnum, recognition.text)):
            notes = segment.notes + recognition.notes
            yield position, Text(recognition.text, language, segment.start_s, segment.end_s, notes)


def _segments(audio: Payload, options: SegmentOptions) -> list[Segment]:
    if not isinstance(audio, Audio):
        raise InputError(f"recognition takes audio, not {type(audio).__name__}; check the stage before")
    check_audio(audio)
    samples = resample(audio, SPEECH_RATE)
    speech = speech_ranges(samples) if options.vad else [SampleRange(0, len(samples))]
    return [
        Segment(
            samples[part.start : part.end],
            audio.start_s + part.start / SPEECH_RATE,
            audio.start_s + part.end / SPEECH_RATE,
            audio.notes,
        )
        for part in cut_at_pauses(samples, speech, options.segment_s, options.first_pause_s)
    ]
