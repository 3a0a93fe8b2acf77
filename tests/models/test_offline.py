"""The whole relay on the real offline weights: what a user puts in, and what a careless one does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

from checkout import ROOT

HAN = re.compile(r"[\u4e00-\u9fff]")
SPEECH = ROOT / "samples" / "01_farmacia.flac"


def write_wav(path, samples, rate, channels=1):
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def write_float_wav(path, samples, rate):
    import av

    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = rate
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def test_speech_of_any_kind_is_translated_and_bad_input_fails_alone(tmp_path):
    from modules.audio.files import read_audio

    narrow = read_audio(SPEECH, sample_rate=8_000)
    wide = read_audio(SPEECH, sample_rate=96_000)
    noise = 0.02 * np.random.default_rng(0).standard_normal(3 * 16_000)
    garbage = tmp_path / "garbage.mp3"
    garbage.write_bytes(bytes(range(256)) * 20)
    spoken = [
        SPEECH,
        write_wav(tmp_path / "narrow.wav", narrow.samples, 8_000),
        write_wav(tmp_path / "wide.wav", np.repeat(wide.samples, 2), 96_000, channels=2),
    ]
    unspoken = [
        write_wav(tmp_path / "silence.wav", np.zeros(2 * 16_000), 16_000),
        write_wav(tmp_path / "noise.wav", noise, 16_000),
    ]
    bad = [
        garbage,
        write_float_wav(tmp_path / "nan.wav", np.full(16_000, np.nan, np.float32), 16_000),
        write_wav(tmp_path / "short.wav", narrow.samples[:800], 8_000),
    ]
    report_file = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable, ROOT / "pipeline.py", "run", *spoken, *unspoken, *bad,
            "--config", ROOT / "pipelines" / "offline.yaml", "--output", tmp_path / "out", "--report", report_file,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    clips = {Path(clip["file"]).name: clip for clip in json.loads(report_file.read_text())["clips"]}
    for path in spoken:
        clip = clips[path.name]
        assert clip["outcome"] == "ok", clip
        assert "pharmacy" in clip["texts"]["listen"].lower()
        assert HAN.search(clip["texts"]["translate"])
        assert clip["time_to_first_audio_s"] < clip["latency_s"]
        with wave.open(clip["wav"]) as wav:
            assert wav.getframerate() == 24_000
            assert np.abs(np.frombuffer(wav.readframes(wav.getnframes()), "<i2")).max() > 1000
    for path in unspoken:
        clip = clips[path.name]
        assert (clip["outcome"], clip["texts"], clip["wav"]) == ("ok", {}, None), clip
    for path in bad:
        clip = clips[path.name]
        assert clip["outcome"] == "failed"
        assert path.name in clip["error"]
    assert "NaN" in clips["nan.wav"]["error"]
