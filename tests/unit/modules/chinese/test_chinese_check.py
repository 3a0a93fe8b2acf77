import pytest

from errors import InputError
from modules.chinese.translation_check import NO_WORDS, translation_fault, with_second_pass
from modules.contract.payloads import Note, Text
from modules.tasks.translation import Translation, translate


class TableModel:
    """Answers from a table; where no Latin is allowed, from a second one. Remembers what it was asked."""

    def __init__(self, answers: dict[str, str] | None = None, without_latin: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.without_latin = without_latin or {}
        self.calls: list[tuple[list[str], frozenset[str] | None]] = []

    def __call__(self, sentences: list[str], allowed: frozenset[str] | None) -> list[Translation]:
        self.calls.append((sentences, allowed))
        table = self.without_latin if allowed == NO_WORDS else self.answers
        return [Translation(table.get(sentence, f"译{len(sentence)}"), finished=True) for sentence in sentences]


def english(text: str, start_s: float = 0.0, end_s: float = 0.0, notes: tuple[Note, ...] = ()) -> Text:
    return Text(text, "en", start_s, end_s, notes)


def test_an_answer_that_is_not_chinese_is_asked_for_again_without_latin():
    model = TableModel({"How are you?": "I am fine."}, {"How are you?": "你好吗？"})

    ((_, text),) = translate([english("How are you?")], with_second_pass(model, "keep"))

    assert text.text == "你好吗？"
    assert [note.kind for note in text.notes] == ["second_pass"]
    assert "I am fine." in text.notes[0].detail
    assert model.calls == [(["How are you?"], None), (["How are you?"], NO_WORDS)]


def test_only_the_names_of_the_english_text_are_allowed():
    model = TableModel()

    list(translate([english("My sister Lucía lives here."), english("So does Ana.")], with_second_pass(model, "names")))

    ((_, allowed),) = model.calls
    assert allowed == {"Lucía", "Ana"}


def test_nothing_is_asked_for_again_where_no_latin_was_allowed():
    model = TableModel(without_latin={"Three out of five": "3/5"})

    ((_, text),) = translate([english("Three out of five")], with_second_pass(model, "names"))

    assert [note.kind for note in text.notes] == ["unspoken"]
    assert len(model.calls) == 1


def test_an_answer_that_is_still_not_chinese_is_kept_and_noted():
    ((_, text),) = translate(
        [english("Three out of five")],
        with_second_pass(TableModel({"Three out of five": "3/5"}, {"Three out of five": "3/5"}), "keep"),
    )

    assert text.text == "3/5"
    assert [note.kind for note in text.notes] == ["unspoken"]


def test_no_answer_at_all_is_an_error_and_not_silence():
    ((_, error),) = translate(
        [english("Hm what")], with_second_pass(TableModel(without_latin={"Hm what": ""}), "names")
    )

    assert isinstance(error, InputError)
    assert "Hm what" in str(error)


def test_only_the_faulty_sentences_are_translated_again():
    model = TableModel({"The pasta of Rome is good.": "Pasta很好。"}, {"The pasta of Rome is good.": "面很好。"})

    sentences = [english("Hello."), english("The pasta of Rome is good.")]
    outputs = dict(translate(sentences, with_second_pass(model, "names")))

    assert (outputs[0].text, outputs[1].text) == ("译6", "面很好。")
    assert model.calls[1] == (["The pasta of Rome is good."], NO_WORDS)


def test_never_forbids_latin_from_the_start():
    model = TableModel()

    list(translate([english("Hello.")], with_second_pass(model, "never")))

    assert model.calls == [(["Hello."], NO_WORDS)]


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
    assert translation_fault(source, answer, latin) == found
