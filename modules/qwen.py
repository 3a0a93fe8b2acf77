"""Qwen2.5 instruction models on CTranslate2 as a translator from English to Simplified Chinese.

A small language model translates after a few examples. The examples are the same for every sentence, so their state is
computed once and kept (CTranslate2's static prompt). Model: https://arxiv.org/abs/2412.15115.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from errors import InputError, ModelError
from modules.chinese.translation_check import NO_WORDS, LatinWords, with_second_pass
from modules.contract.module import Compute, Module, Options
from modules.contract.payloads import Payload, Text
from modules.runtimes.ct2 import ComputeType, open_model
from modules.tasks.translation import Translation, translate

_SYSTEM = "你是专业的英汉翻译。把用户的英语句子译成通顺的简体中文，只输出译文，不要解释。"
# They include a question and an order, so that the model translates those and does not answer or obey.
_EXAMPLES = (
    ("What time does the pharmacy open?", "药店几点开门？"),
    ("Tell your brother to wait for me outside.", "叫你弟弟在外面等我。"),
    ("The factory was rebuilt after the war.", "这家工厂在战后重建。"),
    ("Peter bought three kilos of apples at the market.", "彼得在市场上买了三公斤苹果。"),
)
_END = "<|im_end|>"
# After a line break the model would explain its translation.
_STOP = (_END, "<|endoftext|>", "Ċ")
# Chinese needs no more tokens than its English. A model that writes twice as many repeats itself.
_TOKENS_PER_TOKEN = 2
_SPARE_TOKENS = 16
# This vocabulary writes ASCII letters as themselves.
_HAS_LATIN = re.compile("[A-Za-z]")


class QwenOptions(Options):
    """Options of QwenTranslator."""

    latin: LatinWords = Field(
        "names",
        description="Latin words in the Chinese text. keep: allow them; names: allow only names of the English text; "
        "never: forbid them",
    )
    max_tokens: int = Field(160, ge=8, le=1024, description="longest translation of a sentence, in tokens")
    cache_prompt: bool = Field(True, description="keep the state of the constant prompt between calls")
    compute_type: ComputeType = Field("int8", description="arithmetic of the model")


class QwenTranslator(Module):
    """Translates English text; yields one Text in ``zh`` for each sentence.

    The cached prompt changes no translation. A batch can change one: sentences of different lengths are computed in
    another order, which int8 arithmetic rounds differently.

    ``model`` is a folder with a Qwen2.5 instruction model converted for CTranslate2, and its tokenizer.json.
    """

    accepts = Text
    yields = Text
    options_type = QwenOptions

    def __init__(self, model: Path | None, options: QwenOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, or this machine cannot run it.
            WeightsError: a file of the model is missing or cannot be read.
        """
        from ctranslate2 import Generator  # type: ignore[import-untyped]

        self._options = options
        self._model, self._tokenizer = open_model(Generator, model, options.compute_type, compute)
        # The parts are split at special tokens and line breaks, which no token spans, so each can be encoded alone.
        ask, reply = "<|im_start|>user\n", f"{_END}\n<|im_start|>assistant\n"
        shown = "".join(f"{ask}{english}{reply}{chinese}{_END}\n" for english, chinese in _EXAMPLES)
        self._prompt = self._encode(f"<|im_start|>system\n{_SYSTEM}{_END}\n{shown}{ask}")
        self._reply = self._encode(reply)
        # From here on only sentences are encoded. The text of a special token in a sentence must not become the token.
        self._tokenizer.encode_special_tokens = True
        self._latin = [
            [token] for token in self._tokenizer.get_vocab() if _HAS_LATIN.search(token) and token not in _STOP
        ]

    def warm_up(self) -> None:
        """Translates a sentence, which also fills the cache of the prompt."""
        self._translate_allowing(["Good morning."], NO_WORDS)

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Translates texts; see ``modules.tasks.translation.translate``.

        Translations that are not Chinese are made again; see ``modules.chinese.translation_check.with_second_pass``.

        Raises:
            ModelError: the runtime failed.
        """
        return translate(batch, with_second_pass(self._translate_allowing, self._options.latin))

    def _translate_allowing(self, sentences: list[str], allowed: frozenset[str] | None) -> list[Translation]:
        english = [self._encode(sentence) for sentence in sentences]
        limit = min(self._options.max_tokens, _SPARE_TOKENS + _TOKENS_PER_TOKEN * max(map(len, english)))
        try:
            results = self._model.generate_batch(
                [[*tokens, *self._reply] for tokens in english],
                static_prompt=self._prompt,
                cache_static_prompt=self._options.cache_prompt,
                include_prompt_in_result=False,
                suppress_sequences=None if allowed is None else self._latin_but(allowed),
                end_token=_STOP,
                return_end_token=True,
                max_length=limit,
            )
        except RuntimeError as error:
            raise ModelError(f"the translator failed on {len(sentences)} sentences: {error}") from error
        return [
            Translation(
                # Some tokens contain a line break without being one. The translation ends there.
                self._tokenizer.decode(result.sequences_ids[0]).strip().partition("\n")[0],
                finished=result.sequences[0][-1] in _STOP,
            )
            for result in results
        ]

    def _latin_but(self, allowed: frozenset[str]) -> list[list[str]]:
        """Returns the tokens with Latin letters, except those that spell the allowed words."""
        spelled = {token for word in allowed for text in (word, f" {word}") for token in self._encode(text)}
        return [sequence for sequence in self._latin if sequence[0] not in spelled]

    def _encode(self, text: str) -> list[str]:
        return self._tokenizer.encode(text, add_special_tokens=False).tokens
