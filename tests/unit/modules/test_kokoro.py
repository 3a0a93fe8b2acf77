import json
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from errors import ConfigError, CorruptWeights, MissingWeights
from modules.contract.module import Compute
from modules.kokoro.network import KokoroModel
from modules.kokoro.voice import Kokoro, KokoroOptions


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
