"""The whole relay of each pipeline file, in processes of its own, with tiny checkpoints in the place of its models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from checkout import ROOT
from workers.client.result import Result
from workers.config import load_config


def check(result: Result, stages: list[str], rate: int) -> None:
    assert result.outcome == "ok", result.error
    assert {span.stage for span in result.spans} == set(stages)  # a text is spoken while the next is translated
    assert result.texts.keys() == set(stages[:-1])
    assert all(result.texts.values())
    assert result.audio is not None
    assert result.audio.sample_rate == rate
    assert 0 < np.abs(result.audio.samples).max() <= 1


# Random weights hardly ever stop by themselves: every stage is told where to.
SHORT_BARK = {"speak": {"semantic_max_new_tokens": 12}}
SHORT_TEXT = {"translate": {"max_new_tokens": 16}}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "families", "options", "rate"),
    [
        ("config", ["whisper", "marian", "espnet"], {"speak": {"maxlenratio": 2}}, 24_000),
        ("es-en-speecht5", ["whisper", "speecht5"], {"speak": {"minlenratio": 1, "maxlenratio": 3}}, 16_000),
        ("es-en-bark", ["whisper", "bark"], SHORT_BARK, 24_000),
        ("es-zh-bark", ["whisper", "marian", "bark"], SHORT_BARK, 24_000),
        ("es-de-mms", ["whisper", "marian_de", "vits"], {}, 16_000),
        ("en-de-xlsr", ["xlsr", "vits"], SHORT_TEXT, 16_000),
        ("en-de-s2t2", ["speech2text2", "vits"], SHORT_TEXT, 16_000),
    ],
)
def test_speech_becomes_speech(
    relay, checkpoint, speech, name: str, families: list[str], options: dict[str, dict[str, Any]], rate: int
) -> None:
    names = list(load_config(ROOT / (f"pipelines/{name}.yaml" if name != "config" else "config.yaml")).stages)
    stages = {stage: {"load_timeout_s": 600, "options": dict(options.get(stage, {}))} for stage in names}
    if name == "es-en-speecht5":
        stages["speak"]["options"]["vocoder"] = str(checkpoint("speecht5/vocoder"))
    with relay(name, stages, **dict(zip(names, families, strict=True))) as pipeline:
        first, *others = pipeline.map([speech] * 3)
    check(first, names, rate)
    for other in others:
        check(other, names, rate)
        assert other.texts == first.texts
