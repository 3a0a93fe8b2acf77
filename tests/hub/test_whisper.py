from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.models.whisper_checkpoint import save_for_transformers
from errors import ConfigError, InputError, WeightsError
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Note, Text
from modules.weights import locate
from modules.whisper.ct2 import WhisperCT2, WhisperCT2Options
from modules.whisper.hf import Whisper, WhisperTorchOptions

Listener = Callable[..., Whisper]


@pytest.fixture(scope="module")
def listener(checkpoint) -> Listener:
    def make(model: Path | None = None, compute: Compute | None = None, **options: Any) -> Whisper:
        options = {"max_new_tokens": 12, **options}
        return Whisper(model or checkpoint("whisper"), WhisperTorchOptions(**options), compute or Compute())

    return make


@pytest.fixture(scope="module")
def usual(listener) -> Whisper:
    made = listener()
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def clips(speech: Audio) -> list[Audio]:
    """Three recordings of different lengths; the last is two segments."""
    half = Audio(speech.samples[: len(speech.samples) // 2], speech.sample_rate)
    twice = np.concatenate([speech.samples, np.zeros(3 * speech.sample_rate, np.float32), speech.samples[::-1].copy()])
    return [speech, half, Audio(twice, speech.sample_rate, 100.0, 100.0 + len(twice) / speech.sample_rate)]


def read(whisper: Whisper, *clips: Audio) -> list[str]:
    return [text.text for _, text in whisper.process(clips)]


def test_a_batch_reads_as_its_items_do(usual, clips):
    together = sorted(usual.process(clips), key=lambda output: output[0])

    assert together == [(i, text) for i, clip in enumerate(clips) for _, text in usual.process([clip])]
    assert len({text.text for _, text in together}) > 1


def test_segments_come_in_order_and_in_their_places(usual, clips):
    texts = [text for _, text in usual.process(clips[2:])]

    assert len(texts) >= 2
    assert 100.0 <= texts[0].start_s < texts[0].end_s <= texts[1].start_s < texts[-1].end_s <= clips[2].end_s


@pytest.mark.parametrize("changed", [{"language": "fr"}, {"task": "transcribe"}, {"num_beams": 5}])
def test_language_task_and_beams_change_the_text(usual, listener, clips, changed):
    assert read(listener(**changed), *clips) != read(usual, *clips)


@pytest.mark.parametrize(
    ("options", "language"),
    [
        ({}, "en"),
        ({"task": "transcribe"}, "es"),
        ({"task": "transcribe", "language": "zh"}, "zh"),
    ],
)
def test_a_text_is_in_the_language_that_was_asked_for(listener, speech, options, language):
    assert {text.language for _, text in listener(**options).process([speech])} == {language}


def test_drawn_tokens_are_the_seeds(usual, listener, speech):
    drawn, again = (listener(temperature=1.0) for _ in range(2))

    assert read(drawn, speech) == read(drawn, speech) == read(again, speech)
    assert read(drawn, speech) != read(usual, speech)
    assert read(listener(temperature=1.0, compute=Compute(seed=7)), speech) != read(drawn, speech)


def test_the_thread_budget_is_kept(listener):
    import torch

    listener(compute=Compute(threads=2))
    assert torch.get_num_threads() == 2
    listener(compute=Compute(threads=1))
    assert torch.get_num_threads() == 1


def test_a_text_that_stopped_at_its_limit_is_noted(listener, usual, speech):
    earlier = Note("unspoken", "from before")
    noted = Audio(speech.samples, speech.sample_rate, notes=(earlier,))
    ((_, short),) = listener(max_new_tokens=5).process([noted])

    assert [note.kind for note in short.notes] == ["unspoken", "truncated"]
    assert short.notes[1].detail.endswith("raise max_new_tokens")
    assert read(usual, speech)[0].startswith(short.text)


def test_a_doubted_reading_of_what_is_probably_silence_yields_nothing(listener, speech):
    assert read(listener(min_log_probability=0.0, max_no_speech=0.0), speech) == []
    assert read(listener(min_log_probability=0.0, max_no_speech=1.0), speech)


def test_what_holds_no_speech_costs_no_model_call(listener, monkeypatch):
    whisper = listener()
    monkeypatch.setattr(whisper, "_model", None)
    outputs = list(
        whisper.process(
            [
                Audio(np.zeros(3 * SPEECH_RATE, np.float32), SPEECH_RATE),
                Audio(np.zeros(800, np.float32), SPEECH_RATE),
                Audio(np.full(SPEECH_RATE, np.nan, np.float32), SPEECH_RATE),
                Text("no sound", "en"),
            ]
        )
    )

    assert [position for position, _ in outputs] == [1, 2, 3]
    assert all(isinstance(error, InputError) for _, error in outputs)


def test_what_cannot_be_used_is_refused_with_the_reason(listener, checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="language 'xx' is unknown to this Whisper; it knows af, am, "):
        listener(language="xx")
    with pytest.raises(ConfigError, match="holds a model of type 'marian' where 'whisper' is needed"):
        listener(model=checkpoint("marian"))
    with pytest.raises(WeightsError, match=r"config\.json"):
        listener(model=tmp_path)
    with pytest.raises(ConfigError, match="names no model"):
        Whisper(None, WhisperTorchOptions(), Compute())


def test_on_real_weights_it_reads_what_the_converted_one_reads(listener, speech, tmp_path):
    source = locate("whisper-base-ct2")
    ct2 = WhisperCT2(source, WhisperCT2Options(window="full", compute_type="float32"), Compute())
    whisper = listener(save_for_transformers(source, tmp_path / "whisper"), max_new_tokens=220)

    assert list(whisper.process([speech])) == list(ct2.process([speech]))
    assert "pharmacy" in " ".join(read(whisper, speech)).lower()
