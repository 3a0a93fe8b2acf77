"""Where the speech is in a recording, and how a long recording is cut into segments that a recogniser can take.

Voice activity comes from Silero VAD (https://github.com/snakers4/silero-vad), whose ONNX model is part of the
faster-whisper package.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from modules.audio.waveform import SPEECH_RATE
from modules.contract.payloads import Samples

# A pause this long ends a segment whatever its length: encoding silence is wasted, and invites invented text.
_ALWAYS_CUT_S = 2.0
# Voice activity starts late and ends early by a few tens of milliseconds; consonants live there.
_PAD_S = 1.0
_SHORTEST_PAUSE_S = 0.1
_SHORTEST_SPEECH_S = 0.1
_QUIET_S = 0.1
_SHORTEST_OPENING_S = 1.0


@dataclass(frozen=True, slots=True)
class SampleRange:
    """A stretch of a recording, as sample indices at SPEECH_RATE: ``start`` is in it, ``end`` is not."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def speech_ranges(samples: Samples) -> list[SampleRange]:
    """Stretches of uninterrupted speech in mono ``samples`` at SPEECH_RATE, in order; none if nobody speaks.

    Runs on one thread.
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
    return [SampleRange(int(span["start"]), int(span["end"])) for span in found]


def cut_at_pauses(
    samples: Samples, spans: list[SampleRange], longest_s: float, first_pause_s: float | None = None
) -> list[SampleRange]:
    """Groups spans of speech into segments of at most ``longest_s`` seconds.

    A segment ends at the longest pause of its second half; the first of several, at the first pause of
    ``first_pause_s``, so that somebody who waits for it hears the first sentence while the next is read. Speech
    without a pause is cut at its quietest spot, so that every sample of every span is in exactly one segment. Up to
    _PAD_S of the silence around is kept.

    Args:
        samples: the whole recording, mono at SPEECH_RATE.
        spans: from ``speech_ranges``, in order, not overlapping.
        longest_s: longest segment in seconds, padding included.
        first_pause_s: length of a pause that ends the first segment, in seconds; None: it is as long as the others.
    """
    longest = round((longest_s - 2 * _PAD_S) * SPEECH_RATE)
    waiting = list(reversed(spans))
    segments: list[SampleRange] = []
    if first_pause_s is not None and (opening := _opening(spans, longest, round(first_pause_s * SPEECH_RATE))):
        segments.append(SampleRange(opening[0].start, opening[-1].end))
        del waiting[-len(opening) :]
    while waiting:
        if len(waiting[-1]) > longest:
            span = waiting.pop()
            spot = _quietest(samples, span.start + longest // 2, span.start + longest)
            waiting += [SampleRange(spot, span.end), SampleRange(span.start, spot)]
        run = _run(waiting, longest)
        segments.append(SampleRange(run[0].start, run[-1].end))
        del waiting[-len(run) :]
    return _padded(segments, len(samples))


def _opening(spans: list[SampleRange], longest: int, pause: int) -> list[SampleRange]:
    """The spans before the first such pause of speech that is too long for one segment; none where there is none."""
    if not spans or spans[-1].end - spans[0].start <= longest:
        return []
    for count, (span, following) in enumerate(itertools.pairwise(spans), 1):
        length = span.end - spans[0].start
        if length > longest:
            break
        if length >= _SHORTEST_OPENING_S * SPEECH_RATE and following.start - span.end >= pause:
            return spans[:count]
    return []


def _run(waiting: list[SampleRange], longest: int) -> list[SampleRange]:
    """The spans, taken from the end of ``waiting``, that make the next segment."""
    run = [waiting[-1]]
    pauses: list[int] = []
    for span in reversed(waiting[:-1]):
        pause = span.start - run[-1].end
        if pause >= _ALWAYS_CUT_S * SPEECH_RATE:
            return run
        pauses.append(pause)
        if span.end - run[0].start > longest:
            break
        run.append(span)
    else:
        return run
    late = [i for i in range(len(run)) if run[i].end - run[0].start >= longest // 2] or [len(run) - 1]
    best = max(late, key=lambda i: pauses[i])
    return run[: best + 1]


def _quietest(samples: Samples, start: int, end: int) -> int:
    """Middle of the _QUIET_S with the least energy between two sample indices."""
    width = round(_QUIET_S * SPEECH_RATE)
    total = np.cumsum(np.square(samples[start:end], dtype=np.float64))
    return start + int(np.argmin(total[width:] - total[:-width])) + width // 2


def _padded(segments: list[SampleRange], length: int) -> list[SampleRange]:
    pad = round(_PAD_S * SPEECH_RATE)
    ends = [0, *(segment.end for segment in segments)]
    starts = [*(segment.start for segment in segments), length]
    padded = []
    for i, segment in enumerate(segments):
        before = segment.start - ends[i]
        after = starts[i + 1] - segment.end
        # Neighbours share the pause between them; the ends of the recording belong to nobody else.
        padded.append(
            SampleRange(
                segment.start - min(pad, before // 2 if i else before),
                segment.end + min(pad, after // 2 if i < len(segments) - 1 else after),
            )
        )
    return padded
