from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

import modules.qwen
from errors import ConfigError, MissingWeights, ModelError
from modules.contract.module import Compute
from modules.contract.payloads import Text
from modules.qwen import QwenOptions, QwenTranslator


class FakeTokenizer:
    """One token a character; ``\\n`` is written as byte-level vocabularies do."""

    encode_special_tokens = False

    def encode(self, text: str, add_special_tokens: bool) -> Any:
        return SimpleNamespace(tokens=list(text.replace("\n", "Ċ")))

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))

    def get_vocab(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(["好", "a", "Ġthe", "。", "Ċ", "<|im_end|>"])}


class FakeGenerator:
    """Always gives the same answer; remembers what it was asked."""

    def __init__(self, answer: str = "好。", stop: str = "<|im_end|>") -> None:
        self.answer = answer
        self.stop = stop
        self.calls: list[dict[str, Any]] = []

    def generate_batch(self, start_tokens: list[list[str]], **options: Any) -> list[Any]:
        self.calls.append({"start_tokens": start_tokens, **options})
        result = SimpleNamespace(
            sequences=[[*self.answer, self.stop]], sequences_ids=[[ord(letter) for letter in self.answer]]
        )
        return [result] * len(start_tokens)


def fake(monkeypatch: pytest.MonkeyPatch, model: FakeGenerator, **options: Any) -> QwenTranslator:
    monkeypatch.setattr(modules.qwen, "open_model", lambda *_: (model, FakeTokenizer()))
    return QwenTranslator(None, QwenOptions(**options), Compute())


def translated(translator: QwenTranslator, *texts: str) -> list[list[Text]]:
    outputs: list[list[Any]] = [[] for _ in texts]
    for position, text in translator.process([Text(text, "en") for text in texts]):
        outputs[position].append(text)
    return outputs


@pytest.mark.parametrize("cached", [True, False])
def test_the_constant_prompt_is_cached_if_wanted(monkeypatch, cached):
    model = FakeGenerator()

    translated(fake(monkeypatch, model, cache_prompt=cached), "Hello.")

    assert model.calls[0]["cache_static_prompt"] is cached
    assert "".join(model.calls[0]["static_prompt"]).endswith("<|im_start|>userĊ")
    assert "".join(model.calls[0]["start_tokens"][0]) == "Hello.<|im_end|>Ċ<|im_start|>assistantĊ"


def test_a_batch_is_one_call(monkeypatch):
    model = FakeGenerator()

    assert len(translated(fake(monkeypatch, model), "One.", "Two.", "Three.")) == 3
    assert [len(call["start_tokens"]) for call in model.calls] == [3]


@pytest.mark.parametrize(
    ("latin", "sentence", "forbidden"),
    [
        ("never", "I love Ana.", [["a"], ["Ġthe"]]),
        ("names", "I love you.", [["a"], ["Ġthe"]]),
        ("names", "I love Ana.", [["Ġthe"]]),
        ("keep", "I love you.", None),
    ],
)
def test_latin_letters_are_forbidden_but_never_the_end_of_the_answer(monkeypatch, latin, sentence, forbidden):
    model = FakeGenerator()

    translated(fake(monkeypatch, model, latin=latin), sentence)

    assert model.calls[0]["suppress_sequences"] == forbidden


def test_the_answer_is_the_first_line(monkeypatch):
    ((text,),) = translated(fake(monkeypatch, FakeGenerator(" 好。\n解释")), "Hello.")

    assert text.text == "好。"


def test_an_answer_without_an_end_is_noted_as_truncated(monkeypatch):
    ((text,),) = translated(fake(monkeypatch, FakeGenerator(stop="好")), "Hello.")

    assert [note.kind for note in text.notes] == ["truncated"]


@pytest.mark.parametrize(("max_tokens", "limit"), [(160, 16 + 2 * 6), (20, 20)])
def test_a_loop_is_bounded_by_the_length_of_the_source(monkeypatch, max_tokens, limit):
    model = FakeGenerator()

    translated(fake(monkeypatch, model, max_tokens=max_tokens), "Hello.")

    assert model.calls[0]["max_length"] == limit


def test_a_failing_runtime_is_a_model_error(monkeypatch):
    model = FakeGenerator()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model, "generate_batch", fail)

    with pytest.raises(ModelError, match="out of memory"):
        translated(fake(monkeypatch, model), "Hello.")


@pytest.mark.parametrize("wrong", [{"latin": "some"}, {"max_token": 9}, {"max_tokens": 0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        QwenOptions(**wrong)


def test_a_missing_or_foreign_model_is_refused(tmp_path):
    for model in (None, tmp_path):
        with pytest.raises((ConfigError, MissingWeights), match="model"):
            QwenTranslator(model, QwenOptions(), Compute())
