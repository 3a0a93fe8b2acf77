from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from errors import ConfigError, CorruptWeights, InputError, MissingWeights, WeightsError
from modules.contract.module import Compute
from modules.contract.payloads import Text
from modules.marian.ct2 import MarianCT2, MarianCT2Options
from modules.marian.hf import Marian, MarianTorchOptions
from modules.weights.converted import convert

pytestmark = pytest.mark.timeout(900)  # a conversion imports torch in a process of its own

SENTENCES = ["Good morning, what time does the train open?", "It rains in the north.", "The pharmacy leaves."]
TEXTS = [Text(f"{SENTENCES[0]} {SENTENCES[2]}", "en", 0.0, 4.0), Text(SENTENCES[1], "en-GB"), Text(SENTENCES[2], "en")]
TAG = ">>cmn_Hans<<"

Translator = Callable[..., Marian]


@pytest.fixture(scope="module")
def translator(checkpoint) -> Translator:
    def make(model: Path | None = None, **options: Any) -> Marian:
        options = {"max_new_tokens": 12, **options}
        return Marian(model or checkpoint("marian"), MarianTorchOptions(**options), Compute())

    return make


@pytest.fixture(scope="module")
def usual(translator) -> Marian:
    made = translator()
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def tagged(checkpoint, tmp_path_factory) -> Path:
    """The tiny Marian with one of its unused pieces as the tag of a target language."""
    folder = tmp_path_factory.mktemp("tagged") / "marian"
    shutil.copytree(checkpoint("marian"), folder)
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    vocabulary[TAG] = vocabulary.pop("G")
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    return folder


@pytest.fixture(scope="module")
def converted(tagged, tmp_path_factory) -> Path:
    return convert("./tagged", tagged, tmp_path_factory.mktemp("converted"), "float32")


def said(module: Marian | MarianCT2, *texts: Text) -> list[str]:
    return [text.text for _, text in module.process(texts)]


def test_a_batch_translates_as_its_items_do(usual):
    together = sorted(usual.process(TEXTS), key=lambda output: output[0])

    assert together == [(i, text) for i, each in enumerate(TEXTS) for _, text in usual.process([each])]
    assert [position for position, _ in together] == [0, 0, 1, 2]
    assert len({text.text for _, text in together}) > 1
    assert {text.language for _, text in together} == {"zh"}


def test_beams_and_limit_take_effect(usual, translator):
    assert said(translator(num_beams=1), *TEXTS) != said(usual, *TEXTS)
    short = [text for _, text in translator(num_beams=1, max_new_tokens=4).process(TEXTS)]

    assert all(note.detail.endswith("raise max_new_tokens") for text in short for note in text.notes)
    assert {note.kind for text in short for note in text.notes} == {"truncated"}
    for whole, cut in zip(said(translator(num_beams=1), *TEXTS), short, strict=True):
        assert whole.startswith(cut.text)
        assert len(whole) > len(cut.text)


def test_a_tag_is_part_of_what_is_translated_and_must_be_known(translator, tagged):
    assert said(translator(tagged, target_tag=TAG), *TEXTS) != said(translator(tagged), *TEXTS)
    with pytest.raises(ConfigError, match=f"target_tag '>>deu<<' is unknown to the model; use one of {TAG}"):
        translator(tagged, target_tag=">>deu<<")
    with pytest.raises(ConfigError, match="this model has none"):
        translator(target_tag=TAG)


def test_what_holds_no_words_costs_no_model_call(translator, monkeypatch):
    marian = translator()
    monkeypatch.setattr(marian, "_model", None)
    outputs = list(marian.process([Text("", "en"), Text(" …", "en"), Text("Hola.", "es")]))

    assert [(position, type(error)) for position, error in outputs] == [(2, InputError)]


def test_other_languages_are_taken_as_told(translator):
    ((_, text),) = translator(source_lang="es", target_lang="de").process([Text("It rains.", "es")])

    assert text.language == "de"


def test_what_cannot_be_used_is_refused_with_the_reason(translator, checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="holds a model of type 'whisper' where 'marian' is needed"):
        translator(checkpoint("whisper"))
    with pytest.raises(WeightsError, match=r"config\.json"):
        translator(tmp_path)
    with pytest.raises(ConfigError, match="names no model"):
        Marian(None, MarianTorchOptions(), Compute())


def test_the_converted_model_translates_the_same_without_torch(translator, tagged, converted):
    options = MarianCT2Options(beam_size=1, max_tokens=12, compute_type="float32")
    module = MarianCT2(converted, options, Compute())
    module.warm_up()

    assert list(module.process(TEXTS))
    assert said(module, *TEXTS) == said(translator(tagged, num_beams=1), *TEXTS)
    beams = MarianCT2(converted, options.model_copy(update={"beam_size": 4}), Compute())
    assert said(beams, *TEXTS) != said(module, *TEXTS)
    ((_, short),) = MarianCT2(converted, options.model_copy(update={"max_tokens": 4}), Compute()).process(TEXTS[1:2])
    assert [note.kind for note in short.notes] == ["truncated"]


def test_a_tag_survives_the_conversion(converted):
    plain, told = (
        MarianCT2(converted, MarianCT2Options(beam_size=1, max_tokens=12, target_tag=tag), Compute())
        for tag in (None, TAG)
    )

    assert said(told, *TEXTS) != said(plain, *TEXTS)


def test_a_conversion_that_is_not_whole_is_refused(converted, tmp_path):
    folder = shutil.copytree(converted, tmp_path / "broken")
    (folder / "source.spm").write_bytes(b"no sentencepiece")
    with pytest.raises(CorruptWeights, match=r"tokenizer .*weights verify"):
        MarianCT2(folder, MarianCT2Options(), Compute())
    (folder / "model.bin").unlink()
    with pytest.raises(MissingWeights, match=r"has no model\.bin"):
        MarianCT2(folder, MarianCT2Options(), Compute())
