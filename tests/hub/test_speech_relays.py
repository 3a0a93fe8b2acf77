"""The whole relay of each pipeline file, in processes of its own, with tiny checkpoints in the place of its models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workers.result import Result

WAIT_S = 240
SLOW_START = {"load_timeout_s": 600}


def check(result: Result, stages: list[str], rate: int) -> None:
    assert result.outcome == "ok", result.error
    assert [span.stage for span in result.spans][: len(stages)] == stages
    assert result.texts.keys() == set(stages[:-1])
    assert all(result.texts.values())
    assert result.audio is not None
    assert result.audio.sample_rate == rate
    assert 0 < np.abs(result.audio.samples).max() <= 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "families", "options", "rate"),
    [
        ("config", {"listen": "whisper", "translate": "marian", "speak": "espnet"}, {"maxlenratio": 2.0}, 24_000),
        (
            "es-en-speecht5",
            {"listen": "whisper", "speak": "speecht5"},
            {"minlenratio": 1.0, "maxlenratio": 3.0},
            16_000,
        ),
        ("es-en-bark", {"listen": "whisper", "speak": "bark"}, {"semantic_max_new_tokens": 12}, 24_000),
        (
            "es-zh-bark",
            {"listen": "whisper", "translate": "marian", "speak": "bark"},
            {"semantic_max_new_tokens": 12},
            24_000,
        ),
        ("es-de-mms", {"listen": "whisper", "translate": "marian_de", "speak": "vits"}, {}, 16_000),
        ("en-de-xlsr", {"translate": "xlsr", "speak": "vits"}, {}, 16_000),
        ("en-de-s2t2", {"translate": "speech2text2", "speak": "vits"}, {}, 16_000),
    ],
)
def test_speech_becomes_speech(
    relay, checkpoint, speech, name: str, families: dict[str, str], options: dict[str, Any], rate: int
) -> None:
    if name == "es-en-speecht5":
        options = {**options, "vocoder": str(checkpoint("speecht5/vocoder"))}
    stages = {stage: dict(SLOW_START) for stage in families}
    stages["speak"]["options"] = options
    with relay(name, stages, **families) as pipeline:
        first, *others = pipeline.map([speech] * 3)
    check(first, list(families), rate)
    for other in others:
        check(other, list(families), rate)
        assert other.texts == first.texts
