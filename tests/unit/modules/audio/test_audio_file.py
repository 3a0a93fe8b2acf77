import errno
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from errors import InputError, RelevoError
from modules.audio.files import read_audio, write_wav
from modules.audio.waveform import SPEECH_RATE
from modules.contract.payloads import Audio

CODECS = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "ogg": "libopus", "m4a": "aac"}


def tone(sample_rate: int, seconds: float = 2.0, hz: float = 440.0, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(sample_rate * seconds)) / sample_rate)).astype(np.float32)


def encode(path: Path, channels: np.ndarray, sample_rate: int, codec: str | None = None) -> Path:
    """Writes channels of shape (1 or 2, n) with the codec that goes with the file's suffix."""
    layout = "stereo" if len(channels) == 2 else "mono"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or CODECS[path.suffix[1:]], rate=sample_rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(stream.format, layout, sample_rate, frame_size=stream.frame_size or None)
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            for packet in stream.encode(piece):
                container.mux(packet)
    return path


def pitch(audio: Audio) -> float:
    """Frequency in Hz of the strongest partial."""
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return float(np.argmax(spectrum)) * audio.sample_rate / len(audio.samples)


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_every_format_is_read_as_mono_at_the_speech_rate(tmp_path, suffix, channels, rate):
    path = encode(tmp_path / f"tone.{suffix}", np.stack([tone(rate)] * channels), rate)

    audio = read_audio(path)

    assert audio.sample_rate == SPEECH_RATE
    # AAC at 8 kHz adds a frame of 128 ms before and after.
    assert audio.seconds == pytest.approx(2.0, abs=0.2)
    assert (audio.start_s, audio.end_s) == (0.0, audio.seconds)
    assert pitch(audio) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(audio.samples**2)) == pytest.approx(0.3 / np.sqrt(2), abs=0.02)


def test_96_khz_is_resampled_without_folding_ultrasound_into_speech(tmp_path):
    path = encode(tmp_path / "bat.wav", np.stack([tone(96_000, hz=20_000)] * 2), 96_000)

    assert np.abs(read_audio(path).samples[1000:-1000]).max() < 0.01


def test_channels_are_averaged(tmp_path):
    left, right = tone(SPEECH_RATE, level=0.8), np.zeros(2 * SPEECH_RATE, np.float32)
    path = encode(tmp_path / "left.flac", np.stack([left, right]), SPEECH_RATE)

    assert np.abs(read_audio(path).samples).max() == pytest.approx(0.4, abs=0.01)


def test_the_sample_rate_can_be_chosen(tmp_path):
    path = encode(tmp_path / "tone.wav", tone(48_000)[None], 48_000)

    assert read_audio(path, sample_rate=24_000).sample_rate == 24_000


def unreadable(tmp_path: Path, case: str) -> Path:
    path = tmp_path / f"{case}.wav"
    match case:
        case "text":
            path.write_text("this is no sound " * 100)
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "short":
            encode(path, tone(SPEECH_RATE, seconds=0.1)[None], SPEECH_RATE)
        case "nan":
            encode(path, np.full((1, SPEECH_RATE), np.nan, np.float32), SPEECH_RATE, codec="pcm_f32le")
        case "playlist":
            sound = encode(tmp_path / "tone.wav", tone(SPEECH_RATE)[None], SPEECH_RATE)
            path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{sound}\n#EXT-X-ENDLIST\n")
        case "picture":
            with av.open(str(path), "w", format="matroska") as container:
                stream = container.add_stream("rawvideo", rate=1, width=16, height=16, pix_fmt="yuv420p")
                container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
    return path


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("text", "is not audio"),
        ("empty", "empty"),
        ("folder", "Is a directory"),
        ("missing", "No such file"),
        ("short", "too short"),
        ("nan", "NaN"),
        ("playlist", "is not audio"),
        ("picture", "no audio stream"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path, case, complaint):
    path = unreadable(tmp_path, case)

    with pytest.raises(InputError) as refused:
        read_audio(path)

    assert str(refused.value).startswith(f"{path}: ")
    assert complaint in str(refused.value)


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    def deny(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)

    with pytest.raises(InputError, match="Permission denied"):
        read_audio(tmp_path / "secret.wav")


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "m4a"])
def test_a_truncated_file_is_refused_and_not_read_as_a_shorter_one(tmp_path, suffix):
    path = encode(tmp_path / f"tone.{suffix}", tone(44_100)[None], 44_100)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError, match=r"truncated|damaged"):
        read_audio(path)


def test_a_wav_whose_length_was_unknown_to_its_writer_is_read(tmp_path):
    path = encode(tmp_path / "pipe.wav", tone(SPEECH_RATE)[None], SPEECH_RATE)
    data = bytearray(path.read_bytes())
    start = data.index(b"data") + 4
    data[4:8] = data[start : start + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)

    assert read_audio(path).seconds == pytest.approx(2.0, abs=0.01)


def test_a_file_over_the_limit_is_refused(tmp_path):
    path = encode(tmp_path / "tone.wav", tone(SPEECH_RATE)[None], SPEECH_RATE)

    with pytest.raises(InputError, match="longer than 1 s"):
        read_audio(path, longest_s=1.0)


def test_a_written_file_is_16_bit_pcm_and_reads_back(tmp_path):
    path = tmp_path / "out.wav"

    write_wav(path, Audio(tone(24_000), 24_000))

    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.getnframes()) == (1, 2, 24_000, 48_000)
    assert read_audio(path, sample_rate=24_000).samples == pytest.approx(tone(24_000), abs=1e-4)


def test_peaks_over_full_scale_are_turned_down_not_clipped(tmp_path):
    path = tmp_path / "loud.wav"
    loud = tone(24_000, level=2.3)

    write_wav(path, Audio(loud, 24_000))

    assert read_audio(path, sample_rate=24_000).samples == pytest.approx(loud / 2.3, abs=1e-3)


def test_nothing_is_written_of_broken_samples(tmp_path):
    with pytest.raises(InputError, match="NaN"):
        write_wav(tmp_path / "nan.wav", Audio(np.full(100, np.nan, np.float32), 24_000))

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error_and_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.wav"
    path.write_bytes(b"old")

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", fill)

    with pytest.raises(RelevoError, match=r"out\.wav: cannot be written \(No space left on device\)"):
        write_wav(path, Audio(tone(24_000), 24_000))

    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("out.wav", b"old")]
