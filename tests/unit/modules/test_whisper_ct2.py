import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import modules.tasks.recognition
import modules.whisper.ct2
from errors import ConfigError, InputError, MissingWeights, ModelError
from modules.audio.speech_segments import SampleRange
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Text
from modules.whisper.ct2 import WhisperCT2, WhisperCT2Options

WORDS = 1000


class FakeVocabulary:
    """Every token is the word ``w``; special ones have ids above all words."""

    def token_to_id(self, token: str) -> int:
        return WORDS + zlib.crc32(token.encode())

    def decode(self, tokens: list[int]) -> str:
        return " ".join("w" for _ in tokens)


class FakeWhisper:
    """Reads three tokens from any sound, or what ``readings`` says in turn; remembers what it was asked."""

    is_multilingual = True
    n_mels = 80

    def __init__(self, *readings: dict[str, Any]) -> None:
        self.readings = list(readings)
        self.calls: list[dict[str, Any]] = []

    def generate(self, features: Any, prompts: list[list[int]], **options: Any) -> list[Any]:
        self.calls.append({"frames": features.shape[2], "prompt": prompts[0], **options})
        reading = {"tokens": 3, "score": -0.2, "no_speech": 0.0} | (self.readings.pop(0) if self.readings else {})
        return [
            SimpleNamespace(
                sequences_ids=[[1] * reading["tokens"]], scores=[reading["score"]], no_speech_prob=reading["no_speech"]
            )
        ]


def fake(monkeypatch: pytest.MonkeyPatch, model: FakeWhisper, **options: Any) -> WhisperCT2:
    monkeypatch.setattr(modules.whisper.ct2, "open_model", lambda *_: (model, FakeVocabulary()))
    monkeypatch.setattr(modules.tasks.recognition, "speech_ranges", lambda samples: [SampleRange(0, len(samples))])
    return WhisperCT2(None, WhisperCT2Options(**options), Compute())


def noise(seconds: float, rate: int = SPEECH_RATE, start_s: float = 0.0) -> Audio:
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate), dtype=np.float32)
    return Audio(samples, rate, start_s, start_s + seconds)


def test_the_window_is_the_speech_and_the_margin(monkeypatch):
    model = FakeWhisper()

    list(fake(monkeypatch, model, margin_s=4).process([noise(3)]))

    assert [call["frames"] for call in model.calls] == [700]


def test_the_full_window_is_30_s(monkeypatch):
    model = FakeWhisper()

    list(fake(monkeypatch, model, window="full").process([noise(3)]))

    assert [call["frames"] for call in model.calls] == [3000]


def test_doubt_of_a_fitted_window_is_settled_by_the_full_one(monkeypatch):
    model = FakeWhisper({"score": -3.0}, {"tokens": 5})

    ((_, text),) = fake(monkeypatch, model).process([noise(3)])

    assert model.calls[1]["frames"] == 3000
    assert text.text == "w w w w w"
    assert [note.kind for note in text.notes] == ["second_pass"]


def test_doubt_of_a_full_window_is_not_read_twice(monkeypatch):
    model = FakeWhisper({"score": -3.0})

    list(fake(monkeypatch, model, window="full").process([noise(3)]))

    assert len(model.calls) == 1


@pytest.mark.parametrize(
    ("options", "reading"),
    [
        ({"min_log_probability": -0.1}, {"score": -0.5}),
        ({"max_no_speech": 0.3}, {"no_speech": 0.4}),
        ({"max_compression_ratio": 1.5}, {"tokens": 20}),
    ],
)
def test_each_threshold_can_ask_for_the_second_pass(monkeypatch, options, reading):
    model = FakeWhisper(reading)

    list(fake(monkeypatch, model, **options).process([noise(10)]))

    assert len(model.calls) == 2


def test_more_tokens_than_anybody_speaks_are_read_again_and_a_loop_is_noted(monkeypatch):
    model = FakeWhisper({"tokens": 22}, {"tokens": 50})

    ((_, text),) = fake(monkeypatch, model, max_tokens=50, max_compression_ratio=99).process([noise(3)])

    assert [note.kind for note in text.notes] == ["second_pass", "truncated"]


