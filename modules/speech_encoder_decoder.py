"""Speech translation in one model, on transformers: a wav2vec 2.0 encoder and a text decoder.

Models: facebook/wav2vec2-xls-r-300m-en-to-15, which writes 15 languages with an mBART-50 decoder (Babu et al., 2021,
https://arxiv.org/abs/2111.09296), and facebook/s2t-wav2vec2-large-en-de, which writes German with a Speech2Text2
decoder (Wang et al., 2021, https://arxiv.org/abs/2104.06678).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from errors import ConfigError, InputError
from modules.audio.speech_segments import speech_ranges
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute, Module, require_model
from modules.contract.payloads import Audio, Note, Payload, Text
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.tasks.recognition import Recognition, Segment, SegmentOptions, recognise

_LANGUAGE_TOKEN = re.compile(r"([a-z]{2,3})_[A-Z]{2}")
_SPEECH2TEXT2 = "speech_to_text_2"


class SpeechEncoderDecoderOptions(SegmentOptions):
    """Options of SpeechEncoderDecoder. Names of generation options are those of transformers."""

    language: str = Field("en", pattern="^[a-z]{2,3}$", description="language spoken, ISO 639")
    target_language: str = Field(pattern="^[a-z]{2,3}$", description="language to write, ISO 639")
    forced_bos_token_id: int | None = Field(
        None,
        ge=0,
        description="first token, for a language that the model writes under the token of another one: "
        "xls-r-300m-en-to-15 writes Catalan under 250005 and Welsh under 250007. Default: the token of "
        "target_language, if the model has one",
    )
    num_beams: int = Field(5, ge=1, le=20, description="width of the beam search; 1 is greedy")
    length_penalty: float = Field(
        1.0, ge=-5, le=5, description="weight of the text's length in the beam search; above 0 favours longer texts"
    )
    no_repeat_ngram_size: int = Field(
        0, ge=0, le=20, description="length of the token sequences that may not be repeated; 0 allows all"
    )
    max_new_tokens: int = Field(200, ge=1, le=1000, description="longest text of a segment, in tokens")
    dtype: Dtype = Field("auto", description="arithmetic of the model")


class SpeechEncoderDecoder(Module):
    """Translates speech of any sample rate; yields one Text in ``target_language`` for each segment.

    Speech shorter than ``segment_s`` is one segment; longer speech is cut at pauses. The first segments of a batch are
    translated in one call, then the second ones, and so on. Where voice activity detection finds no speech, the model
    is not run and nothing is yielded.

    ``model`` is a folder of a SpeechEncoderDecoderModel with its feature extractor and tokenizer. A model with a
    Speech2Text2 decoder needs an environment of its own with transformers 4.46, the last release that has it.
    """

    accepts = Audio
    yields = Text
    options_type = SpeechEncoderDecoderOptions

    def __init__(self, model: Path | None, options: SpeechEncoderDecoderOptions, compute: Compute) -> None:
        """Loads the model; see Module.

        Raises:
            ConfigError: the stage names no model, it does not know the target language, or this environment cannot run
                it.
            WeightsError: a file of the model is missing or cannot be read.
        """
        self._options = options
        self._runtime = TorchRuntime(compute, options.dtype)
        from transformers import AutoFeatureExtractor, AutoTokenizer, SpeechEncoderDecoderModel

        folder = require_model(model)
        _check_environment(folder)
        self._features = self._runtime.load_component(AutoFeatureExtractor, folder)
        self._tokenizer = self._runtime.load_component(AutoTokenizer, folder)
        self._model = self._runtime.load(SpeechEncoderDecoderModel, folder)
        self._generation = {
            name: getattr(options, name)
            for name in ("num_beams", "length_penalty", "no_repeat_ngram_size", "max_new_tokens")
        }
        self._generation["do_sample"] = False
        self._generation["forced_eos_token_id"] = None  # otherwise a truncated text would look like a finished one
        if (first := self._first_token()) is not None:
            self._generation["forced_bos_token_id"] = first

    def warm_up(self) -> None:
        """Runs voice activity detection, the encoder and the decoder on a second of silence."""
        silence = np.zeros(SPEECH_RATE, np.float32)
        speech_ranges(silence)
        self._recognise_segments([Segment(silence, 0.0, 1.0, ())], max_new_tokens=4)

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Recognises recordings; see ``modules.tasks.recognition.recognise``.

        A Text is noted ``truncated`` if it stopped at ``max_new_tokens``.

        Raises:
            ModelError: the model failed.
        """
        language = self._options.target_language
        return recognise(batch, self._options, language, self._recognise_segments, together=True)

    def _recognise_segments(self, segments: list[Segment], **generation: int) -> list[Recognition]:
        speech = [segment.samples for segment in segments]
        inputs = self._features(speech, sampling_rate=SPEECH_RATE, padding=True, return_tensors="pt").to(
            self._runtime.device
        )
        name = self._features.model_input_names[0]
        with self._runtime.inference(f"translating {sum(map(len, speech)) / SPEECH_RATE:.1f} s of speech"):
            tokens = self._model.generate(
                inputs[name].to(self._runtime.dtype),
                attention_mask=inputs.get("attention_mask"),
                **{**self._generation, **generation},
            )
        texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        # These decoders begin with the token for the end of text, so the first token does not count.
        finished = (tokens[:, 1:] == self._tokenizer.eos_token_id).any(1).tolist()
        truncated = (Note("truncated", "the text stopped at its limit; raise max_new_tokens"),)
        return [Recognition(text.strip(), () if end else truncated) for text, end in zip(texts, finished, strict=True)]

    def _first_token(self) -> int | None:
        """Returns the token that the text must begin with; None if the model has no tokens for languages."""
        options = self._options
        if options.forced_bos_token_id is not None:
            return options.forced_bos_token_id
        vocabulary = self._tokenizer.get_vocab().items()
        codes = {match[1]: number for token, number in vocabulary if (match := _LANGUAGE_TOKEN.fullmatch(token))}
        if codes and options.target_language not in codes:
            known = ", ".join(sorted(codes))
            raise ConfigError(f"the model has no token for target_language {options.target_language!r}; it has {known}")
        return codes.get(options.target_language)


def _check_environment(model: Path) -> None:
    """Refuses a Speech2Text2 decoder in an environment whose transformers no longer has it.

    Raises:
        ConfigError: the decoder is not there; the message names the environment to use.
    """
    import transformers

    try:
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # opening the model reports it
        return
    decoder = config.get("decoder", {}) if isinstance(config, dict) else {}
    if decoder.get("model_type") == _SPEECH2TEXT2 and not hasattr(transformers, "Speech2Text2ForCausalLM"):
        raise ConfigError(
            f"{model} has a Speech2Text2 decoder, which transformers {transformers.__version__} no longer has; run "
            "`make env-s2t2` and give the stage its interpreter, python: .venv-s2t2/bin/python"
        )
