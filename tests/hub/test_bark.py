from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from errors import ConfigError, InputError
from modules.bark import Bark, BarkOptions
from modules.contract.module import Compute
from modules.contract.payloads import Text
from tests.hub.voices import said

TEXT = Text("Hello there. [laughter] This is quite another sentence!", "en", 1.0, 2.0)
SHORT = Text("No.", "en")
GREEDY = {"semantic_temperature": 0.0, "coarse_temperature": 0.0, "fine_temperature": 0.0}


@pytest.fixture(scope="module")
def open_bark(checkpoint):
    """One network for all tests, because it is the largest; opened again only for another preset or seed."""
    opened: dict[Any, Bark] = {}

    def make(seed: int = 0, voice_preset: str | None = "v2/en_speaker_6", **options: Any) -> Bark:
        settings = BarkOptions(language="en", voice_preset=voice_preset, **{"semantic_max_new_tokens": 16, **options})
        key = (seed, voice_preset, tuple(options.items()))
        if key not in opened:
            opened[key] = Bark(checkpoint("bark"), settings, Compute(seed=seed))
        return opened[key]

    return make


def test_sentences_of_unequal_length_are_the_same_in_a_batch(open_bark) -> None:
    voice = open_bark(voice_preset=None, min_eos_p=0.0005, **GREEDY)
    voice.warm_up()
    (alone,), (short,) = said(voice, TEXT), said(voice, SHORT)

    assert len(alone) == 2
    for audio in alone:
        assert (audio.sample_rate, audio.start_s, audio.end_s) == (24_000, 1.0, 2.0)
        assert 0 < np.abs(audio.samples).max() <= 1
    assert len({len(audio.samples) for audio in [*alone, *short]}) > 1
    batch = said(voice, TEXT, SHORT)
    for first, second in zip([*alone, *short], [*batch[0], *batch[1]], strict=True):
        np.testing.assert_allclose(first.samples, second.samples, atol=1e-4)


def test_preset_temperatures_seed_and_cues_take_effect(open_bark) -> None:
    def heard(text: str = "No.", **changed: Any) -> list[float]:
        return said(open_bark(**changed), Text(text, "en"))[0][0].samples.tolist()

    usual = heard()
    assert heard() == usual
    assert said(open_bark(), SHORT)[0][0].notes[0].kind == "truncated"
    for changed in (
        {"seed": 1},
        {"voice_preset": "v2/zh_speaker_3"},
        {"semantic_temperature": 0.0},
        {"coarse_temperature": 0.0},
        {"fine_temperature": 0.0},
        {"semantic_max_new_tokens": 8},
    ):
        assert heard(**changed) != usual, changed
    plain = {"voice_preset": None, "min_eos_p": 0.0005, **GREEDY}
    assert heard("[sighs] Hello there.", **plain) != heard("Hello there.", **plain)


def test_what_cannot_be_used_is_refused(open_bark) -> None:
    with pytest.raises(ConfigError, match="no voice_preset 'v2/nobody'; the model's folder has: v2/en_speaker_6"):
        open_bark(voice_preset="v2/nobody")
    assert said(open_bark(), Text("", "en")) == [[]]
    ((_, error),) = open_bark().process([Text("你好。", "zh")])
    assert isinstance(error, InputError)
