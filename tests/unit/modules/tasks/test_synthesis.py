from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from errors import InputError
from modules.contract.payloads import Audio, Note, Payload, Text
from modules.tasks.synthesis import Phrase, SentenceOptions, Utterance, sentence_phrases, synthesise

RATE = 100
OPTIONS = SentenceOptions(language="de", pause_s=0.1, max_chars=40)


class Voice:
    """Says a word of n letters as n samples, is mute on digits, and remembers what it was asked in one call."""

    def __init__(self, level: float = 0.5) -> None:
        self.level = level
        self.calls: list[list[str]] = []

    def __call__(self, phrases: Sequence[str]) -> Iterator[Utterance]:
        self.calls.append(list(phrases))
        for phrase in phrases:
            digits = "".join(filter(str.isdigit, phrase))
            notes = (Note("unspoken", digits),) if digits else ()
            letters = sum(map(str.isalpha, phrase))
            yield Utterance(np.full(letters, self.level, np.float32) if letters else None, notes)


def told(batch: Sequence[Payload], voice: Voice, together: bool = False) -> list[tuple[int, Payload | InputError]]:
    return list(synthesise(batch, lambda text: sentence_phrases(text, OPTIONS), voice, RATE, together=together))


def test_each_sentence_is_sound_and_pause_on_the_texts_time_line() -> None:
    outputs = told([Text("Guten Tag. Ja!", "de-DE", 1.0, 2.0)], Voice())

    assert [(position, len(audio.samples)) for position, audio in outputs] == [(0, 8 + 10), (0, 2 + 10)]
    for _, audio in outputs:
        assert (audio.sample_rate, audio.start_s, audio.end_s) == (RATE, 1.0, 2.0)
        assert not audio.samples[-10:].any()


def test_sound_beyond_full_scale_is_scaled_down_and_other_sound_left_alone() -> None:
    ((_, loud),) = told([Text("Ja.", "de")], Voice(2.3))
    ((_, soft),) = told([Text("Ja.", "de")], Voice(0.2))

    assert loud.samples.max() == 1.0
    assert soft.samples.max() == np.float32(0.2)


@pytest.mark.parametrize(
    ("together", "calls", "order"),
    [
        (False, [["Eins."], ["Zwei."], ["Drei."]], [0, 0, 1]),
        (True, [["Eins.", "Drei."], ["Zwei."]], [0, 1, 0]),
    ],
)
def test_a_batch_is_said_text_by_text_or_sentence_by_sentence(together, calls, order) -> None:
    voice = Voice()
    outputs = told([Text("Eins. Zwei.", "de"), Text("Drei.", "de")], voice, together)

    assert voice.calls == calls
    assert [position for position, _ in outputs] == order


def test_notes_of_a_mute_sentence_come_with_the_next_sound() -> None:
    earlier = Note("truncated", "the translator stopped")
    outputs = told([Text("12. Ja! Nein!", "de", notes=(earlier,))], Voice())

    assert [audio.notes for _, audio in outputs] == [(earlier, Note("unspoken", "12")), ()]


def test_an_empty_text_never_reaches_the_voice() -> None:
    voice = Voice()

    assert told([Text("", "de"), Text(" … ?!", "de")], voice) == []
    assert voice.calls == []


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (Text("12.", "de"), "nothing in '12.' can be spoken"),
        (Text("Hello.", "en"), "speaks de, not 'en'"),
        (Audio(np.zeros(9, np.float32), 16000), "not Audio"),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_what_cannot_be_spoken_ends_that_text_alone(payload, message, together) -> None:
    outputs = dict(told([payload, Text("Ja.", "de")], Voice(), together))

    assert isinstance(outputs[0], InputError)
    assert message in str(outputs[0])
    assert isinstance(outputs[1], Audio)


def test_phrases_need_no_pause() -> None:
    ((_, audio),) = synthesise([Text("Ja", "de")], lambda text: ([Phrase(text.text)], ()), Voice(), RATE)

    assert len(audio.samples) == 2
