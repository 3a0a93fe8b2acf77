"""Reads audio files of all common formats, and writes 16-bit WAV."""

from __future__ import annotations

import os
import stat
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO
from uuid import uuid4

import numpy as np

from errors import InputError, RelevoError
from modules.audio.waveform import SPEECH_RATE, check_audio, mono_blocks
from modules.contract.payloads import Audio, Samples

# FFmpeg must not try the others: playlists open further files, and image formats have no sound.
_CONTAINERS = "aac,aiff,flac,matroska,mov,mp3,ogg,w64,wav"
_MISSING_TOLERANCE_S = 0.25
_MAX_CHANNELS = 64  # FFmpeg's resampler takes no more
_UNKNOWN_RIFF_BYTES = 0x7FFF_0000
_CHUNK_BYTES = 1 << 20
_SPOOLED_BYTES = 32 << 20
# A second of stereo at 96 kHz, in 32 bits a sample.
_MAX_BYTES_PER_S = 768_000


def read_audio(path: Path, *, sample_rate: int = SPEECH_RATE, longest_s: float = 3600.0) -> Audio:
    """Decodes a wav, flac, mp3, ogg or m4a file of any sample rate and up to 64 channels.

    The sound is mixed to mono, by averaging its channels, and resampled while it is decoded. A second at 16 kHz takes
    64 kB in memory and in messages, where a stereo recording at 96 kHz has 768 kB.

    Args:
        path: a file, or a pipe such as ``/dev/stdin``. A pipe is read to its end before decoding begins.
        sample_rate: rate of the result in Hz.
        longest_s: refuse longer recordings, in seconds.

    Returns:
        Mono float32 audio at ``sample_rate`` Hz that begins at 0 s.

    Raises:
        InputError: the file cannot be opened, is not audio, is damaged, truncated, too long or too short, or holds
            samples that are not finite. The message begins with the path.
    """
    try:
        with path.open("rb") as opened, _seekable(opened, longest_s) as file:
            audio = Audio(_decode(file, sample_rate, longest_s), sample_rate)
        check_audio(audio)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # Decoders of lossy formats exceed full scale a little.
    return Audio(np.clip(audio.samples, -1.0, 1.0), sample_rate, 0.0, audio.seconds)


@contextmanager
def _seekable(file: BinaryIO, longest_s: float) -> Iterator[IO[bytes]]:
    """Yields the file itself, or a temporary copy of what a pipe carries.

    A reader of m4a moves back and forth in the file, and a recording that was cut is recognised by its size.
    """
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISREG(mode):
        yield file
        return
    if not stat.S_ISFIFO(mode):
        raise InputError("is a terminal or another device; pass a file or a pipe")
    with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as copy:
        while chunk := file.read(_CHUNK_BYTES):
            if copy.tell() + len(chunk) > longest_s * _MAX_BYTES_PER_S:
                raise InputError(
                    f"carries more than {longest_s * _MAX_BYTES_PER_S / 1e6:.0f} MB, more than {longest_s:g} s of "
                    "sound; cut it into shorter recordings"
                )
            try:
                copy.write(chunk)
            except OSError as error:
                raise InputError(
                    f"cannot be copied to {tempfile.gettempdir()} ({error.strerror}); set TMPDIR to a larger disk"
                ) from error
        yield copy


def _decode(file: IO[bytes], sample_rate: int, longest_s: float) -> Samples:
    import av

    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size == 0:
        raise InputError("is empty; record or copy it again")
    _refuse_truncated_riff(file, size)
    try:
        container = av.open(file, "r", metadata_errors="ignore", options={"format_whitelist": _CONTAINERS})
    except (av.FFmpegError, ValueError) as error:
        raise InputError("is not audio, or is damaged at its beginning; pass wav, flac, mp3, ogg or m4a") from error
    with container:
        if not container.streams.audio:
            raise InputError("holds no audio stream; pass a file with sound")
        stream = container.streams.audio[0]
        channels = stream.codec_context.channels
        if channels > _MAX_CHANNELS:
            raise InputError(f"has {channels} channels, more than {_MAX_CHANNELS}; export fewer of them")
        # An order of channels that the file itself defines, as AIFF may, is a list in memory. PyAV frees it twice, once
        # with the frame and once with the frame's layout, and the process crashes. Mixing needs no order.
        stream.codec_context.layout = f"{channels} channels"
        stream.codec_context.layout = f"{stream.codec_context.channels} channels"
        promised_s = container.duration / av.time_base if container.duration else 0.0
        blocks: list[Samples] = []
        decoded = 0
        try:
            for block in mono_blocks(container.decode(stream), sample_rate):
                blocks.append(block)
                decoded += len(block)
                if decoded > longest_s * sample_rate:
                    raise InputError(f"is longer than {longest_s:g} s; cut it into shorter files")
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"is damaged or truncated after {decoded / sample_rate:.1f} s; copy it again or re-encode it"
            ) from error
    missing_s = promised_s - decoded / sample_rate
    if missing_s > _MISSING_TOLERANCE_S:
        raise InputError(
            f"is truncated: its header promises {promised_s:.1f} s and {missing_s:.1f} s of that are missing; "
            "copy it again or re-encode it"
        )
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _refuse_truncated_riff(file: IO[bytes], size: int) -> None:
    """Compares the size in the header of a WAV file with the file's. FFmpeg reads a cut file without an error."""
    header = file.read(8)
    file.seek(0)
    promised = int.from_bytes(header[4:8], "little") + 8
    # Programs that write to a pipe do not know the size and write a very large number.
    if header[:4] == b"RIFF" and size < promised < _UNKNOWN_RIFF_BYTES:
        raise InputError(f"is truncated: its header promises {promised} bytes, it has {size}; copy it again")


def write_wav(path: Path, audio: Audio) -> None:
    """Writes mono 16-bit PCM at the sample rate of the audio.

    A reader never sees an incomplete file. Sound with a peak above full scale is scaled down as a whole, because
    clipping would distort it.

    Raises:
        RelevoError: the file cannot be written, for instance because the disk is full.
        InputError: a sample is NaN or infinite.
    """
    peak = float(np.abs(audio.samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise InputError(f"{path}: not written, because the audio has samples that are NaN or infinite")
    pcm = np.round(audio.samples * (32767 / max(peak, 1.0))).astype("<i2")
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with temporary.open("xb") as file, wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(audio.sample_rate)
            wav.writeframes(pcm.tobytes())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RelevoError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error
