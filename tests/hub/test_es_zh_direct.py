"""pipelines/es-zh-direct.yaml: a tiny Whisper that writes Chinese, and a real voice."""

from __future__ import annotations

import pytest


@pytest.mark.timeout(900)
def test_two_stages_make_chinese_speech(relay, speech):
    stages = {"listen": {"options": {"max_new_tokens": 12}, "load_timeout_s": 600}}
    with relay("es-zh-direct", stages, listen="whisper") as pipeline:
        events = list(pipeline.stream(speech))

    texts = [event.payload for event in events if event.payload is not None and event.stage == "listen"]
    sounds = [event.payload for event in events if event.payload is not None and event.stage == "speak"]
    assert {text.language for text in texts} == {"zh"}
    assert sounds
    assert {sound.sample_rate for sound in sounds} == {24_000}
    assert sounds[0].start_s == texts[0].start_s
