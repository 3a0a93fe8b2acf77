import pytest

from modules.tasks.hypothesis import Hypothesis, Thresholds, accept_or_retry

LIMITS = Thresholds(log_probability=-1.0, compression_ratio=2.4, no_speech=0.6)


def reading(text="A calm and ordinary sentence.", log_probability=-0.3, no_speech=0.1, finished=True) -> Hypothesis:
    return Hypothesis(text, log_probability, no_speech, tokens=9, finished=finished)


LOOP = reading("and so on and so on " * 20)


def never() -> Hypothesis:
    raise AssertionError("a second reading was made")


@pytest.mark.parametrize(
    ("doubtful", "reason"),
    [
        (reading(log_probability=-1.1), "log-probability -1.10 is below -1"),
        (LOOP, "compression ratio"),
        (reading(no_speech=0.7), "probability of silence 0.70"),
        (reading(finished=False), "no end within 9 tokens"),
    ],
)
def test_a_doubtful_reading_is_made_again_and_the_note_says_why(doubtful, reason):
    second = reading("The second reading.")

    best, notes = accept_or_retry(doubtful, lambda: second, LIMITS)

    assert best is second
    assert [note.kind for note in notes] == ["second_pass"]
    assert reason in notes[0].detail
    assert notes[0].detail.endswith("kept the second hypothesis")


def test_a_trusted_reading_is_not_made_again():
    assert accept_or_retry(reading(), never, LIMITS) == (reading(), ())


@pytest.mark.parametrize("limits", [Thresholds(-1.2, 2.4, 0.6), Thresholds(-2, 2.4, 0.6)])
def test_thresholds_decide_what_is_doubtful(limits):
    assert reading(log_probability=-1.1).doubts(limits) == []


def test_a_second_reading_that_loops_does_not_replace_an_unlikely_first():
    best, notes = accept_or_retry(reading(log_probability=-1.1), lambda: reading(LOOP.text, -1.5), LIMITS)

    assert best.text == reading().text
    assert notes[0].detail.endswith("kept the first hypothesis")


def test_of_two_doubtful_readings_the_likelier_is_kept():
    likelier = reading(log_probability=-1.1)

    assert accept_or_retry(reading(log_probability=-1.4), lambda: likelier, LIMITS)[0] is likelier


def test_a_reading_that_never_ends_is_noted_as_truncated():
    endless = reading(finished=False)

    assert [note.kind for note in accept_or_retry(endless, lambda: endless, LIMITS)[1]] == ["second_pass", "truncated"]
    assert [note.kind for note in accept_or_retry(endless, None, LIMITS)[1]] == ["truncated"]


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "silence"), [(0.9, -1.2, True), (0.9, -0.3, False), (0.1, -1.2, False)]
)
def test_silence_needs_both_scores(no_speech, log_probability, silence):
    assert reading(no_speech=no_speech, log_probability=log_probability).is_silence(LIMITS) is silence
