import numpy as np
import pytest

from errors import InputError
from modules.contract.payloads import Audio, Note, Text
from modules.tasks.translation import Translation, translate


class LengthModel:
    """Answers with the length of a sentence; remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, sentences: list[str]) -> list[Translation]:
        self.calls.append(sentences)
        return [Translation(f"译{len(sentence)}", finished=True) for sentence in sentences]


def english(text: str, start_s: float = 0.0, end_s: float = 0.0, notes: tuple[Note, ...] = ()) -> Text:
    return Text(text, "en", start_s, end_s, notes)


def test_every_sentence_is_its_own_text_at_its_share_of_the_time_line():
    outputs = list(translate([english("Good day. It is ten.", 4.0, 6.0)], LengthModel()))

    assert [(position, text.text, text.language) for position, text in outputs] == [(0, "译9", "zh"), (0, "译10", "zh")]
    first, second = (text for _, text in outputs)
    assert first.start_s == 4.0
    assert first.end_s == second.start_s == pytest.approx(4.0 + 2.0 * 9 / 19)
    assert second.end_s == pytest.approx(6.0)


def test_first_sentences_of_a_batch_go_together_and_come_out_before_the_second():
    model = LengthModel()

    outputs = translate([english("One is here. Two is here."), english("Three.")], model)
    positions = [next(outputs)[0], next(outputs)[0]]

    assert positions == [0, 1]
    assert model.calls == [["One is here.", "Three."]]
    assert [position for position, _ in outputs] == [0]


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!"])
def test_text_without_words_yields_nothing_and_asks_nothing(text):
    model = LengthModel()

    assert list(translate([english(text)], model)) == []
    assert model.calls == []


@pytest.mark.parametrize("payload", [Text("hola", "es"), Audio(np.zeros(16000, np.float32), 16000)])
def test_anything_but_english_text_ends_alone_with_an_error(payload):
    outputs = dict(translate([payload, english("Hello."), Text("Hi.", "en-GB")], LengthModel()))

    assert isinstance(outputs[0], InputError)
    assert (outputs[1].text, outputs[2].text) == ("译6", "译3")


def test_notes_of_the_source_travel_with_its_first_sentence():
    note = Note("second_pass", "seen before")

    outputs = [text for _, text in translate([english("One is here. Two.", notes=(note,))], LengthModel())]

    assert [text.notes for text in outputs] == [(note,), ()]


def test_a_translation_that_stopped_at_its_limit_is_noted():
    ((_, text),) = translate([english("Long.")], lambda *_: [Translation("很长", finished=False)])

    assert [note.kind for note in text.notes] == ["truncated"]
    assert text.notes[0].detail.endswith("raise max_tokens")


def test_other_languages_are_taken_as_told():
    outputs = dict(translate([Text("Hola.", "es-MX"), english("Hello.")], LengthModel(), "es", "de", "max_new_tokens"))

    assert (outputs[0].text, outputs[0].language) == ("译5", "de")
    assert "'es'" in str(outputs[1])
