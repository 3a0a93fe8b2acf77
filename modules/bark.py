"""Bark on transformers: text with cues in, expressive speech out, with the voice of a preset.

Model: https://github.com/suno-ai/bark. Three networks follow each other (text → semantic tokens → coarse and fine
codes), then EnCodec (Défossez et al., 2022, https://arxiv.org/abs/2210.13438) decodes 24 kHz audio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from errors import ConfigError, CorruptWeights, InputError
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Note, Payload, Samples, Text
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.tasks.synthesis import SentenceOptions, Utterance, sentence_phrases, synthesise


class BarkOptions(SentenceOptions):
    """Options of Bark. A prefix names the network that a generation option belongs to, as in BarkModel.generate.

    A temperature of 0 takes the most probable token every time. Bark speaks about 13 s in one go: some 150 characters
    of English, 50 of Chinese.
    """

    voice_preset: str | None = Field(
        None, description="a preset of the model's folder, such as v2/zh_speaker_3, or a .npz file; none: any voice"
    )
    semantic_temperature: float = Field(
        0.7,
        ge=0,
        le=2,
        description="temperature of the semantic tokens; higher is livelier, less faithful to the text",
    )
    coarse_temperature: float = Field(0.7, ge=0, le=2, description="temperature of the sound; higher varies it more")
    fine_temperature: float = Field(
        0.5, ge=0, le=2, description="temperature of the sound's detail; higher varies it more"
    )
    min_eos_p: float = Field(0.2, gt=0, le=1, description="probability of the end at which speech stops")
    semantic_max_new_tokens: int = Field(768, ge=1, le=768, description="longest speech, in tokens; 50 are a second")
    dtype: Dtype = Field("auto", description="arithmetic of the model")


class Bark(Module):
    """Speaks text; yields Audio at 24 kHz, one for each sentence.

    The first sentences of a batch are generated in one call, then the second ones, and so on; each is then cut to its
    own length and decoded alone. Cues that Bark has learnt, such as [laughter] or [sighs], and ♪ around lyrics, stay in
    the text. A sentence that reached ``semantic_max_new_tokens`` is noted ``truncated``. Every call starts from the
    seed: the same batch sounds the same, but with temperatures above 0 a sentence sounds different in another batch.

    ``model`` is a folder of a BarkModel, its tokenizer and its presets, such as suno/bark-small.
    """

    accepts = Text
    yields = Audio
    options_type = BarkOptions

    def __init__(self, model: Path | None, options: BarkOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, or there is no such preset.
            WeightsError: a file of the model is missing or cannot be read.
        """
        self._options = options
        self._runtime = TorchRuntime(compute, options.dtype)
        from transformers import BarkModel, BarkProcessor
        from transformers.models.bark import generation_configuration_bark as settings

        self._processor = self._runtime.load_component(BarkProcessor, require_model(model))
        self._history = self._preset(options.voice_preset)
        self._model = self._runtime.load(BarkModel, model)
        found = self._model.generation_config
        self._codes: int = found.codebook_size
        self._semantic = settings.BarkSemanticGenerationConfig(**found.semantic_config)
        self._coarse = settings.BarkCoarseGenerationConfig(**found.coarse_acoustics_config)
        self._fine = settings.BarkFineGenerationConfig(**found.fine_acoustics_config)

    def warm_up(self) -> None:
        """Runs every network for a fraction of a second of sound."""
        for _ in self._waves(["a"], max_new_tokens=10):
            pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Synthesises texts; see ``modules.tasks.synthesis.synthesise``.

        Raises:
            ModelError: a network failed.
        """
        rate: int = self._model.config.codec_config.sampling_rate
        split_text = partial(sentence_phrases, options=self._options)
        return synthesise(batch, split_text, self._synthesise_phrases, rate, together=True)

    def _synthesise_phrases(self, sentences: Sequence[str]) -> Iterator[Utterance]:
        longest = self._options.semantic_max_new_tokens
        for sentence, (wave, tokens) in zip(sentences, self._waves(list(sentences), longest), strict=True):
            if wave is None:
                yield Utterance(None, (Note("unspoken", sentence),))
            elif tokens < longest:
                yield Utterance(wave)
            else:
                limit = f"the speech of {sentence!r} stopped at its limit; lower max_chars"
                yield Utterance(wave, (Note("truncated", limit),))

    def _waves(self, sentences: list[str], max_new_tokens: int) -> Iterator[tuple[Samples | None, int]]:
        """Yields the samples of each sentence, None if the model generated no sound, and its length in semantic tokens.

        It does what BarkModel.generate does, except that the networks that do not go token by token run on each
        sentence alone: they look ahead, into the padding of shorter sentences, and the first sentence need not wait.
        """
        options = self._options
        inputs = self._processor(sentences).to(self._runtime.device)
        common = {"history_prompt": self._history, "semantic_generation_config": self._semantic}
        doing = f"speaking {len(sentences)} sentences"
        with self._runtime.inference(doing):
            semantic = self._model.semantic.generate(
                inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=max_new_tokens,
                min_eos_p=options.min_eos_p,
                **common,
                **_sampling(options.semantic_temperature),
            )
            tokens = (semantic != self._semantic.semantic_pad_token).sum(1).tolist()
            common |= {"coarse_generation_config": self._coarse, "codebook_size": self._codes}
            coarse, lengths = self._model.coarse_acoustics.generate(
                semantic, return_output_lengths=True, **common, **_sampling(options.coarse_temperature)
            )
        for codes, length, count in zip(coarse, lengths.tolist(), tokens, strict=True):
            if not length:
                yield None, count
                continue
            with self._runtime.inference(doing):
                fine = self._model.fine_acoustics.generate(
                    codes[None, :length],
                    fine_generation_config=self._fine,
                    # 1 is what the library reads as greedy here.
                    temperature=options.fine_temperature or 1.0,
                    **common,
                )
                wave = self._model.codec_decode(fine)[0].float().cpu().numpy()
            yield wave, count

    def _preset(self, name: str | None) -> Any:
        """Reads the prompts of a voice. Their files hold arrays; nothing is unpickled."""
        if name is None:
            return None
        try:
            return self._processor(["a"], voice_preset=name)["history_prompt"].to(self._runtime.device)
        except FileNotFoundError as error:
            known = ", ".join(self._processor.available_voice_presets) or "none"
            raise ConfigError(f"there is no voice_preset {name!r}; the model's folder has: {known}") from error
        except (OSError, ValueError, TypeError) as error:
            raise CorruptWeights(f"the voice_preset {name!r} cannot be read: {error}; use another one") from error


def _sampling(temperature: float) -> dict[str, Any]:
    return {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
