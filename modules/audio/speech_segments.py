"""Finds the speech in a recording, and cuts a long recording into segments that a recogniser can take.

Voice activity comes from Silero VAD (https://github.com/snakers4/silero-vad), whose ONNX model is part of the
faster-whisper package.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from modules.audio.waveform import SPEECH_RATE
from modules.contract.payloads import Samples

# A pause this long always ends a segment: encoding silence is wasted work, and recognisers invent text for it.
_ALWAYS_CUT_S = 2.0
# Voice activity detection starts late and ends early by some tens of milliseconds, which may hold consonants.
_PAD_S = 1.0
_SHORTEST_PAUSE_S = 0.1
_SHORTEST_SPEECH_S = 0.1
_QUIET_S = 0.1
_SHORTEST_OPENING_S = 1.0


@dataclass(frozen=True, slots=True)
class SampleRange:
    """A stretch of a recording at SPEECH_RATE, from the sample ``start`` to the one before ``end``."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def speech_ranges(samples: Samples) -> list[SampleRange]:
    """Finds the stretches of uninterrupted speech in a recording, on one thread.

    Args:
        samples: mono float32 of shape (n,) at SPEECH_RATE.

    Returns:
        The stretches in order; none if nobody speaks.
    """
    from faster_whisper.vad import VadOptions, get_speech_timestamps  # type: ignore[import-untyped]

    found = get_speech_timestamps(
        samples,
        VadOptions(
            min_silence_duration_ms=round(_SHORTEST_PAUSE_S * 1000),
            min_speech_duration_ms=round(_SHORTEST_SPEECH_S * 1000),
            speech_pad_ms=0,
        ),
        sampling_rate=SPEECH_RATE,
    )
    return [SampleRange(int(each["start"]), int(each["end"])) for each in found]


def cut_at_pauses(
    samples: Samples, speech: list[SampleRange], longest_s: float, first_pause_s: float | None = None
) -> list[SampleRange]:
    """Groups stretches of speech into segments of at most ``longest_s`` seconds.

    A segment ends at the longest pause of its second half. The first of several ends at the first pause of
    ``first_pause_s``, so that the first sentence is heard while the next is recognised. Speech without a pause is cut
    where it is quietest, so that every sample of speech is in exactly one segment. Each segment keeps up to one second
    of the silence around it.

    Args:
        samples: the whole recording, mono float32 of shape (n,) at SPEECH_RATE.
        speech: from ``speech_ranges``, in order, not overlapping.
        longest_s: longest segment in seconds, with the silence around it.
        first_pause_s: shortest pause that ends the first segment, in seconds. None: the first is like the others.
    """
    longest = round((longest_s - 2 * _PAD_S) * SPEECH_RATE)
    waiting = list(reversed(speech))
    segments: list[SampleRange] = []
    if first_pause_s is not None and (opening := _opening(speech, longest, round(first_pause_s * SPEECH_RATE))):
        segments.append(SampleRange(opening[0].start, opening[-1].end))
        del waiting[-len(opening) :]
    while waiting:
        if len(waiting[-1]) > longest:
            long = waiting.pop()
            middle = _quietest(samples, long.start + longest // 2, long.start + longest)
            waiting += [SampleRange(middle, long.end), SampleRange(long.start, middle)]
        group = _next_group(waiting, longest)
        segments.append(SampleRange(group[0].start, group[-1].end))
        del waiting[-len(group) :]
    return _padded(segments, len(samples))


def _opening(speech: list[SampleRange], longest: int, pause: int) -> list[SampleRange]:
    """Returns the stretches before the first pause of ``pause`` samples, if the speech needs several segments."""
    if not speech or speech[-1].end - speech[0].start <= longest:
        return []
    for count, (stretch, following) in enumerate(itertools.pairwise(speech), 1):
        length = stretch.end - speech[0].start
        if length > longest:
            break
        if length >= _SHORTEST_OPENING_S * SPEECH_RATE and following.start - stretch.end >= pause:
            return speech[:count]
    return []


def _next_group(waiting: list[SampleRange], longest: int) -> list[SampleRange]:
    """Returns the stretches at the end of ``waiting`` that make the next segment."""
    group = [waiting[-1]]
    pauses: list[int] = []
    for stretch in reversed(waiting[:-1]):
        pause = stretch.start - group[-1].end
        if pause >= _ALWAYS_CUT_S * SPEECH_RATE:
            return group
        pauses.append(pause)
        if stretch.end - group[0].start > longest:
            break
        group.append(stretch)
    else:
        return group
    late = [i for i in range(len(group)) if group[i].end - group[0].start >= longest // 2] or [len(group) - 1]
    best = max(late, key=lambda i: pauses[i])
    return group[: best + 1]


def _quietest(samples: Samples, start: int, end: int) -> int:
    """Finds the middle of the quietest _QUIET_S seconds between two sample indices."""
    width = round(_QUIET_S * SPEECH_RATE)
    total = np.cumsum(np.square(samples[start:end], dtype=np.float64))
    return start + int(np.argmin(total[width:] - total[:-width])) + width // 2


def _padded(segments: list[SampleRange], length: int) -> list[SampleRange]:
    """Adds the silence around the segments, up to _PAD_S on each side."""
    pad = round(_PAD_S * SPEECH_RATE)
    ends = [0, *(segment.end for segment in segments)]
    starts = [*(segment.start for segment in segments), length]
    padded = []
    for i, segment in enumerate(segments):
        before = segment.start - ends[i]
        after = starts[i + 1] - segment.end
        # Neighbours share the pause between them. The silence at the ends of the recording is not shared.
        padded.append(
            SampleRange(
                segment.start - min(pad, before // 2 if i else before),
                segment.end + min(pad, after // 2 if i < len(segments) - 1 else after),
            )
        )
    return padded
