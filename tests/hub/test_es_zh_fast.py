"""pipelines/es-zh-fast.yaml: tiny checkpoints converted as a user does, then run without torch up to a real voice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from checkout import ROOT
from errors import ConfigError, MissingWeights
from modules.contract.module import Compute
from modules.weights import locate
from modules.weights.converted import convert
from modules.whisper.ct2 import WhisperCT2, WhisperCT2Options
from modules.whisper.hf import Whisper, WhisperTorchOptions

pytestmark = pytest.mark.timeout(900)  # a conversion imports torch in a process of its own

MODELS = {"listen": "openai/whisper-large", "translate": "Helsinki-NLP/opus-mt-en-zh"}


@pytest.fixture(scope="module")
def weights(checkpoint, tmp_path_factory) -> Path:
    """A folder for --weights in which both hub models of the relay, tiny ones, were converted."""
    folder = tmp_path_factory.mktemp("weights")
    for family, model in zip(("whisper", "marian"), MODELS.values(), strict=True):
        (folder / model).parent.mkdir()
        (folder / model).symlink_to(checkpoint(family))
    command = [sys.executable, "pipeline.py", "weights", "convert", *MODELS.values()]
    options = ["--weights", folder, "--to", folder, "--quantization", "float32"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(folder / "ct2" / model) for model in MODELS.values()]
    return folder


def test_the_relay_speaks_chinese(weights, speech):
    from pipeline import Pipeline

    options = {"max_tokens": 12, "window": "full"}
    stages = {"listen": {"options": options}, "translate": {"options": {"max_tokens": 12}}}
    with Pipeline.from_config(ROOT / "pipelines" / "es-zh-fast.yaml", weights=weights, stages=stages) as pipeline:
        first, second = pipeline.map([speech, speech])

    assert (first.outcome, first.error) == ("ok", "")
    assert list(first.texts) == ["listen", "translate"]
    assert all(first.texts.values())
    assert second.texts == first.texts
    assert first.audio.sample_rate == 24_000
    assert first.audio.seconds > 1
    assert "truncated" in {note.kind for note in first.notes}


@pytest.mark.parametrize("options", [{}, {"task": "transcribe", "language": "zh"}])
def test_the_converted_whisper_reads_the_same(weights, checkpoint, speech, options):
    torch_options = WhisperTorchOptions(max_new_tokens=12, **options)
    ct2_options = WhisperCT2Options(max_tokens=12, window="full", compute_type="float32", **options)
    original = Whisper(checkpoint("whisper"), torch_options, Compute())
    converted = WhisperCT2(locate("ct2:openai/whisper-large", weights), ct2_options, Compute())

    read = [(text.text, text.language) for _, text in converted.process([speech])]
    assert read
    assert read == [(text.text, text.language) for _, text in original.process([speech])]


def test_what_was_not_converted_is_told_with_the_command(tmp_path):
    with pytest.raises(MissingWeights, match="weights convert openai/whisper-large"):
        locate("ct2:openai/whisper-large", tmp_path)


def test_another_kind_of_model_is_not_converted_and_leaves_nothing(tmp_path):
    source = tmp_path / "bert"
    source.mkdir()
    (source / "config.json").write_text(json.dumps({"model_type": "bert"}))

    done = subprocess.run(
        [sys.executable, "pipeline.py", "weights", "convert", source, "--to", tmp_path / "to"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "'bert'; only whisper and marian are converted" in done.stderr
    assert list((tmp_path / "to" / "ct2").iterdir()) == []


def test_what_was_converted_is_left_alone(weights, tmp_path):
    folder = convert(MODELS["listen"], tmp_path, weights)

    assert folder == weights / "ct2" / MODELS["listen"]


def test_without_transformers_the_right_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("modules.weights.converted.find_spec", lambda _: None)

    with pytest.raises(ConfigError, match=r"\.venv-hub/bin/relevo weights convert"):
        convert("openai/whisper-large", tmp_path, tmp_path / "to")
