"""VITS on transformers: text of one language in, speech out. The voices of MMS cover over a thousand languages.

Models: Kim et al., 2021, https://arxiv.org/abs/2106.06103; Pratap et al., 2023, https://arxiv.org/abs/2305.13516.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pydantic import Field

from errors import ConfigError, InputError
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Note, Payload, Samples, Text
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.tasks.synthesis import SentenceOptions, Utterance, sentence_phrases, synthesise


class VitsOptions(SentenceOptions):
    """Options of Vits, named as in transformers' VitsConfig. None keeps the setting of the model's folder."""

    speaking_rate: float | None = Field(None, ge=0.25, le=4, description="speed of the speech; 2 is twice as fast")
    noise_scale: float | None = Field(None, ge=0, le=2, description="variation of the voice; 0 is none")
    noise_scale_duration: float | None = Field(None, ge=0, le=2, description="variation of the rhythm; 0 is none")
    speaker_id: int | None = Field(None, ge=0, description="number of the speaker, in a model of several")
    dtype: Dtype = Field("auto", description="arithmetic of the model")


class Vits(Module):
    """Speaks text; yields Audio at the model's sample rate (MMS: 16 kHz), one for each sentence.

    The sentences of a batch are computed together up to their latents. The decoder, which takes most of the time and
    gains nothing from a batch on a CPU, then runs on each of them without padding, so the first sentence is ready
    first. With ``noise_scale`` and ``noise_scale_duration`` at 0, a sentence sounds the same in every batch. Otherwise
    its noise, which starts from the seed with every batch, differs from batch to batch.

    MMS knows the letters of its language, but no digits and no marks. Characters without a sound are noted
    ``unspoken``.

    ``model`` is a folder of a VitsModel and its tokenizer, such as facebook/mms-tts-deu.
    """

    accepts = Text
    yields = Audio
    options_type = VitsOptions

    def __init__(self, model: Path | None, options: VitsOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, it has no such speaker, or it needs text in Latin letters (uroman).
            WeightsError: a file of the model is missing or cannot be read.
        """
        self._options = options
        self._runtime = TorchRuntime(compute, options.dtype)
        from transformers import VitsModel, VitsTokenizer

        self._tokenizer = self._runtime.load_component(VitsTokenizer, require_model(model))
        if self._tokenizer.is_uroman:
            raise ConfigError(
                f"{model} reads {options.language} in Latin letters made by uroman, which Relevo does not run; "
                "choose a voice whose language has its own alphabet in MMS"
            )
        self._model = self._runtime.load(VitsModel, model)
        for name in ("speaking_rate", "noise_scale", "noise_scale_duration"):
            if getattr(options, name) is not None:
                setattr(self._model, name, getattr(options, name))
        speakers = self._model.config.num_speakers
        if options.speaker_id is not None and options.speaker_id >= speakers:
            raise ConfigError(f"{model} has {speakers} speakers, counted from 0, but no {options.speaker_id}")
        self._speaker = None
        if options.speaker_id is not None and speakers > 1:
            self._speaker = self._model.embed_speaker.weight[options.speaker_id].detach().view(1, -1, 1)
        self._samples_per_frame = math.prod(self._model.config.upsample_rates)
        self._decoder = self._model.decoder
        del self._model.decoder
        self._model.decoder = lambda latents, _speaker: latents

    def warm_up(self) -> None:
        """Speaks the first letters that the model knows."""
        letters = "".join(filter(str.isalpha, self._tokenizer.get_vocab()))[:8]
        for _ in self._synthesise_phrases([letters]):
            pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Synthesises texts; see ``modules.tasks.synthesis.synthesise``.

        Raises:
            ModelError: the network failed.
        """
        rate: int = self._model.config.sampling_rate
        split_text = partial(sentence_phrases, options=self._options)
        return synthesise(batch, split_text, self._synthesise_phrases, rate, together=True)

    def _synthesise_phrases(self, sentences: Sequence[str]) -> Iterator[Utterance]:
        letters = [self._tokenizer.prepare_for_tokenization(sentence)[0] for sentence in sentences]
        waves = self._waves([each for each in letters if any(map(str.isalnum, each))])
        for sentence, spoken in zip(sentences, letters, strict=True):
            unspoken = self._unspoken(sentence)
            notes = (Note("unspoken", unspoken),) if unspoken else ()
            yield Utterance(next(waves) if any(map(str.isalnum, spoken)) else None, notes)

    def _waves(self, letters: list[str]) -> Iterator[Samples]:
        if not letters:
            return
        inputs = self._tokenizer(letters, normalize=False, padding=True, return_tensors="pt").to(self._runtime.device)
        doing = f"speaking {len(letters)} sentences"
        with self._runtime.inference(doing):
            output = self._model(**inputs, speaker_id=self._options.speaker_id)
        for latents, samples in zip(output.spectrogram, output.sequence_lengths.tolist(), strict=True):
            frames = samples // self._samples_per_frame
            with self._runtime.inference(doing):
                wave: Samples = self._decoder(latents[None, :, :frames], self._speaker)[0, 0].float().cpu().numpy()
            yield wave

    def _unspoken(self, sentence: str) -> str:
        """Finds letters, digits and symbols without a sound in this voice. Marks have none in any voice."""
        lower = self._tokenizer.normalize_text(sentence)
        unknown = (c for c in lower if c not in self._tokenizer.encoder and unicodedata.category(c)[0] in "LNS")
        return "".join(dict.fromkeys(unknown))
