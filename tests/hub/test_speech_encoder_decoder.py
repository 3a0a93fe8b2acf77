from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from errors import ConfigError, InputError
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Text
from modules.speech_encoder_decoder import SpeechEncoderDecoder, SpeechEncoderDecoderOptions


@pytest.fixture(scope="module")
def open_model(checkpoint):
    def make(**options: Any) -> SpeechEncoderDecoder:
        settings = SpeechEncoderDecoderOptions(**{"target_language": "de", "max_new_tokens": 12, **options})
        return SpeechEncoderDecoder(checkpoint("xlsr"), settings, Compute())

    return make


@pytest.fixture(scope="module")
def model(open_model) -> SpeechEncoderDecoder:
    model = open_model()
    model.warm_up()
    return model


def read(model: SpeechEncoderDecoder, *clips: Audio) -> list[list[Text]]:
    """What is read from each clip."""
    outputs: list[list[Text]] = [[] for _ in clips]
    for position, text in model.process(clips):
        assert isinstance(text, Text), text
        outputs[position].append(text)
    return outputs


def test_a_long_clip_is_cut_and_a_batch_reads_as_each_alone(model, speech) -> None:
    long = Audio(np.tile(speech.samples, 6), speech.sample_rate, 10.0, 10.0)
    (alone,), (short,) = read(model, long), read(model, speech)

    assert len(alone) >= 2
    assert [text.language for text in alone] == ["de"] * len(alone)
    assert alone[0].start_s >= 10.0
    assert all(before.end_s <= after.start_s for before, after in pairwise(alone))
    assert read(model, long, speech) == [alone, short]


def test_language_beams_and_limits_take_effect(open_model, model, speech) -> None:
    ((usual,),) = read(model, speech)
    ((chinese,),) = read(open_model(target_language="zh"), speech)
    assert (chinese.language, chinese.text == usual.text) == ("zh", False)
    ((same,),) = read(open_model(target_language="zh", forced_bos_token_id=first_token(model)), speech)
    assert same.text == usual.text
    ((greedy,),) = read(open_model(num_beams=1, length_penalty=1.0), speech)
    ((once,),) = read(open_model(num_beams=1, no_repeat_ngram_size=1), speech)
    assert len({usual.text, greedy.text, once.text}) == 3
    ((short,),) = read(open_model(num_beams=1, max_new_tokens=3), speech)
    assert greedy.text.startswith(short.text)
    assert [note.kind for note in short.notes] == ["truncated"]
    with pytest.raises(ConfigError, match="no token for target_language 'xx'; it has af, ar, az"):
        open_model(target_language="xx")


def first_token(model: SpeechEncoderDecoder) -> int:
    return model._generation["forced_bos_token_id"]


def test_silence_is_not_read_and_bad_audio_ends_alone(model, speech) -> None:
    silence = Audio(np.zeros(16_000, np.float32), 16_000)
    loud = replace(speech, samples=speech.samples * 1000)
    outputs = list(model.process([silence, loud, Text("no", "en"), speech]))

    assert [position for position, _ in outputs] == [1, 2, 3]
    assert [isinstance(output, InputError) for _, output in outputs] == [True, True, False]


def test_speech2text2_is_refused_where_transformers_has_it_no_more(checkpoint) -> None:
    with pytest.raises(ConfigError, match="make env-s2t2"):
        SpeechEncoderDecoder(checkpoint("speech2text2"), SpeechEncoderDecoderOptions(target_language="de"), Compute())
