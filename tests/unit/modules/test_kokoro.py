import json
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from errors import ConfigError, CorruptWeights, InputError, MissingWeights
from modules.contract.module import Compute
from modules.contract.payloads import Audio, Note, Text
from modules.kokoro.network import KOKORO_RATE, KokoroModel, voices
from modules.kokoro.voice import Kokoro, KokoroOptions
from modules.weights import locate

SENTENCES = "今天天气很好。我们去公园散步吧。"


@pytest.fixture(scope="module")
def folder() -> Path:
    return locate("kokoro-82m-onnx")


@pytest.fixture(scope="module")
def kokoro(folder: Path) -> Kokoro:
    return Kokoro(folder, KokoroOptions(), Compute())


def spoken(kokoro: Kokoro, text: str) -> list[Audio]:
    outputs = [output for _, output in kokoro.process([Text(text, "zh", 1.0, 2.0)])]
    assert all(isinstance(output, Audio) for output in outputs)
    return outputs


@pytest.fixture(scope="module")
def usual(kokoro: Kokoro) -> list[Audio]:
    return spoken(kokoro, SENTENCES)


@pytest.fixture
def hollow(tmp_path: Path) -> Path:
    """A folder with a voice and a vocabulary but no network."""
    (tmp_path / "voices").mkdir()
    np.zeros((510, 256), np.float32).tofile(tmp_path / "voices" / "zf_one.bin")
    (tmp_path / "vocab.json").write_text(json.dumps({"vocab": {"a": 1}}), encoding="utf-8")
    return tmp_path


def test_no_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no model"):
        Kokoro(None, KokoroOptions(), Compute())


def test_an_unknown_voice_is_refused_with_those_there_are(hollow: Path) -> None:
    with pytest.raises(ConfigError, match="no voice 'nobody'; use one of zf_one"):
        KokoroModel(hollow, "nobody", Compute())


def test_a_folder_without_voices_says_how_to_fetch_them(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="weights fetch"):
        KokoroModel(tmp_path, "zf_one", Compute())


def test_a_voice_of_the_wrong_size_is_corrupt(hollow: Path) -> None:
    np.zeros(7, np.float32).tofile(hollow / "voices" / "zf_one.bin")

    with pytest.raises(CorruptWeights, match="7 numbers"):
        KokoroModel(hollow, "zf_one", Compute())


def test_a_vocabulary_that_is_none_is_corrupt(hollow: Path) -> None:
    (hollow / "vocab.json").write_text("[", encoding="utf-8")

    with pytest.raises(CorruptWeights, match=re.escape("vocab.json")):
        KokoroModel(hollow, "zf_one", Compute())


def test_a_missing_network_says_how_to_fetch_it(hollow: Path) -> None:
    with pytest.raises(MissingWeights, match=re.escape("model.onnx is missing")):
        KokoroModel(hollow, "zf_one", Compute())


def test_a_network_that_does_not_open_is_corrupt(hollow: Path) -> None:
    (hollow / "model.onnx").write_bytes(b"not a network")

    with pytest.raises(CorruptWeights, match=re.escape("model.onnx does not open")):
        KokoroModel(hollow, "zf_one", Compute())


