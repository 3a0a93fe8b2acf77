"""Speech translation in one model, on transformers: a wav2vec 2.0 encoder and a text decoder, joined by training.

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
from modules.contract.payloads import Audio, Note, Payload, Samples, Text
from modules.runtimes.pytorch import Dtype, TorchRuntime
from modules.tasks.recognition import Segment, SegmentOptions, recognise

_LANGUAGE_TOKEN = re.compile(r"([a-z]{2,3})_[A-Z]{2}")
_SPEECH2TEXT2 = "speech_to_text_2"


class SpeechEncoderDecoderOptions(SegmentOptions):
    """Options of SpeechEncoderDecoder; those without a remark are generation options of transformers."""

    language: str = Field("en", pattern="^[a-z]{2,3}$", description="language spoken, ISO 639")
    target_language: str = Field(pattern="^[a-z]{2,3}$", description="language to write, ISO 639")
    forced_bos_token_id: int | None = Field(
        None,
        ge=0,
        description="first token, for a language that the model writes under the token of another, as "
        "xls-r-300m-en-to-15 does Catalan (250005) and Welsh (250007); default: the token of target_language, if there "
        "is any",
    )
    num_beams: int = Field(5, ge=1, le=20, description="1 is greedy search")
    length_penalty: float = Field(1.0, ge=-5, le=5, description="above 0 favours longer texts; for more than one beam")
    no_repeat_ngram_size: int = Field(0, ge=0, le=20, description="no run of so many tokens comes twice; 0 allows all")
    max_new_tokens: int = Field(200, ge=1, le=1000, description="longest text of a segment, in tokens")
    dtype: Dtype = Field("auto", description="arithmetic of the model")


class SpeechEncoderDecoder(Module):
    """Translates speech of any sample rate; yields one Text in ``target_language`` a segment, as soon as it is read.

    Speech shorter than ``segment_s`` is one segment; longer speech is cut at pauses. The n-th segments of a batch are
    read together. Where voice activity finds no speech nothing is yielded and the model is not run.

    ``model`` is a folder of a SpeechEncoderDecoderModel with its feature extractor and tokenizer. One with a
    Speech2Text2 decoder needs transformers 4.46, the last release that has it, and so an environment of its own.
    """

    accepts = Audio
    yields = Text
    options_type = SpeechEncoderDecoderOptions

    def __init__(self, model: Path | None, options: SpeechEncoderDecoderOptions, compute: Compute) -> None:
        """See Module.

        Raises:
            ConfigError: no model is named, it does not know the target language, or this environment cannot run it.
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
        self._generation["forced_eos_token_id"] = None  # or a text that was cut off would look like one that ended
        if (first := self._first_token()) is not None:
            self._generation["forced_bos_token_id"] = first

    def warm_up(self) -> None:
        """Runs voice activity, the encoder and the decoder on a second of silence."""
        silence = np.zeros(SPEECH_RATE, np.float32)
        speech_ranges(silence)
        self._read([silence], max_new_tokens=4)

    def process(self, batch: Sequence[Payload]) -> Iterator[tuple[int, Payload | InputError]]:
        """Yields Text in ``target_language``; see ``modules.tasks.recognition.recognise``.

        A Text is noted ``truncated`` when it stopped at ``max_new_tokens``.

        Raises:
            ModelError: the model failed.
        """
        return recognise(batch, self._options, self._texts, together=True)

    def _texts(self, segments: list[Segment]) -> Iterator[Text | None]:
        language = self._options.target_language
        for segment, (text, notes) in zip(segments, self._read([each.samples for each in segments]), strict=True):
            spoken = any(map(str.isalnum, text))
            yield Text(text, language, segment.start_s, segment.end_s, segment.notes + notes) if spoken else None

    def _read(self, speech: list[Samples], **generation: int) -> list[tuple[str, tuple[Note, ...]]]:
        inputs = self._features(speech, sampling_rate=SPEECH_RATE, padding=True, return_tensors="pt").to(
            self._runtime.device
        )
        name = self._features.model_input_names[0]
        with self._runtime.inference(f"reading {sum(map(len, speech)) / SPEECH_RATE:.1f} s of speech"):
            tokens = self._model.generate(
                inputs[name].to(self._runtime.dtype),
                attention_mask=inputs.get("attention_mask"),
                **{**self._generation, **generation},
            )
        texts = self._tokenizer.batch_decode(tokens, skip_special_tokens=True)
        # The first token may be the end of text too: these decoders are started by it.
        ended = (tokens[:, 1:] == self._tokenizer.eos_token_id).any(1).tolist()
        limit = (Note("truncated", "the text stopped at its limit; raise max_new_tokens"),)
        return [(text.strip(), () if whole else limit) for text, whole in zip(texts, ended, strict=True)]

    def _first_token(self) -> int | None:
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
    """Refuses a Speech2Text2 decoder where transformers has it no more.

    Raises:
        ConfigError: it is so; the message names the environment to use.
    """
    import transformers

    if not (model / "config.json").is_file():
        return
    decoder = json.loads((model / "config.json").read_text(encoding="utf-8")).get("decoder", {})
    if decoder.get("model_type") == _SPEECH2TEXT2 and not hasattr(transformers, "Speech2Text2ForCausalLM"):
        raise ConfigError(
            f"{model} has a Speech2Text2 decoder, which transformers {transformers.__version__} has no more; run "
            "`make env-s2t2` and give the stage its interpreter, python: .venv-s2t2/bin/python"
        )
