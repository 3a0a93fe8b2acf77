"""Whisper on transformers: speech to English text, or to text of a language of one's choice.

Model: Radford et al., 2022, https://arxiv.org/abs/2212.04356.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from errors import ConfigError, InputError
from modules.audio.speech_segments import speech_ranges
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Payload, Text
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.tasks.hypothesis import Hypothesis, accept_or_retry
from modules.tasks.recognition import Segment, recognise
from modules.whisper.options import WhisperOptions


class WhisperTorchOptions(WhisperOptions):
    """Options of Whisper. What the checkpoint itself says of beams, lengths and sampling is not used."""

    num_beams: int = Field(1, ge=1, le=10, description="1 is greedy search")
    temperature: float = Field(0.0, ge=0, le=2, description="0 takes the likeliest; above, tokens are drawn")
    max_new_tokens: int = Field(
        220, ge=1, le=444, description="longest text of a segment, in tokens, if the model can write as many"
    )
    dtype: Dtype = Field("auto", description="arithmetic of the model; auto is float16 on GPUs, float32 on CPUs")


class Whisper(Module):
    """Recognises or translates speech of any sample rate; yields one Text a segment.

    The first segments of a batch are read in one call, then the second ones, and so on. The encoder of transformers
    takes 30 s and nothing else, so that a short clip costs as much as a long one.

    With a ``temperature`` the tokens are drawn from the seed anew in every call: the same batch reads the same, but a
    clip may read otherwise in other company.

    ``model`` is a folder of a multilingual WhisperForConditionalGeneration, such as openai/whisper-large.
    """

    accepts = Audio
    yields = Text
    options_type = WhisperTorchOptions

    def __init__(self, model: Path | None, options: WhisperTorchOptions, compute: Compute) -> None:
        """See Module.

        Raises:
            ConfigError: no model is named, it is no multilingual Whisper, does not know the language, or the
                device is not there.
            WeightsError: a file of the model is missing or cannot be read.
        """
        self._runtime = TorchRuntime(compute, options.dtype)
        from transformers import (
            GenerationConfig,
            WhisperFeatureExtractor,
            WhisperForConditionalGeneration,
            WhisperTokenizer,
        )

        self._options = options
        self._model = self._runtime.load(WhisperForConditionalGeneration, model)
        self._tokenizer = self._runtime.load_component(WhisperTokenizer, require_model(model))
        self._features = WhisperFeatureExtractor(feature_size=self._model.config.num_mel_bins)
        trained = self._model.generation_config
        self._prompt = _prompt(trained, options)
        self._end = trained.eos_token_id
        # Made anew, so that nothing is left to what a checkpoint happens to bring.
        self._model.generation_config = GenerationConfig(
            eos_token_id=self._end,
            pad_token_id=self._end,
            decoder_start_token_id=trained.decoder_start_token_id,
            suppress_tokens=trained.suppress_tokens,
            begin_suppress_tokens=trained.begin_suppress_tokens,
            num_beams=options.num_beams,
            do_sample=options.temperature > 0,
            temperature=options.temperature or 1.0,
            max_new_tokens=min(options.max_new_tokens, self._model.config.max_target_positions - len(self._prompt)),
            return_dict_in_generate=True,
            output_scores=True,
        )
        # The token for silence stands before the one for no time stamps, under one of two names.
        self._silence = trained.no_timestamps_token_id - 1

    def warm_up(self) -> None:
        """Runs voice activity, the encoder and the decoder on a second of faint noise."""
        noise = 0.01 * np.random.default_rng(0).standard_normal(SPEECH_RATE, dtype=np.float32)
        speech_ranges(noise)
        list(self._texts([Segment(noise, 0.0, 1.0, ())], max_new_tokens=4))

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Yields Text at its place on the request's time line; see ``modules.tasks.recognition.recognise``.

        A Text is noted ``truncated`` when it stopped at ``max_new_tokens``.

        Raises:
            ModelError: the model failed, for instance because memory ran out.
        """
        return recognise(batch, self._options, self._texts, together=True)

    def _texts(self, segments: list[Segment], **limits: int) -> Iterator[Text | None]:
        for segment, reading in zip(segments, self._read(segments, **limits), strict=True):
            best, notes = accept_or_retry(reading, None, self._options.thresholds, "max_new_tokens")
            yield self._options.text(best, notes, segment)

    def _read(self, segments: list[Segment], **limits: int) -> list[Hypothesis]:
        import torch
        from transformers import GenerationMixin

        mel = self._features(
            [segment.samples for segment in segments], sampling_rate=SPEECH_RATE, return_tensors="pt"
        ).input_features
        with self._runtime.inference(f"reading {len(segments)} segments"):
            heard = self._model.get_encoder()(mel.to(self._runtime.device, self._runtime.dtype))
            prompt = torch.tensor([self._prompt] * len(segments), device=self._runtime.device)
            # Whisper's own generate is for long recordings, which are cut by now; it hides the scores of short ones.
            answer = GenerationMixin.generate(self._model, encoder_outputs=heard, decoder_input_ids=prompt, **limits)
            tokens = answer.sequences[:, len(self._prompt) :].cpu()
            scores = self._model.compute_transition_scores(
                answer.sequences, answer.scores, answer.get("beam_indices"), normalize_logits=True
            ).cpu()
            readings = [
                self._hypothesis(ids, values)
                for ids, values in zip(tokens.tolist(), scores.double().tolist(), strict=True)
            ]
            doubted = [i for i, each in enumerate(readings) if each.log_probability < self._options.min_log_probability]
            if doubted:
                first = self._model(
                    encoder_outputs=(heard.last_hidden_state[doubted],),
                    decoder_input_ids=prompt[doubted, :1],
                ).logits[:, 0]
                silent = first.float().softmax(-1)[:, self._silence].tolist()
                for i, probability in zip(doubted, silent, strict=True):
                    readings[i] = replace(readings[i], no_speech=probability)
        return readings

    def _hypothesis(self, tokens: list[int], scores: list[float]) -> Hypothesis:
        finished = self._end in tokens
        length = tokens.index(self._end) if finished else len(tokens)
        counted = scores[: length + finished]
        return Hypothesis(
            text=self._tokenizer.decode(tokens[:length], skip_special_tokens=True).strip(),
            log_probability=sum(counted) / len(counted),
            no_speech=0.0,  # of no consequence where the words are likely
            tokens=length,
            finished=finished,
        )


def _prompt(trained: Any, options: WhisperTorchOptions) -> list[int]:
    """Whisper's four tokens of what to do: start, language, task, no time stamps.

    Raises:
        ConfigError: the checkpoint is of a Whisper for English alone, or does not know the language.
    """
    languages = getattr(trained, "lang_to_id", None)
    tasks = getattr(trained, "task_to_id", None)
    if not languages or not tasks:
        raise ConfigError("this Whisper knows English only and does no tasks; use a multilingual one, without .en")
    token = f"<|{options.language}|>"
    if token not in languages:
        known = ", ".join(sorted(each.strip("<|>") for each in languages))
        raise ConfigError(f"language {options.language!r} is unknown to this Whisper; it knows {known}")
    return [trained.decoder_start_token_id, languages[token], tasks[options.task], trained.no_timestamps_token_id]