def test_silence_by_the_models_own_scores_yields_nothing(monkeypatch):
    silent = {"score": -3.0, "no_speech": 0.9}

    assert list(fake(monkeypatch, FakeWhisper(silent, silent)).process([noise(3)])) == []


def test_text_without_a_letter_yields_nothing(monkeypatch):
    assert list(fake(monkeypatch, FakeWhisper({"tokens": 0, "score": 0.0})).process([noise(3)])) == []


def test_no_speech_costs_no_model_call(monkeypatch):
    model = FakeWhisper()
    listener = fake(monkeypatch, model)
    monkeypatch.setattr(modules.tasks.recognition, "speech_ranges", lambda samples: [])

    assert list(listener.process([noise(3)])) == []
    assert model.calls == []


def test_without_voice_activity_all_sound_is_read(monkeypatch):
    model = FakeWhisper()
    listener = fake(monkeypatch, model, vad=False)
    monkeypatch.setattr(modules.tasks.recognition, "speech_ranges", lambda samples: [])

    assert len(list(listener.process([noise(3)]))) == 1


def test_long_speech_is_cut_and_each_segment_is_yielded_before_the_next_is_read(monkeypatch):
    model = FakeWhisper()

    outputs = fake(monkeypatch, model, segment_s=12).process([noise(30, start_s=100.0)])
    first = next(outputs)[1]

    assert len(model.calls) == 1
    texts = [first, *(text for _, text in outputs)]
    assert texts[0].start_s == 100.0
    assert texts[-1].end_s == 130.0
    assert [text.end_s for text in texts[:-1]] == [text.start_s for text in texts[1:]]
    assert all(text.end_s - text.start_s <= 12 for text in texts)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_any_sample_rate_is_read(monkeypatch, rate):
    model = FakeWhisper()

    ((_, text),) = fake(monkeypatch, model, margin_s=4).process([noise(3, rate)])

    assert [call["frames"] for call in model.calls] == [700]
    assert text.end_s == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(
    "unusable",
    [noise(0.1), Audio(np.full(16000, np.nan, np.float32), 16000), Text("no sound", "en")],
    ids=["short", "nan", "text"],
)
def test_an_unusable_input_ends_alone(monkeypatch, unusable):
    outputs = dict(fake(monkeypatch, FakeWhisper()).process([unusable, noise(3)]))

    assert isinstance(outputs[0], InputError)
    assert outputs[1].text == "w w w"


def test_transcribing_in_another_language_than_the_one_spoken_says_so(monkeypatch):
    listener = fake(monkeypatch, FakeWhisper(), task="transcribe", language="zh")

    ((_, text),) = listener.process([noise(3)])

    assert text.language == "zh"


@pytest.mark.parametrize(("task", "language"), [("translate", "en"), ("transcribe", "es")])
def test_task_and_language_are_always_named_in_the_prompt(monkeypatch, task, language):
    model = FakeWhisper()
    listener = fake(monkeypatch, model, task=task, language="es", beam_size=3)

    ((_, text),) = listener.process([noise(3)])

    names = ("<|startoftranscript|>", "<|es|>", f"<|{task}|>", "<|notimestamps|>")
    assert model.calls[0]["prompt"] == [FakeVocabulary().token_to_id(name) for name in names]
    assert text.language == language
    assert model.calls[0]["beam_size"] == 3


def test_a_failing_runtime_is_a_model_error(monkeypatch):
    model = FakeWhisper()
    listener = fake(monkeypatch, model)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model, "generate", fail)

    with pytest.raises(ModelError, match="out of memory"):
        list(listener.process([noise(3)]))


def test_an_unknown_language_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match="'xx'"):
        fake(monkeypatch, FakeWhisper(), language="xx")


@pytest.mark.parametrize("wrong", [{"margin": 2}, {"task": "sing"}, {"segment_s": 29}, {"compute_type": "int4"}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        WhisperCT2Options(**wrong)


def test_a_missing_or_foreign_model_is_refused(tmp_path):
    for model in (None, tmp_path):
        with pytest.raises((ConfigError, MissingWeights), match="model"):
            WhisperCT2(model, WhisperCT2Options(), Compute())
