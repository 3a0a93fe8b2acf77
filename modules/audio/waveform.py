"""Operations on samples: checks, mixing to mono, resampling, leading silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from errors import InputError
from modules.contract.payloads import Audio, Samples

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

SPEECH_RATE = 16_000
"""Sample rate in Hz that speech recognisers are trained on."""

SHORTEST_S = 0.2
"""Shortest sound that can hold a word, in seconds."""

AUDIBLE = 10 ** (-50 / 20)
"""Amplitude at -50 dB of full scale, below which a sample counts as silence."""

# Lossy decoders exceed full scale a little, and some synthesisers reach 2.3. A higher peak means integers that were
# never scaled to floats.
_MAX_PEAK = 8.0


def check_audio(audio: Audio) -> None:
    """Refuses audio that no recogniser can use.

    Raises:
        InputError: the audio is shorter than SHORTEST_S, is not scaled to [-1, 1], or has samples that are NaN or
            infinite.
    """
    if audio.seconds < SHORTEST_S:
        raise InputError(
            f"the audio is {audio.seconds:.3f} s long, too short to hold speech; pass at least {SHORTEST_S} s"
        )
    broken = len(audio.samples) - int(np.count_nonzero(np.isfinite(audio.samples)))
    if broken:
        raise InputError(
            f"{broken} of {len(audio.samples)} samples are NaN or infinite; "
            "look for a division by zero where the audio was made, and export it again"
        )
    peak = float(np.abs(audio.samples).max())
    if peak > _MAX_PEAK:
        raise InputError(
            f"samples reach {peak:g} where full scale is 1; divide by the integer format's range, such as 32768"
        )


def leading_silence_s(audio: Audio) -> float:
    """Returns the seconds before the first sample above AUDIBLE; the whole length if there is none."""
    block = max(1, audio.sample_rate // 10)  # speech begins soon, so most samples need no look
    for start in range(0, len(audio.samples), block):
        audible = np.flatnonzero(np.abs(audio.samples[start : start + block]) > AUDIBLE)
        if len(audible):
            return (start + int(audible[0])) / audio.sample_rate
    return audio.seconds


def mono_blocks(frames: Iterable[AudioFrame], sample_rate: int) -> Iterator[Samples]:
    """Mixes decoded frames of any layout, format and rate to mono float32 blocks at ``sample_rate`` Hz.

    Channels are averaged. FFmpeg's own mix to mono raises the level by 3 dB, which can exceed [-1, 1].

    Raises:
        ValueError: the frames do not all have the same format.
    """
    from av.audio.resampler import AudioResampler

    # Packed samples are in one plane. PyAV counts the planes of a frame up to a null pointer, which FFmpeg does not
    # write after eight or more: `to_ndarray` of such a planar frame reads arbitrary memory.
    resampler = AudioResampler(format="flt", rate=sample_rate)
    for frame in chain(frames, [None]):
        if frame is not None:
            # Gaps between the time stamps of a file must not become gaps in the sound.
            frame.pts = None
        for block in resampler.resample(frame):
            channels = block.to_ndarray().reshape(block.samples, block.layout.nb_channels).T
            # NumPy adds rows about five times as fast as columns.
            yield np.ascontiguousarray(channels).mean(axis=0)


def resample(audio: Audio, sample_rate: int) -> Samples:
    """Returns the samples of ``audio`` at ``sample_rate`` Hz: mono float32 of shape (n,)."""
    from av.audio.frame import AudioFrame

    if audio.sample_rate == sample_rate:
        return audio.samples
    frame = AudioFrame.from_ndarray(audio.samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = audio.sample_rate
    return np.concatenate(list(mono_blocks([frame], sample_rate)))
