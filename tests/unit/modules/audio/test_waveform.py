import numpy as np
import pytest

from errors import InputError
from modules.audio.waveform import SHORTEST_S, SPEECH_RATE, check_audio, resample
from modules.contract.payloads import Audio


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        (np.zeros(0, np.float32), "too short"),
        (np.zeros(round((SHORTEST_S - 0.01) * SPEECH_RATE), np.float32), "too short"),
        (np.r_[np.zeros(SPEECH_RATE, np.float32), np.float32("nan")], "1 of 16001 samples are NaN"),
        (np.full(SPEECH_RATE, np.inf, np.float32), "infinite"),
        (np.full(SPEECH_RATE, 12_000, np.float32), "full scale is 1"),
    ],
)
def test_unusable_audio_is_refused(samples, complaint):
    with pytest.raises(InputError, match=complaint):
        check_audio(Audio(samples, SPEECH_RATE))


def test_a_little_overshoot_is_accepted():
    check_audio(Audio(np.full(SPEECH_RATE, 1.1, np.float32), SPEECH_RATE))


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 96_000])
def test_resampling_keeps_length_and_level(rate):
    sound = (0.5 * np.sin(2 * np.pi * 300 * np.arange(rate) / rate)).astype(np.float32)

    samples = resample(Audio(sound, rate), SPEECH_RATE)

    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(SPEECH_RATE, abs=2)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)


def test_audio_at_the_wanted_rate_is_not_copied():
    audio = Audio(np.zeros(SPEECH_RATE, np.float32), SPEECH_RATE)

    assert resample(audio, SPEECH_RATE) is audio.samples
