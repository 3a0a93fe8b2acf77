import numpy as np
import pytest

from errors import InputError
from modules.payloads import Audio, Note, Text
from modules.translation import Translation, fault, translate


class FakeModel:
    """Answers from a table; where Latin is forbidden, from a second one. Remembers what it was asked."""

    def __init__(self, answers: dict[str, str] | None = None, without_latin: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.without_latin = without_latin or {}
        self.calls: list[tuple[list[str], bool]] = []

    def __call__(self, sentences: list[str], forbid_latin: bool) -> list[Translation]:
        self.calls.append((sentences, forbid_latin))
        table = self.without_latin if forbid_latin else self.answers
        return [Translation(table.get(sentence, f"译{len(sentence)}"), finished=True) for sentence in sentences]


def english(text: str, start_s: float = 0.0, end_s: float = 0.0, notes: tuple[Note, ...] = ()) -> Text:
    return Text(text, "en", start_s, end_s, notes)


def test_every_sentence_is_its_own_text_at_its_share_of_the_time_line():
    outputs = list(translate([english("Good day. It is ten.", 4.0, 6.0)], FakeModel(), "names"))

    assert [(position, text.text, text.language) for position, text in outputs] == [(0, "译9", "zh"), (0, "译10", "zh")]
    first, second = (text for _, text in outputs)
    assert first.start_s == 4.0
    assert first.end_s == second.start_s == pytest.approx(4.0 + 2.0 * 9 / 19)
    assert second.end_s == pytest.approx(6.0)


def test_first_sentences_of_a_batch_go_together_and_come_out_before_the_second():
    model = FakeModel()

    outputs = translate([english("One is here. Two is here."), english("Three.")], model, "names")
    positions = [next(outputs)[0], next(outputs)[0]]

    assert positions == [0, 1]
    assert model.calls == [(["One is here.", "Three."], False)]
    assert [position for position, _ in outputs] == [0]


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!"])
def test_text_without_words_yields_nothing_and_asks_nothing(text):
    model = FakeModel()

    assert list(translate([english(text)], model, "names")) == []
    assert model.calls == []


@pytest.mark.parametrize("payload", [Text("hola", "es"), Audio(np.zeros(16000, np.float32), 16000)])
def test_anything_but_english_text_ends_alone_with_an_error(payload):
    outputs = dict(translate([payload, english("Hello."), Text("Hi.", "en-GB")], FakeModel(), "names"))

    assert isinstance(outputs[0], InputError)
    assert (outputs[1].text, outputs[2].text) == ("译6", "译3")


def test_an_answer_that_is_not_chinese_is_asked_for_again_without_latin():
    model = FakeModel({"How are you?": "I am fine."}, {"How are you?": "你好吗？"})

    ((_, text),) = translate([english("How are you?")], model, "names")

    assert text.text == "你好吗？"
    assert [note.kind for note in text.notes] == ["second_pass"]
    assert "I am fine." in text.notes[0].detail
    assert model.calls == [(["How are you?"], False), (["How are you?"], True)]


def test_an_answer_that_is_still_not_chinese_is_kept_and_noted():
    ((_, text),) = translate(
        [english("Three out of five")], FakeModel({"Three out of five": "3/5"}, {"Three out of five": "3/5"}), "names"
    )

    assert text.text == "3/5"
    assert [note.kind for note in text.notes] == ["unspoken"]


def test_no_answer_at_all_is_an_error_and_not_silence():
    ((_, error),) = translate([english("Hm what")], FakeModel({"Hm what": ""}, {"Hm what": ""}), "names")

    assert isinstance(error, InputError)
    assert "Hm what" in str(error)


def test_only_the_faulty_sentences_are_translated_again():
    model = FakeModel({"The pasta is good.": "Pasta很好。"}, {"The pasta is good.": "面很好。"})

    outputs = dict(translate([english("Hello."), english("The pasta is good.")], model, "names"))

    assert (outputs[0].text, outputs[1].text) == ("译6", "面很好。")
    assert model.calls[1] == (["The pasta is good."], True)


def test_never_forbids_latin_from_the_start():
    model = FakeModel()

    list(translate([english("Hello.")], model, "never"))

    assert model.calls == [(["Hello."], True)]


@pytest.mark.parametrize(
    ("source", "answer", "latin", "found"),
    [
        ("The town is Villidalgo.", "镇是Villidalgo。", "names", None),
        ("Pasta is good.", "Pasta很好。", "names", "leaves Pasta untranslated"),
        ("The network failed.", "network坏了。", "names", "leaves network untranslated"),
        ("The network failed.", "network坏了。", "keep", None),
        ("NASA called.", "NASA打电话。", "names", None),
        ("I agree.", "I同意。", "names", "leaves I untranslated"),
        ("12.5", "12.5", "names", None),
        ("Twelve.", "12", "keep", "has no Chinese character"),
    ],
)
def test_faults(source, answer, latin, found):
    assert fault(source, answer, latin) == found


def test_notes_of_the_source_travel_with_its_first_sentence():
    note = Note("second_pass", "seen before")

    outputs = [text for _, text in translate([english("One is here. Two.", notes=(note,))], FakeModel(), "names")]

    assert [text.notes for text in outputs] == [(note,), ()]


def test_a_translation_that_stopped_at_its_limit_is_noted():
    ((_, text),) = translate([english("Long.")], lambda *_: [Translation("很长", finished=False)], "names")

    assert [note.kind for note in text.notes] == ["truncated"]
