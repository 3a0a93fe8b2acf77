"""Recordings of many channels are mixed to mono; read in a process of their own, because a fault there is a crash."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from checkout import ROOT

RATE = 16_000
LEVEL = 0.5
# WAVE format tag, bytes a sample, and how float samples become it.
PACKED = {
    "u8": (1, 1, lambda x: (x * 127 + 128).round().astype("u1")),
    "s16": (1, 2, lambda x: (x * 32767).astype("<i2")),
    "s24": (1, 3, lambda x: np.ascontiguousarray((x * 8388607).astype("<i4")).view("u1").reshape(-1, 4)[:, :3]),
    "s32": (1, 4, lambda x: (x * 2147483647).astype("<i4")),
    "f32": (3, 4, lambda x: x.astype("<f4")),
    "f64": (3, 8, lambda x: x.astype("<f8")),
}
READ_ALL = """
import json, sys
from pathlib import Path
from errors import InputError
from modules.audio.files import read_audio
import numpy as np

results = {}
for name in sys.argv[1:]:
    for _ in range(3):  # memory that is freed twice is noticed later
        try:
            audio = read_audio(Path(name))
            results[Path(name).name] = [audio.seconds, float(np.abs(audio.samples).max())]
        except InputError as error:
            results[Path(name).name] = str(error)
print(json.dumps(results))
"""


def one_loud_channel(channels: int) -> np.ndarray:
    """A second of a tone in the first of several channels, of shape (samples, channels)."""
    sound = np.zeros((RATE, channels))
    sound[:, 0] = LEVEL * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    return sound


def write_packed(path: Path, channels: int, kind: str) -> None:
    """A WAV file that names no order of its channels; `wave` writes neither floats nor more than 32 bits."""
    tag, width, convert = PACKED[kind]
    data = convert(one_loud_channel(channels)).tobytes()
    form = struct.pack("<HHIIHH", tag, channels, RATE, RATE * channels * width, channels * width, 8 * width)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)


def write_encoded(path: Path, layout: str, codec: str) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout=layout)
        sound = one_loud_channel(av.AudioLayout(layout).nb_channels).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format, layout, RATE, frame_size=stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float] | str]:
    """By file name, the length in seconds and the peak of each recording."""
    folder = tmp_path_factory.mktemp("channels")
    for channels in range(1, 18):
        write_packed(folder / f"{channels}.wav", channels, "s16")
    for kind in PACKED:
        for channels in (2, 8, 64):
            write_packed(folder / f"{kind}-{channels}.wav", channels, kind)
    write_packed(folder / "65.wav", 65, "s16")
    for layout in ("mono", "stereo", "5.1", "7.1"):
        for name, codec in (("flac", "flac"), ("m4a", "aac"), ("ogg", "libopus"), ("aiff", "pcm_s16be")):
            write_encoded(folder / f"{layout}.{name}", layout, codec)
    command = [sys.executable, "-c", READ_ALL, *sorted(folder.iterdir())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("channels", range(1, 18))
def test_any_number_of_channels_is_averaged(read, channels):
    assert read[f"{channels}.wav"] == [1.0, pytest.approx(LEVEL / channels, rel=0.01)]


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("channels", [2, 8, 64])
def test_every_sample_format_is_averaged(read, kind, channels):
    assert read[f"{kind}-{channels}.wav"] == [1.0, pytest.approx(LEVEL / channels, rel=0.01)]


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "7.1"])
@pytest.mark.parametrize("suffix", ["flac", "m4a", "ogg", "aiff"])
def test_planar_codecs_and_orders_of_the_file_s_own_are_averaged(read, layout, suffix):
    channels = av.AudioLayout(layout).nb_channels
    assert read[f"{layout}.{suffix}"] == [pytest.approx(1.0, abs=0.15), pytest.approx(LEVEL / channels, rel=0.1)]


def test_more_channels_than_can_be_mixed_are_refused_by_number(read):
    assert "65.wav: has 65 channels, more than 64" in read["65.wav"]
