"""Whisper on transformers: speech to English text, or to text of a chosen language.

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
from modules.tasks.recognition import Recognition, Segment, recognise
from modules.whisper.options import WhisperOptions


class WhisperTorchOptions(WhisperOptions):
    """Options of Whisper. The checkpoint's own settings for beams, lengths and sampling are not used."""

    num_beams: int = Field(1, ge=1, le=10, description="width of the beam search; 1 is greedy")
    temperature: float = Field(
        0.0, ge=0, le=2, description="temperature of the sampling; 0 takes the most probable token"
    )
    max_new_tokens: int = Field(
        220, ge=1, le=444, description="longest text of a segment, in tokens, if the model can write as many"
    )
    dtype: Dtype = Field("auto", description="arithmetic of the model; auto is float16 on GPUs, float32 on CPUs")


class Whisper(Module):
    """Recognises or translates speech of any sample rate; yields one Text for each segment.

    The first segments of a batch are recognised in one call, then the second ones, and so on. The encoder of
    transformers takes windows of 30 s only, so a short clip costs as much as a long one.

    With a ``temperature``, every call samples its tokens from the seed: the same batch gives the same texts, but a
    recording may get another text in another batch.

    ``model`` is a folder of a multilingual WhisperForConditionalGeneration, such as openai/whisper-large.
    """

    accepts = Audio
    yields = Text
    options_type = WhisperTorchOptions

    def __init__(self, model: Path | None, options: WhisperTorchOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, it is no multilingual Whisper, it does not know the language, or
                this machine has no such device.
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
        # A new configuration, so that nothing depends on the checkpoint's own.
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
        # The token for silence comes before the one for no time stamps, under one of two names.
        self._silence = trained.no_timestamps_token_id - 1

    def warm_up(self) -> None:
        """Runs voice activity detection, the encoder and the decoder on a second of faint noise."""
        noise = 0.01 * np.random.default_rng(0).standard_normal(SPEECH_RATE, dtype=np.float32)
        speech_ranges(noise)
        list(self._recognise_segments([Segment(noise, 0.0, 1.0, ())], max_new_tokens=4))

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Recognises recordings; see ``modules.tasks.recognition.recognise``.

        A Text is noted ``truncated`` if it stopped at ``max_new_tokens``.

        Raises:
            ModelError: the model failed, for instance because memory ran out.
        """
        language = self._options.written_language
        return recognise(batch, self._options, language, self._recognise_segments, together=True)

    def _recognise_segments(self, segments: list[Segment], **limits: int) -> Iterator[Recognition | None]:
        thresholds = self._options.thresholds
        for hypothesis in self._hypotheses(segments, **limits):
            best, notes = accept_or_retry(hypothesis, None, thresholds, "max_new_tokens")
            yield None if best.is_silence(thresholds) else Recognition(best.text, notes)

    def _hypotheses(self, segments: list[Segment], **limits: int) -> list[Hypothesis]:
        import torch
        from transformers import GenerationMixin

        mel = self._features(
            [segment.samples for segment in segments], sampling_rate=SPEECH_RATE, return_tensors="pt"
        ).input_features
        with self._runtime.inference(f"recognising {len(segments)} segments"):
            encoded = self._model.get_encoder()(mel.to(self._runtime.device, self._runtime.dtype))
            prompt = torch.tensor([self._prompt] * len(segments), device=self._runtime.device)
            # Whisper's own generate is for long recordings and hides the scores. These recordings are cut already.
            answer = GenerationMixin.generate(self._model, encoder_outputs=encoded, decoder_input_ids=prompt, **limits)
            tokens = answer.sequences[:, len(self._prompt) :].cpu()
            scores = self._model.compute_transition_scores(
                answer.sequences, answer.scores, answer.get("beam_indices"), normalize_logits=True
            ).cpu()
            hypotheses = [
                self._hypothesis(ids, values)
                for ids, values in zip(tokens.tolist(), scores.double().tolist(), strict=True)
            ]
            doubted = [
                i for i, each in enumerate(hypotheses) if each.log_probability < self._options.min_log_probability
            ]
            if doubted:
                first = self._model(
                    encoder_outputs=(encoded.last_hidden_state[doubted],),
                    decoder_input_ids=prompt[doubted, :1],
                ).logits[:, 0]
                silent = first.float().softmax(-1)[:, self._silence].tolist()
                for i, probability in zip(doubted, silent, strict=True):
                    hypotheses[i] = replace(hypotheses[i], no_speech=probability)
        return hypotheses

    def _hypothesis(self, tokens: list[int], scores: list[float]) -> Hypothesis:
        finished = self._end in tokens
        length = tokens.index(self._end) if finished else len(tokens)
        counted = scores[: length + finished]
        return Hypothesis(
            text=self._tokenizer.decode(tokens[:length], skip_special_tokens=True).strip(),
            log_probability=sum(counted) / len(counted),
            no_speech=0.0,  # has no effect while the words are probable
            tokens=length,
            finished=finished,
        )


def _prompt(trained: Any, options: WhisperTorchOptions) -> list[int]:
    """Returns Whisper's four tokens of the task: start, language, task, no time stamps.

    Raises:
        ConfigError: the checkpoint is a Whisper for English only, or does not know the language.
    """
    languages = getattr(trained, "lang_to_id", None)
    tasks = getattr(trained, "task_to_id", None)
    if not languages or not tasks:
        raise ConfigError("this Whisper knows English only and has no tasks; use a multilingual one, without .en")
    token = f"<|{options.language}|>"
    if token not in languages:
        known = ", ".join(sorted(each.strip("<|>") for each in languages))
        raise ConfigError(f"language {options.language!r} is unknown to this Whisper; it knows {known}")
    return [trained.decoder_start_token_id, languages[token], tasks[options.task], trained.no_timestamps_token_id]
