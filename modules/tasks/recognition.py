"""Speech to text around any recogniser: which audio it takes, where that is cut, the time line.

A recogniser brings one function, ``Read``. Everything that must be the same for every recogniser is here.
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
    """Options of how a recording is cut."""

    vad: bool = Field(True, description="look for speech first; without it, silence is read too")
    segment_s: float = Field(12.0, ge=2, le=28, description="longest piece that speech is cut into, in seconds")
    first_pause_s: float | None = Field(
        0.4,
        ge=0.1,
        le=5,
        description="longer speech is first cut at a pause this long, so that its first words come soon",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A piece of a recording: mono ``samples`` at SPEECH_RATE, its place on the time line, the recording's notes."""

    samples: Samples
    start_s: float
    end_s: float
    notes: tuple[Note, ...]


Read = Callable[[list[Segment]], Iterable[Text | None]]
"""Segments → their texts, in order; None for one in which nothing was said."""


def recognise(
    batch: Sequence[Payload], options: SegmentOptions, read: Read, *, together: bool = False
) -> Iterator[tuple[int, Text | InputError]]:
    """Yields (position in the batch, Text) for every segment in which something was said, in the order of each clip.

    Where voice activity finds no speech, ``read`` is not called. An InputError stands for audio that is too short, not
    finite or not scaled to [-1, 1], and for a payload that is not audio.

    Args:
        batch: the payloads.
        options: how recordings are cut.
        read: recognises segments.
        together: read the first segments of all clips in one call, then the second ones, and so on; otherwise every
            segment is a call of its own, clip by clip, so that the first is not kept waiting.
    """
    clips: list[list[Segment]] = [[] for _ in batch]
    for position, audio in enumerate(batch):
        try:
            clips[position] = _segments(audio, options)
        except InputError as error:
            yield position, error
            continue
        if not together:
            for segment in clips[position]:
                yield from ((position, text) for text in read([segment]) if text is not None)
    if not together:
        return
    for nth in zip_longest(*clips):
        present = {position: segment for position, segment in enumerate(nth) if segment is not None}
        texts = zip(present, read(list(present.values())), strict=True)
        yield from ((position, text) for position, text in texts if text is not None)


def _segments(audio: Payload, options: SegmentOptions) -> list[Segment]:
    if not isinstance(audio, Audio):
        raise InputError(f"a recogniser listens to audio, not to {type(audio).__name__}; check the stage before")
    check_audio(audio)
    samples = resample(audio, SPEECH_RATE)
    spans = speech_ranges(samples) if options.vad else [SampleRange(0, len(samples))]
    return [
        Segment(
            samples[span.start : span.end],
            audio.start_s + span.start / SPEECH_RATE,
            audio.start_s + span.end / SPEECH_RATE,
            audio.notes,
        )
        for span in cut_at_pauses(samples, spans, options.segment_s, options.first_pause_s)
    ]
