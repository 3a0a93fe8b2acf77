from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from checkout import ROOT
from errors import ConfigError, InputError
from modules.contract.module import Compute
from modules.contract.payloads import Note, Text
from modules.speecht5.tts import SpeechT5, SpeechT5Options
from tests.hub.voices import said

TEXT = Text("The quick brown fox. It has 4 legs and 1 tail!", "en", 1.0, 2.0)
SHORT = Text("No.", "en")


@pytest.fixture(scope="module")
def open_speecht5(checkpoint):
    def make(seed: int = 0, **options: Any) -> SpeechT5:
        folder = checkpoint("speecht5")
        lengths = {"minlenratio": 2.0, "maxlenratio": 4.0}
        settings = SpeechT5Options(vocoder=str(folder / "vocoder"), **{**lengths, **options})
        return SpeechT5(folder, settings, Compute(seed=seed))

    return make


def test_sentences_are_audible_at_16_khz_and_the_same_in_a_batch(open_speecht5) -> None:
    voice = open_speecht5()
    voice.warm_up()
    (alone,) = said(voice, TEXT)

    assert len(alone) == 2
    for audio in alone:
        assert (audio.sample_rate, audio.start_s, audio.end_s) == (16_000, 1.0, 2.0)
        assert 0 < np.abs(audio.samples).max() <= 1
    # Other sentences of the same length as these: the limits of length count the tokens of the longest.
    batch = said(voice, TEXT, Text("The brown fox quick. 1 tail and 4 legs has it!", "en"))
    for first, second in zip(alone, batch[0], strict=True):
        np.testing.assert_allclose(first.samples, second.samples, atol=1e-5)


def test_seed_limits_and_every_way_to_a_voice_take_effect(open_speecht5, checkpoint) -> None:
    folder = checkpoint("speecht5")
    ((usual,),) = said(open_speecht5(), SHORT)
    assert said(open_speecht5(), SHORT)[0][0].samples.tolist() == usual.samples.tolist()
    table = {"speaker_embedding": folder / "speakers.npy"}
    clip = {"speaker_clip": ROOT / "samples/01_farmacia.flac", "speaker_encoder": str(folder / "encoder")}
    one = folder / "one.npy"
    np.save(one, np.load(folder / "speakers.npy")[1])
    heard = [
        said(open_speecht5(**changed), SHORT)[0][0].samples.tolist()
        for changed in (
            {"seed": 1},
            {**table, "speaker_row": 0},
            {**table, "speaker_row": 1},
            clip,
            {"minlenratio": 3.0},
        )
    ]
    for number, samples in enumerate(heard):
        assert samples not in [usual.samples.tolist(), *heard[:number]], number
    assert said(open_speecht5(speaker_embedding=one), SHORT)[0][0].samples.tolist() == heard[2]


def test_numbers_are_spelled_and_what_is_lost_is_noted(open_speecht5) -> None:
    ((spoken,),) = said(open_speecht5(), Text("I am 42 €.", "en"))
    assert Note("unspoken", "€") in spoken.notes
    assert "4" not in "".join(note.detail for note in spoken.notes if note.kind == "unspoken")
    never_ends = {"threshold": 0.999, "minlenratio": 0.0, "maxlenratio": 1.0}
    ((cut_off,),) = said(open_speecht5(**never_ends), SHORT)
    assert [note.kind for note in cut_off.notes] == ["truncated"]
    assert said(open_speecht5(), Text("", "en")) == [[]]
    ((_, error),) = open_speecht5().process([Text("Ja.", "de")])
    assert isinstance(error, InputError)


def test_speakers_that_do_not_fit_are_refused(open_speecht5, checkpoint, tmp_path) -> None:
    table = checkpoint("speecht5") / "speakers.npy"
    np.save(tmp_path / "small.npy", np.zeros(3, np.float32))
    np.save(tmp_path / "pickled.npy", np.array([{"code": "runs"}]), allow_pickle=True)
    for options, message in (
        ({"speaker_embedding": table}, "holds 3 vectors"),
        ({"speaker_embedding": table, "speaker_row": 3}, "no speaker_row 3"),
        ({"speaker_embedding": tmp_path / "small.npy"}, r"of shape \(3,\); this model takes \(16,\)"),
        ({"speaker_embedding": tmp_path / "pickled.npy"}, "cannot be read"),
        ({"speaker_embedding": tmp_path / "none.npy"}, "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=message):
            open_speecht5(**options)
    for wrong in (
        {"speaker_clip": table},
        {"speaker_row": 1},
        {"speaker_embedding": table, "speaker_clip": table, "speaker_encoder": "./x"},
    ):
        with pytest.raises(ValidationError):
            SpeechT5Options(**wrong)
