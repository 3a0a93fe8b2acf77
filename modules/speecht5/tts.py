"""SpeechT5 on transformers: English text in, speech out, with the voice of a speaker embedding.

Model: Ao et al., 2022, https://arxiv.org/abs/2110.07205, with a HiFi-GAN vocoder (Kong et al., 2020,
https://arxiv.org/abs/2010.05646).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from errors import InputError
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Note, Payload, Samples, Text
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.speecht5.speaker_embedding import from_clip, from_file
from modules.tasks.synthesis import SentenceOptions, Utterance, sentence_phrases, synthesise
from modules.weights import locate


class SpeechT5Options(SentenceOptions):
    """Options of SpeechT5. threshold, minlenratio and maxlenratio are options of its generate_speech.

    The voice is given by ``speaker_embedding``, or by ``speaker_clip`` with ``speaker_encoder``. With neither it is the
    zero vector, an average voice.
    """

    language: str = Field("en", pattern="^[a-z]{2,3}$", description="language of the text, ISO 639")
    vocoder: str = Field("microsoft/speecht5_hifigan", description="a SpeechT5HifiGan: a model's name, or its folder")
    speaker_embedding: Path | None = Field(None, description="a .npy, .npz or .safetensors file with x-vectors")
    speaker_row: int | None = Field(None, ge=0, description="row of a file with several vectors, from 0")
    speaker_clip: Path | None = Field(None, description="a recording of the voice to speak with")
    speaker_encoder: str | None = Field(None, description="an x-vector model of transformers, for speaker_clip")
    threshold: float = Field(0.5, gt=0, lt=1, description="probability of the end at which speech stops")
    minlenratio: float = Field(0.0, ge=0, description="shortest speech, in frames for each token of text")
    maxlenratio: float = Field(20.0, gt=0, le=100, description="longest speech, in frames for each token of text")
    dtype: Dtype = Field("auto", description="arithmetic of the model")

    @model_validator(mode="after")
    def _one_speaker(self) -> SpeechT5Options:
        if self.speaker_embedding and self.speaker_clip:
            raise ValueError("speaker_embedding and speaker_clip both name a voice; leave one of them out")
        if (self.speaker_clip is None) != (self.speaker_encoder is None):
            raise ValueError("speaker_clip and speaker_encoder go together; set both or none")
        if self.speaker_row is not None and self.speaker_embedding is None:
            raise ValueError("speaker_row chooses from speaker_embedding; set that too")
        return self


class SpeechT5(Module):
    """Speaks text; yields Audio at 16 kHz, one for each sentence.

    The spectrograms of the first sentences of a batch are computed in one call, then those of the second ones, and so
    on. The vocoder runs on each alone, at its own length. The model drops units at random while it speaks. Every call
    starts from the seed, so a sentence sounds the same alone and in a batch, unless it reaches a limit of length, which
    counts the tokens of the longest sentence. Characters that the tokenizer does not know are noted ``unspoken``, a
    sentence that reached ``maxlenratio`` is noted ``truncated``.

    ``model`` is a folder of a SpeechT5ForTextToSpeech and its tokenizer, such as microsoft/speecht5_tts.
    """

    accepts = Text
    yields = Audio
    options_type = SpeechT5Options

    def __init__(self, model: Path | None, options: SpeechT5Options, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, or the speaker embedding does not fit it.
            InputError: the recording of the speaker cannot be used.
            WeightsError: a file of the model is missing or cannot be read.
        """
        self._options = options
        self._runtime = TorchRuntime(compute, options.dtype)
        import torch
        from transformers import SpeechT5ForTextToSpeech, SpeechT5HifiGan, SpeechT5Tokenizer

        self._tokenizer = self._runtime.load_component(SpeechT5Tokenizer, require_model(model))
        self._model = self._runtime.load(SpeechT5ForTextToSpeech, model)
        self._vocoder = self._runtime.load(SpeechT5HifiGan, locate(options.vocoder))
        size = self._model.config.speaker_embedding_dim
        if options.speaker_embedding:
            speaker = from_file(options.speaker_embedding, options.speaker_row, size)
        elif options.speaker_clip and options.speaker_encoder:
            speaker = from_clip(options.speaker_clip, locate(options.speaker_encoder), size, self._runtime)
        else:
            speaker = np.zeros(size, np.float32)
        self._speaker = torch.from_numpy(speaker).to(self._runtime.device, self._runtime.dtype)

    def warm_up(self) -> None:
        """Speaks one word."""
        for _ in self._synthesise_phrases(["one"]):
            pass

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Synthesises texts; see ``modules.tasks.synthesis.synthesise``.

        Raises:
            ModelError: a network failed.
        """
        split_text = partial(sentence_phrases, options=self._options)
        return synthesise(batch, split_text, self._synthesise_phrases, SPEECH_RATE, together=True)

    def _synthesise_phrases(self, sentences: Sequence[str]) -> Iterator[Utterance]:
        written = [self._spelled(sentence) for sentence in sentences]
        encoded = self._tokenizer(written, padding=True, return_tensors="pt").to(self._runtime.device)
        doing = f"speaking {len(written)} sentences"
        with self._runtime.inference(doing):
            spectrograms, lengths = self._model.generate_speech(
                encoded["input_ids"],
                self._speaker.expand(len(sentences), -1),
                encoded["attention_mask"],
                threshold=self._options.threshold,
                minlenratio=self._options.minlenratio,
                maxlenratio=self._options.maxlenratio,
                return_output_lengths=True,
            )
        frames = self._model.config.reduction_factor
        longest = frames * int(encoded["input_ids"].shape[1] * self._options.maxlenratio / frames)
        for sentence, spectrogram, length in zip(written, spectrograms, lengths, strict=True):
            with self._runtime.inference(doing):
                samples: Samples = self._vocoder(spectrogram[:length]).float().cpu().numpy()
            yield Utterance(samples, self._notes(sentence, truncated=length >= longest))

    def _spelled(self, sentence: str) -> str:
        """Writes the numbers of a sentence in words, which the tokenizer can do for English only."""
        written: str = self._tokenizer.normalizer(sentence) if self._options.language == "en" else sentence
        return written

    def _notes(self, sentence: str, truncated: bool) -> tuple[Note, ...]:
        notes = []
        tokens = self._tokenizer.tokenize(sentence)
        known = self._tokenizer.convert_tokens_to_ids(tokens)
        unknown = [t for t, number in zip(tokens, known, strict=True) if number == self._tokenizer.unk_token_id]
        if unknown:
            notes.append(Note("unspoken", "".join(unknown)))
        if truncated:
            notes.append(Note("truncated", f"the speech of {sentence!r} stopped at its limit; raise maxlenratio"))
        return tuple(notes)
