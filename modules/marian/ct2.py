"""Marian on CTranslate2: the models of modules/marian/hf.py, converted to run without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from errors import CorruptWeights, InputError, ModelError
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Payload, Text
from modules.marian.options import MarianOptions
from modules.runtimes.ct2 import ComputeType, open_runtime
from modules.tasks.translation import Translation, translate
from modules.weights.repair import repair_hint

_END = "</s>"
_POSITIONS = 512


class MarianCT2Options(MarianOptions):
    """Options of MarianCT2."""

    beam_size: int = Field(4, ge=1, le=16, description="width of the beam search; 1 is greedy")
    max_tokens: int = Field(
        160, ge=2, le=511, description="longest translation of a sentence, in tokens, if the model can write as many"
    )
    compute_type: ComputeType = Field("int8", description="arithmetic of the model")


class MarianCT2(Module):
    """Translates text; yields one Text for each sentence.

    ``model`` is a folder made by ``relevo weights convert`` from a MarianMTModel.
    """

    accepts = Text
    yields = Text
    options_type = MarianCT2Options

    def __init__(self, model: Path | None, options: MarianCT2Options, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, this machine cannot run it, or it does not know ``target_tag``.
            WeightsError: a file of the model is missing or cannot be read.
        """
        from ctranslate2 import Translator  # type: ignore[import-untyped]
        from sentencepiece import SentencePieceProcessor

        folder = require_model(model)
        self._options = options
        self._model = open_runtime(Translator, folder, options.compute_type, compute)
        try:
            # Both languages share the vocabulary, so transformers decodes translations with the source's pieces.
            self._pieces = SentencePieceProcessor(model_file=str(folder / "source.spm"))
            vocabulary = json.loads((folder / "shared_vocabulary.json").read_text("utf-8"))
            generation = folder / "generation_config.json"
            trained = json.loads(generation.read_text("utf-8")) if generation.is_file() else {}
        except (OSError, RuntimeError, ValueError) as error:
            raise CorruptWeights(
                f"the tokenizer in {folder} cannot be read ({error}); {repair_hint(folder)}"
            ) from error
        options.check_tag(vocabulary)
        self._max_tokens = min(options.max_tokens, trained.get("max_length", _POSITIONS) - 1)
        # The padding token is among those that a Marian must not write, but a converted vocabulary does not have it.
        forbidden = [[i for i in word if i < len(vocabulary)] for word in trained.get("bad_words_ids") or ()]
        self._forbidden = [[vocabulary[i] for i in word] for word in forbidden if word]

    def warm_up(self) -> None:
        """Translates a word."""
        self._translate_sentences(["one"])

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Translates texts; see ``modules.tasks.translation.translate``.

        Raises:
            ModelError: the runtime failed.
        """
        return translate(batch, self._translate_sentences, self._options.source_lang, self._options.target_lang)

    def _translate_sentences(self, sentences: list[str]) -> list[Translation]:
        tag = [self._options.target_tag] if self._options.target_tag else []
        encoded = [[*tag, *self._pieces.encode(sentence, out_type=str), _END] for sentence in sentences]
        try:
            results = self._model.translate_batch(
                encoded,
                beam_size=self._options.beam_size,
                max_decoding_length=self._max_tokens,
                suppress_sequences=self._forbidden or None,
                return_end_token=True,
            )
        except RuntimeError as error:
            raise ModelError(f"the translator failed on {len(sentences)} sentences: {error}") from error
        return [self._translation(result.hypotheses[0]) for result in results]

    def _translation(self, tokens: list[str]) -> Translation:
        finished = tokens[-1:] == [_END]
        pieces = tokens[:-1] if finished else tokens
        return Translation(self._pieces.decode_pieces(pieces).replace("▁", " ").strip(), finished)
