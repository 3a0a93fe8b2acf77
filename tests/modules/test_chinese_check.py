import pytest

from errors import InputError
from modules.chinese_check import checked, fault
from modules.payloads import Note, Text
from modules.translation import Translation, translate


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


def test_an_answer_that_is_not_chinese_is_asked_for_again_without_latin():
    model = FakeModel({"How are you?": "I am fine."}, {"How are you?": "你好吗？"})

    ((_, text),) = translate([english("How are you?")], checked(model, "names"))

    assert text.text == "你好吗？"
    assert [note.kind for note in text.notes] == ["second_pass"]
    assert "I am fine." in text.notes[0].detail
    assert model.calls == [(["How are you?"], False), (["How are you?"], True)]


def test_an_answer_that_is_still_not_chinese_is_kept_and_noted():
    ((_, text),) = translate(
        [english("Three out of five")],
        checked(FakeModel({"Three out of five": "3/5"}, {"Three out of five": "3/5"}), "names"),
    )

    assert text.text == "3/5"
    assert [note.kind for note in text.notes] == ["unspoken"]


def test_no_answer_at_all_is_an_error_and_not_silence():
    ((_, error),) = translate([english("Hm what")], checked(FakeModel({"Hm what": ""}, {"Hm what": ""}), "names"))

    assert isinstance(error, InputError)
    assert "Hm what" in str(error)


def test_only_the_faulty_sentences_are_translated_again():
    model = FakeModel({"The pasta is good.": "Pasta很好。"}, {"The pasta is good.": "面很好。"})

    outputs = dict(translate([english("Hello."), english("The pasta is good.")], checked(model, "names")))

    assert (outputs[0].text, outputs[1].text) == ("译6", "面很好。")
    assert model.calls[1] == (["The pasta is good."], True)


def test_never_forbids_latin_from_the_start():
    model = FakeModel()

    list(translate([english("Hello.")], checked(model, "never")))

    assert model.calls == [(["Hello."], True)]


@pytest.mark.parametrize(
    ("source", "answer", "latin", "found"),
    [
        ("The town is Villidalgo.", "镇是Villidalgo。", "names", None),
        ("My sister Lucía lives in Málaga.", "我妹妹 Lucía住在 Málaga。", "names", None),
        ("The café is open.", "café开门了。", "names", "leaves café untranslated"),
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
