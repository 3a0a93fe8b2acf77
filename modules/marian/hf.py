"""Marian on transformers: translates one pair of languages, or one language into several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from errors import InputError
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Payload, Text
from modules.marian.options import MarianOptions
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.tasks.translation import Translation, translate


class MarianTorchOptions(MarianOptions):
    """Options of Marian. The checkpoint's own settings for beams and lengths are not used."""

    num_beams: int = Field(4, ge=1, le=16, description="width of the beam search; 1 is greedy")
    max_new_tokens: int = Field(
        160, ge=2, le=511, description="longest translation of a sentence, in tokens, if the model can write as many"
    )
    dtype: Dtype = Field("auto", description="arithmetic of the model; auto is float16 on GPUs, float32 on CPUs")


class Marian(Module):
    """Translates text; yields one Text for each sentence.

    The sentences of a batch are computed together, with the shorter ones padded and masked: each is translated as if
    it came alone.

    ``model`` is a folder of a MarianMTModel and its tokenizer, such as Helsinki-NLP/opus-mt-en-zh.
    """

    accepts = Text
    yields = Text
    options_type = MarianTorchOptions

    def __init__(self, model: Path | None, options: MarianTorchOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, it is no Marian, it does not know ``target_tag``, or this machine has
                no such device.
            WeightsError: a file of the model is missing or cannot be read.
        """
        self._runtime = TorchRuntime(compute, options.dtype)
        from transformers import GenerationConfig, MarianMTModel, MarianTokenizer

        self._options = options
        self._model = self._runtime.load(MarianMTModel, model)
        self._tokenizer = self._runtime.load_component(MarianTokenizer, require_model(model))
        options.check_tag(self._tokenizer.encoder)
        trained = self._model.generation_config
        self._end = trained.eos_token_id
        # A new configuration, so that nothing depends on the checkpoint's own.
        self._model.generation_config = GenerationConfig(
            eos_token_id=self._end,
            pad_token_id=trained.pad_token_id,
            decoder_start_token_id=trained.decoder_start_token_id,
            bad_words_ids=trained.bad_words_ids,
            num_beams=options.num_beams,
            max_new_tokens=min(options.max_new_tokens, self._model.config.max_position_embeddings - 1),
        )

    def warm_up(self) -> None:
        """Translates a word."""
        self._translate_sentences(["one"])

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Translates texts; see ``modules.tasks.translation.translate``.

        Raises:
            ModelError: the model failed.
        """
        source, target = self._options.source_lang, self._options.target_lang
        return translate(batch, self._translate_sentences, source, target, "max_new_tokens")

    def _translate_sentences(self, sentences: list[str]) -> list[Translation]:
        tag = self._options.target_tag or ""
        inputs = self._tokenizer([tag + sentence for sentence in sentences], padding=True, return_tensors="pt")
        with self._runtime.inference(f"translating {len(sentences)} sentences"):
            answers = self._model.generate(**inputs.to(self._runtime.device)).tolist()
        return [
            Translation(self._tokenizer.decode(tokens, skip_special_tokens=True).strip(), self._end in tokens)
            for tokens in answers
        ]
