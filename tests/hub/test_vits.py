from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from errors import ConfigError, InputError, WeightsError
from modules.contract.module import Compute
from modules.contract.payloads import Note, Text
from modules.vits import Vits, VitsOptions
from tests.hub.voices import said

LONG = Text("Guten Morgen, wie geht es dir? Das ist schön.", "de", 1.0, 2.0)
SHORT = Text("Ja.", "de")
QUIET = {"noise_scale": 0.0, "noise_scale_duration": 0.0}


@pytest.fixture(scope="module")
def open_vits(checkpoint):
    def make(seed: int = 0, **options: Any) -> Vits:
        return Vits(checkpoint("vits"), VitsOptions(language="de", **options), Compute(seed=seed))

    return make


def test_sentences_are_audible_at_the_models_rate_and_the_same_in_a_batch(open_vits) -> None:
    voice = open_vits(**QUIET)
    voice.warm_up()
    (alone,), (short,) = said(voice, LONG), said(voice, SHORT)

    assert len(alone) == 2
    for audio in alone:
        assert (audio.sample_rate, audio.start_s, audio.end_s) == (16_000, 1.0, 2.0)
        assert 0 < np.abs(audio.samples).max() <= 1
    batch = said(voice, LONG, SHORT)
    for first, second in zip([*alone, *short], [*batch[0], *batch[1]], strict=True):
        np.testing.assert_allclose(first.samples, second.samples, atol=1e-4)


def test_options_and_seed_take_effect(open_vits) -> None:
    def heard(**options: Any) -> list[float]:
        return [sample for audio in said(open_vits(**options), LONG)[0] for sample in audio.samples]

    usual = heard()
    assert heard() == usual
    for changed in ({"speaking_rate": 0.5}, {"noise_scale": 0.0}, {"noise_scale_duration": 2.0}, {"seed": 1}):
        assert heard(**changed) != usual, changed
    ((slow,),), ((fast,),) = (said(open_vits(speaking_rate=rate, pause_s=0, **QUIET), SHORT) for rate in (0.5, 2.0))
    assert len(slow.samples) > 1.5 * len(fast.samples)


def test_what_has_no_sound_is_noted_or_refused(open_vits) -> None:
    voice = open_vits()
    assert said(voice, Text("Um 3 Uhr, Ω!", "de"))[0][0].notes == (Note("unspoken", "3ω"),)
    assert said(voice, Text("", "de")) == [[]]
    for text, message in ((Text("42!", "de"), "nothing in"), (Text("Yes.", "en"), "speaks de")):
        ((_, error),) = voice.process([text])
        assert isinstance(error, InputError)
        assert message in str(error)


def test_models_that_cannot_be_used_are_refused(checkpoint, tmp_path, open_vits) -> None:
    with pytest.raises(ConfigError, match="has 1 speakers"):
        open_vits(speaker_id=1)
    options = VitsOptions(language="ko")
    with pytest.raises(ConfigError, match="names no model"):
        Vits(None, options, Compute())
    shutil.copytree(checkpoint("vits"), tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text('{"model_type": "wavlm"}')
    with pytest.raises(ConfigError, match="type 'wavlm' where 'vits' is needed"):
        Vits(tmp_path / "other", options, Compute())
    with pytest.raises(WeightsError, match="VitsTokenizer cannot be read"):
        Vits(tmp_path, options, Compute())
    shutil.copytree(checkpoint("vits"), tmp_path / "uroman")
    settings = tmp_path / "uroman" / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "is_uroman": True}))
    with pytest.raises(ConfigError, match="made by uroman"):
        Vits(tmp_path / "uroman", options, Compute())