def test_a_device_that_is_not_here_is_refused(hollow: Path) -> None:
    with pytest.raises(ConfigError, match="device 'tpu'"):
        KokoroModel(hollow, "zf_one", Compute(device="tpu"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"speed": 0.4},
        {"speed": 2.1},
        {"max_phrase_chars": 61},
        {"pitch": 1},
        {"min_phrase_chars": 30, "max_phrase_chars": 20},
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        KokoroOptions(**wrong)


@pytest.mark.weights
def test_speech_is_audible_and_in_range(usual: list[Audio]) -> None:
    for audio in usual:
        assert audio.sample_rate == KOKORO_RATE
        assert audio.seconds > 0.5
        assert 0.1 < np.abs(audio.samples).max() <= 1.0
        assert (audio.start_s, audio.end_s) == (1.0, 2.0)


@pytest.mark.weights
def test_phrases_of_a_batch_are_yielded_one_by_one_and_in_order(kokoro: Kokoro) -> None:
    outputs = kokoro.process([Text("今天天气很好。我们去公园吧。", "zh"), Text("你好，再见。", "zh")])

    assert [position for position, _ in outputs] == [0, 0, 1]


@pytest.mark.weights
def test_hardly_any_silence_comes_before_speech(usual: list[Audio]) -> None:
    for audio in usual:
        level = np.abs(audio.samples)
        assert np.argmax(level > 0.01 * level.max()) <= 0.06 * KOKORO_RATE


@pytest.mark.weights
def test_the_same_text_sounds_the_same(kokoro: Kokoro) -> None:
    first, second = (spoken(kokoro, "你好。")[0] for _ in range(2))

    np.testing.assert_array_equal(first.samples, second.samples)


@pytest.mark.weights
def test_voices_differ(kokoro: Kokoro, folder: Path) -> None:
    other = next(name for name in voices(folder) if name != KokoroOptions().voice)
    second = Kokoro(folder, KokoroOptions(voice=other), Compute())

    assert spoken(second, "你好。")[0].samples.tolist() != spoken(kokoro, "你好。")[0].samples.tolist()


@pytest.mark.weights
def test_speed_pause_and_phrase_lengths_do_what_they_say(usual: list[Audio], folder: Path) -> None:
    changed = Kokoro(folder, KokoroOptions(speed=2.0, pause_s=0.0, min_phrase_chars=40), Compute())
    fast = spoken(changed, SENTENCES)

    assert len(usual) == 2
    assert len(fast) == 1
    assert fast[0].seconds < 0.75 * sum(audio.seconds for audio in usual)
    assert not usual[0].samples[-round(0.4 * KOKORO_RATE) :].any()
    assert fast[0].samples[-round(0.05 * KOKORO_RATE) :].any()


@pytest.mark.weights
def test_a_phrase_beyond_the_limit_is_cut_and_nothing_is_lost(folder: Path) -> None:
    kokoro = Kokoro(folder, KokoroOptions(max_phrase_chars=10), Compute())
    whole, cut = spoken(kokoro, "我们在公园散步。"), spoken(kokoro, "我们在公园散步我们在公园散步。")

    assert len(whole) == 1
    assert len(cut) == 2
    assert sum(audio.seconds for audio in cut) > 1.3 * whole[0].seconds


@pytest.mark.weights
def test_notes_come_with_the_first_phrase(kokoro: Kokoro) -> None:
    earlier = Note("truncated", "the translator stopped")
    text = Text("我们住在Villidalgo小镇。请打开手机地图😀。", "zh-CN", notes=(earlier,))
    first, second = (audio for _, audio in kokoro.process([text]))

    assert first.notes == (
        earlier,
        Note("respelled", "Villidalgo as 维利达尔戈"),
        Note("unspoken", "😀"),
    )
    assert second.notes == ()


@pytest.mark.weights
def test_a_character_without_a_reading_is_noted(kokoro: Kokoro) -> None:
    assert spoken(kokoro, "他在兙说话。")[0].notes == (Note("unspoken", "兙"),)


@pytest.mark.weights
@pytest.mark.parametrize("text", ["", "  ", "。。。", "……！"])
def test_nothing_to_say_yields_nothing(kokoro: Kokoro, text: str) -> None:
    assert spoken(kokoro, text) == []


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (Text("Привет", "zh"), "nothing in 'Привет' can be spoken"),
        (Text("😀", "zh"), "nothing in '😀' can be spoken"),
        (Text("Hello", "en"), "not 'en'"),
        (Audio(np.zeros(9, np.float32), 16000), "not Audio"),
    ],
)
def test_what_cannot_be_spoken_ends_that_input_alone(kokoro: Kokoro, text: Text | Audio, message: str) -> None:
    outputs = list(kokoro.process([text, Text("你好。", "zh")]))

    assert [position for position, _ in outputs] == [0, 1]
    assert isinstance(outputs[0][1], InputError)
    assert message in str(outputs[0][1])
    assert isinstance(outputs[1][1], Audio)


@pytest.mark.weights
def test_the_longest_phrase_fits_the_network(folder: Path) -> None:
    with pytest.raises(ValidationError):
        KokoroOptions(max_phrase_chars=61)
    longest = Kokoro(folder, KokoroOptions(max_phrase_chars=60, speed=2.0), Compute())

    (audio,) = spoken(longest, "床" * 60)

    assert audio.seconds > 3
