import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.audio.speech_segments import SampleRange, cut_at_pauses, speech_ranges
from modules.audio.waveform import SPEECH_RATE as RATE


def spans(*seconds: tuple[float, float]) -> list[SampleRange]:
    return [SampleRange(round(start * RATE), round(end * RATE)) for start, end in seconds]


def in_seconds(segments: list[SampleRange]) -> list[tuple[float, float]]:
    return [(segment.start / RATE, segment.end / RATE) for segment in segments]


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def test_speech_that_fits_is_one_segment_with_the_silence_around_it_trimmed():
    assert in_seconds(cut_at_pauses(silence(20), spans((5, 7), (7.5, 9)), 12)) == [(4, 10)]


def test_a_long_recording_is_cut_at_the_longest_pause_of_the_second_half():
    speech = spans((0, 2), (3.9, 6), (6.2, 7), (7.8, 9), (9.2, 15))

    assert in_seconds(cut_at_pauses(silence(15), speech, 12)) == [(0, 7.4), (7.4, 15)]


def test_a_very_long_pause_ends_a_segment_that_could_go_on():
    assert in_seconds(cut_at_pauses(silence(10), spans((1, 3), (6, 8)), 12)) == [(0, 4), (5, 9)]


def test_speech_without_a_pause_is_cut_where_it_is_quietest():
    noise = np.random.default_rng(0).uniform(-1, 1, 20 * RATE).astype(np.float32)
    noise[round(8.0 * RATE) : round(8.2 * RATE)] *= 0.1

    (first, second) = cut_at_pauses(noise, spans((0, 20)), 14)

    assert 8.0 < first.end / RATE < 8.2
    assert first.end == second.start


def test_the_first_segment_of_several_ends_at_the_first_pause_of_a_sentence():
    speech = spans((0, 0.5), (1, 1.6), (1.8, 3), (3.5, 6), (6.5, 9), (9.5, 14))

    # Not after half a second, nor at 0.2 s.
    assert in_seconds(cut_at_pauses(silence(15), speech, 12, 0.4))[0] == (0, 3.25)


@pytest.mark.parametrize(
    "speech",
    [
        pytest.param([(0, 2), (2.5, 4), (4.5, 6)], id="it fits in one segment"),
        pytest.param([(0, 4), (4.2, 7), (7.3, 11), (11.2, 15)], id="no pause is long enough"),
        pytest.param([(0, 14), (14.5, 16)], id="the pause comes too late"),
    ],
)
def test_otherwise_the_first_segment_is_as_long_as_the_others(speech):
    assert cut_at_pauses(silence(17), spans(*speech), 12, 0.4) == cut_at_pauses(silence(17), spans(*speech), 12)


def test_no_speech_gives_no_segment():
    assert cut_at_pauses(silence(5), [], 12, 0.4) == []


@given(
    st.lists(st.tuples(st.floats(0.05, 3), st.floats(0.1, 40)), min_size=1, max_size=12),
    st.sampled_from([4.0, 12.0, 28.0]),
    st.sampled_from([None, 0.1, 1.0]),
)
def test_every_sample_of_speech_is_in_exactly_one_segment_and_none_is_too_long(
    pauses_and_lengths, longest_s, first_pause_s
):
    speech = []
    now = 0.0
    for pause, length in pauses_and_lengths:
        speech.append((now + pause, now + pause + length))
        now += pause + length
    found = spans(*speech)
    covered = np.zeros(found[-1].end + RATE, np.uint8)

    segments = cut_at_pauses(np.zeros(len(covered), np.float32), found, longest_s, first_pause_s)

    for segment in segments:
        covered[segment.start : segment.end] += 1
        assert 0 < len(segment) <= longest_s * RATE
    assert covered.max() == 1
    assert all(covered[span.start : span.end].all() for span in found)


@pytest.mark.parametrize("kind", ["silence", "white noise", "hum"])
def test_sound_without_speech_has_no_spans(kind):
    time = np.arange(5 * RATE) / RATE
    sound = {
        "silence": np.zeros(5 * RATE),
        "white noise": 0.1 * np.random.default_rng(0).standard_normal(5 * RATE),
        "hum": 0.5 * np.sin(2 * np.pi * 50 * time),
    }[kind]

    assert speech_ranges(sound.astype(np.float32)) == []
