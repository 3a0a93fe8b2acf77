"""Recordings that come through pipes, and devices that are no recordings."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from errors import InputError
from modules.audio import files
from modules.audio.files import read_audio

RATE = 16_000


def wav(seconds: float) -> bytes:
    tone = 10_000 * np.sin(2 * np.pi * 440 * np.arange(round(RATE * seconds)) / RATE)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone.astype("<i2").tobytes())
    return content.getvalue()


@pytest.fixture
def fifo(tmp_path):
    """Makes a named pipe that carries some bytes, written by a thread because a pipe holds less than a recording."""
    threads = []

    def carrying(content: bytes) -> Path:
        path = tmp_path / "fifo"
        os.mkfifo(path)

        def write() -> None:
            with contextlib.suppress(BrokenPipeError), path.open("wb") as pipe:  # a reader may refuse the rest
                pipe.write(content)

        threads.append(threading.Thread(target=write))
        threads[-1].start()
        return path

    yield carrying
    for thread in threads:
        thread.join()


def test_a_recording_is_read_from_a_named_pipe_as_from_a_file(tmp_path, fifo):
    (tmp_path / "tone.wav").write_bytes(wav(5.0))

    from_pipe = read_audio(fifo(wav(5.0)))

    assert np.array_equal(from_pipe.samples, read_audio(tmp_path / "tone.wav").samples)


def test_a_recording_is_read_from_standard_input_or_another_open_pipe():
    read_end, write_end = os.pipe()
    os.write(write_end, wav(0.5))
    os.close(write_end)

    audio = read_audio(Path(f"/dev/fd/{read_end}"))

    os.close(read_end)
    assert audio.seconds == pytest.approx(0.5)


def test_a_pipe_that_carries_nothing_is_refused_as_empty(fifo):
    with pytest.raises(InputError, match="fifo: is empty"):
        read_audio(fifo(b""))


def test_a_recording_that_was_cut_on_its_way_through_a_pipe_is_refused(fifo):
    content = wav(5.0)

    with pytest.raises(InputError, match="fifo: is truncated"):
        read_audio(fifo(content[: len(content) // 2]))


def test_a_pipe_that_carries_more_than_the_longest_recording_is_refused(fifo, monkeypatch):
    monkeypatch.setattr(files, "_MAX_BYTES_PER_S", 1_000)

    with pytest.raises(InputError, match=r"fifo: carries more than 0 MB, more than 2 s of sound"):
        read_audio(fifo(wav(20.0)), longest_s=2.0)


def test_a_full_disk_is_named_where_a_pipe_is_copied(fifo, monkeypatch):
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", fill)

    with pytest.raises(InputError, match=r"fifo: cannot be copied to \S+ \(No space left on device\); set TMPDIR"):
        read_audio(fifo(wav(0.5)))


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused_as_one(device):
    with pytest.raises(InputError, match=f"{device}: is a terminal or another device; pass a file or a pipe"):
        read_audio(Path(device))


def test_a_terminal_is_refused_as_one():
    controller, terminal = os.openpty()

    with pytest.raises(InputError, match="is a terminal or another device"):
        read_audio(Path(os.ttyname(terminal)))

    os.close(controller)
    os.close(terminal)
