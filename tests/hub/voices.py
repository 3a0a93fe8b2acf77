"""What the tests of voices share."""

from __future__ import annotations

from modules.contract.module import Module
from modules.contract.payloads import Audio, Text


def said(voice: Module, *texts: Text) -> list[list[Audio]]:
    """What is said of each text, when they come as one batch."""
    outputs: list[list[Audio]] = [[] for _ in texts]
    for position, audio in voice.process(texts):
        assert isinstance(audio, Audio), audio
        outputs[position].append(audio)
    return outputs
