"""Whisper on CTranslate2: speech to English text, or to text of its own language.

Whisper is trained on windows of 30 s, and every clip is padded to that: the encoder then spends most of its time on
padding. Here the window is fitted to the speech, and widened to 30 s again where the decoder's scores are doubtful.
Model: Radford et al., 2022, https://arxiv.org/abs/2212.04356.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from errors import ConfigError, InputError, ModelError
from modules.audio.speech_segments import speech_ranges
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute, Module
from modules.contract.payloads import Audio, Note, Payload, Samples, Text
from modules.runtimes.ct2 import ComputeType, open_model
from modules.tasks.hypothesis import Hypothesis, accept_or_retry
from modules.tasks.recognition import Recognition, Segment, recognise
from modules.whisper.options import WhisperOptions

_FULL_WINDOW_S = 30.0
_FRAMES_PER_S = 100
_FRAME = SPEECH_RATE // _FRAMES_PER_S
# More tokens than anybody speaks. A text that needs them repeats itself, and is stopped before that gets costly.
_TOKENS_PER_S = {"translate": 6.0, "transcribe": 12.0}
_SPARE_TOKENS = 4


class WhisperCT2Options(WhisperOptions):
    """Options of WhisperCT2. A doubted text of a fitted window is recognised again in the full window."""

    beam_size: int = Field(1, ge=1, le=10, description="width of the beam search; 1 is greedy")
    window: Literal["fitted", "full"] = Field("fitted", description="encode the speech and margin_s, or 30 s")
    margin_s: float = Field(3.0, ge=0, le=28, description="room after the speech in a fitted window, in seconds")
    max_tokens: int = Field(220, ge=1, le=224, description="longest text of a segment, in tokens")
    compute_type: ComputeType = Field("int8", description="arithmetic of the model")


class WhisperCT2(Module):
    """Recognises or translates speech of any sample rate; yields one Text for each segment, as soon as it is ready.

    Speech shorter than ``segment_s`` is one segment. Where voice activity detection finds no speech, the model is not
    run and nothing is yielded. The recordings of a batch are recognised one after the other, so that the first result
    comes soon: the encoder takes most of the time and gains nothing from batching on a CPU.

    ``model`` is a folder that CTranslate2's converters wrote, of any multilingual Whisper.
    """

    accepts = Audio
    yields = Text
    options_type = WhisperCT2Options

    def __init__(self, model: Path | None, options: WhisperCT2Options, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, this machine cannot run it, or it does not know the language.
            WeightsError: a file of the model is missing or cannot be read.
        """
        from ctranslate2.models import Whisper  # type: ignore[import-untyped]
        from faster_whisper.feature_extractor import FeatureExtractor  # type: ignore[import-untyped]
        from faster_whisper.tokenizer import Tokenizer  # type: ignore[import-untyped]

        self._options = options
        self._limits = options.thresholds
        self._model, vocabulary = open_model(Whisper, model, options.compute_type, compute)
        try:
            self._tokenizer = Tokenizer(
                vocabulary, self._model.is_multilingual, task=options.task, language=options.language
            )
        except ValueError as error:
            raise ConfigError(f"language {options.language!r} is unknown to Whisper; use a code such as es") from error
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]
        self._features = FeatureExtractor(feature_size=self._model.n_mels)

    def warm_up(self) -> None:
        """Runs voice activity detection, the encoder and the decoder on a second of faint noise."""
        noise = 0.01 * np.random.default_rng(0).standard_normal(SPEECH_RATE, dtype=np.float32)
        speech_ranges(noise)
        self._decode(noise, 1.0 + self._options.margin_s, max_tokens=4)

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Recognises recordings; see ``modules.tasks.recognition.recognise``.

        A Text is noted ``second_pass`` if the fitted window was not trusted, and ``truncated`` if it stopped at
        ``max_tokens``.

        Raises:
            ModelError: the runtime failed, for instance because memory ran out.
        """
        return recognise(batch, self._options, self._options.written_language, self._recognise_segments)

    def _recognise_segments(self, segments: list[Segment]) -> Iterator[Recognition | None]:
        for segment in segments:
            best, notes = self._best_hypothesis(segment.samples)
            yield None if best.is_silence(self._limits) else Recognition(best.text, notes)

    def _best_hypothesis(self, speech: Samples) -> tuple[Hypothesis, tuple[Note, ...]]:
        options = self._options
        if options.window == "full":
            return accept_or_retry(self._decode(speech, _FULL_WINDOW_S, options.max_tokens), None, self._limits)
        speech_s = len(speech) / SPEECH_RATE
        max_tokens = min(options.max_tokens, _SPARE_TOKENS + round(_TOKENS_PER_S[options.task] * speech_s))
        fitted = self._decode(speech, min(speech_s + options.margin_s, _FULL_WINDOW_S), max_tokens)
        return accept_or_retry(fitted, lambda: self._decode(speech, _FULL_WINDOW_S, options.max_tokens), self._limits)

    def _decode(self, speech: Samples, window_s: float, max_tokens: int) -> Hypothesis:
        """Encodes ``speech`` in a window of ``window_s`` seconds and decodes at most ``max_tokens`` tokens.

        Raises:
            ModelError: the runtime failed, for instance because memory ran out.
        """
        from ctranslate2 import StorageView  # type: ignore[import-untyped]

        # The encoder halves the frame rate, so the window is an even number of frames.
        # Whisper was trained on clips padded with silence before the spectrum was computed. Padding the spectrum with
        # zeros instead is cheaper, and makes it repeat itself more often.
        padded = np.zeros(round(window_s * _FRAMES_PER_S / 2) * 2 * _FRAME, np.float32)
        padded[: len(speech)] = speech[: len(padded)]
        mel = self._features(padded)[np.newaxis, :, : len(padded) // _FRAME]
        try:
            result = self._model.generate(
                StorageView.from_array(np.ascontiguousarray(mel)),
                [self._prompt],
                beam_size=self._options.beam_size,
                # CTranslate2 gives half of this to the prompt, however short the prompt is.
                max_length=max(2 * max_tokens, max_tokens + len(self._prompt)),
                return_scores=True,
                return_no_speech_prob=True,
            )[0]
        except RuntimeError as error:
            raise ModelError(f"Whisper failed on {window_s:.1f} s of audio: {error}") from error
        tokens = result.sequences_ids[0]
        return Hypothesis(
            text=self._tokenizer.decode(tokens).strip(),
            # CTranslate2 divides by the tokens it returns; Whisper's threshold counts the end of text as one more.
            log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech=result.no_speech_prob,
            tokens=len(tokens),
            finished=len(tokens) < max_tokens,
        )
