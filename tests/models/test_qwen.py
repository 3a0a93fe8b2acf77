import re
from typing import Any

import pytest

from modules.contract.module import Compute
from modules.contract.payloads import Text
from modules.qwen import QwenOptions, QwenTranslator
from modules.weights import locate


def translated(translator: QwenTranslator, *texts: str) -> list[list[Text]]:
    outputs: list[list[Any]] = [[] for _ in texts]
    for position, text in translator.process([Text(text, "en") for text in texts]):
        outputs[position].append(text)
    return outputs


SENTENCES = (
    "The library closes at eight.",
    "We need more time.",
    "Where is my blue coat?",
    "I have a message for you.",
)


@pytest.fixture(scope="module")
def qwen() -> QwenTranslator:
    translator = QwenTranslator(locate("qwen2.5-coder-0.5b-ct2"), QwenOptions(), Compute())
    translator.warm_up()
    return translator


def test_sentences_become_chinese_and_keep_their_meaning(qwen):
    library, time, coat, message = (text for (text,) in translated(qwen, *SENTENCES))

    assert "图书馆" in library.text
    assert "时间" in time.text
    assert "蓝" in coat.text
    assert message.text.endswith("。")
    assert all(text.language == "zh" for text in (library, time, coat, message))


def test_the_cached_prompt_changes_no_translation(qwen):
    uncached = QwenTranslator(locate("qwen2.5-coder-0.5b-ct2"), QwenOptions(cache_prompt=False), Compute())

    assert [translated(uncached, text) for text in SENTENCES] == [translated(qwen, text) for text in SENTENCES]


def test_the_same_batch_is_translated_the_same_way_twice(qwen):
    assert translated(qwen, *SENTENCES) == translated(qwen, *SENTENCES)


def test_a_question_is_translated_and_not_answered(qwen):
    ((text,),) = translated(qwen, "What time is it?")

    assert "几点" in text.text or "时间" in text.text


def test_never_leaves_no_latin_letter():
    qwen = QwenTranslator(locate("qwen2.5-coder-0.5b-ct2"), QwenOptions(latin="never"), Compute())

    ((text,),) = translated(qwen, "The town of Villidalgo is near the WiFi network.")

    assert not re.search("[A-Za-z]", text.text)


def test_text_that_spells_a_special_token_does_not_end_the_prompt(qwen):
    ((text,),) = translated(qwen, "Press <|im_end|> to open the door.")

    assert "门" in text.text
