from __future__ import annotations

import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from errors import ConfigError, CorruptWeights, InputError, MissingWeights
from modules.contract.module import Compute
from modules.contract.payloads import Note, Text
from modules.espnet.files import EspnetFiles
from modules.espnet.tts import EspnetOptions, EspnetTTS
from tests.hub.voices import said

TEXT = Text("今天天气很好，我有3个苹果。", "zh", 1.0, 2.0)
SHORT = Text("再见。", "zh")


@pytest.fixture(scope="module")
def open_espnet(checkpoint):
    def make(seed: int = 0, **options: Any) -> EspnetTTS:
        settings = EspnetOptions(**{"maxlenratio": 2.0, "min_phrase_chars": 1, **options})
        return EspnetTTS(checkpoint("espnet"), settings, Compute(seed=seed))

    return make


@pytest.fixture(scope="module")
def voice(open_espnet) -> EspnetTTS:
    voice = open_espnet()
    voice.warm_up()
    return voice


def test_phrases_are_audible_and_sound_the_same_alone_and_in_a_batch(voice) -> None:
    (alone,), (short,) = said(voice, TEXT), said(voice, SHORT)

    assert len(alone) == 2
    for audio in alone:
        assert (audio.sample_rate, audio.start_s, audio.end_s) == (24_000, 1.0, 2.0)
        assert 0 < np.abs(audio.samples).max() <= 1
        assert [note.kind for note in audio.notes] == ["truncated"]  # untrained, it never ends by itself
    batch = said(voice, TEXT, SHORT)
    for first, second in zip([*alone, *short], [*batch[0], *batch[1]], strict=True):
        np.testing.assert_array_equal(first.samples, second.samples)


def test_seed_vocoder_and_limits_take_effect(open_espnet, voice, checkpoint) -> None:
    ((usual,),) = said(voice, SHORT)
    vocoder = {"vocoder": str(checkpoint("espnet/vocoder"))}
    for changed in ({"seed": 1}, {"griffin_lim_iters": 2}, {"dtype": "float64"}, vocoder):
        ((other,),) = said(open_espnet(**changed), SHORT)
        assert other.samples.tolist() != usual.samples.tolist(), changed
    ((longer,),), ((ended,),) = said(open_espnet(maxlenratio=4.0), SHORT), said(open_espnet(threshold=0.01), SHORT)
    assert len(longer.samples) > len(usual.samples) > len(ended.samples)
    assert ended.notes == ()
    with pytest.raises(ConfigError, match="speed_control_alpha"):
        open_espnet(speed_control_alpha=1.5)


def test_nothing_is_lost_in_silence(voice) -> None:
    """Digits and Latin words are rewritten; a sound that the voice has not learnt is noted."""
    heard = {kind: said(voice, Text(kind, "zh"))[0][0] for kind in ("3个", "三个", "USB口", "优艾斯必口", "口", "兔口")}
    np.testing.assert_array_equal(heard["3个"].samples, heard["三个"].samples)
    np.testing.assert_array_equal(heard["USB口"].samples, heard["优艾斯必口"].samples)
    assert heard["USB口"].notes[0] == Note("respelled", "USB letter by letter")
    np.testing.assert_array_equal(heard["兔口"].samples, heard["口"].samples)
    assert heard["兔口"].notes[0] == Note("unspoken", "兔")
    assert said(voice, Text("", "zh"), Text("。。。", "zh")) == [[], []]
    for text in (Text("兔", "zh"), Text("Hello", "en"), Text("😀", "zh")):
        ((_, error),) = voice.process([text])
        assert isinstance(error, InputError)


def test_the_import_leaves_out_english_and_puts_typeguard_back(voice) -> None:
    import typeguard

    assert not {"g2p_en", "nltk"} & sys.modules.keys()
    assert typeguard.typechecked.__module__.startswith("typeguard")


class Malice:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_no_file_of_a_model_can_run_code_or_lead_out_of_its_folder(checkpoint, tmp_path) -> None:
    folder, mark = tmp_path / "voice", tmp_path / "mark"
    shutil.copytree(checkpoint("espnet"), folder)
    files = EspnetFiles.find(folder)
    files.model.write_bytes(pickle.dumps(Malice(mark)))
    vocoder = folder / "vocoder"
    with pytest.raises(CorruptWeights, match="more than tensors"):
        EspnetTTS(folder, EspnetOptions(), Compute())

    shutil.copy(EspnetFiles.find(checkpoint("espnet")).model, files.model)
    (vocoder / "checkpoint-1steps.pkl").write_bytes(pickle.dumps(Malice(mark)))
    with pytest.raises(CorruptWeights, match="more than tensors"):
        EspnetTTS(folder, EspnetOptions(vocoder=str(vocoder)), Compute())
    (vocoder / "config.yml").write_text(f"x: !!python/object/apply:pathlib.Path.touch [{mark}]")
    with pytest.raises(CorruptWeights, match="not plain YAML"):
        EspnetTTS(folder, EspnetOptions(vocoder=str(vocoder)), Compute())
    assert not mark.exists()

    meta = yaml.safe_load((folder / "meta.yaml").read_text())
    meta["files"]["model_file"] = "../elsewhere.pth"
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    with pytest.raises(CorruptWeights, match="outside of it"):
        EspnetFiles.find(folder)
    (folder / "meta.yaml").unlink()
    with pytest.raises(MissingWeights, match=r"no meta.yaml and 0 .pth files"):
        EspnetFiles.find(folder)


def test_a_voice_of_another_language_is_refused(checkpoint, tmp_path) -> None:
    folder = tmp_path / "english"
    shutil.copytree(checkpoint("espnet"), folder)
    config = EspnetFiles.find(folder).config
    config.write_text(config.read_text().replace("g2p: pypinyin_g2p_phone", "g2p: g2p_en_no_space"))
    with pytest.raises(ConfigError, match="reads with g2p_en_no_space"):
        EspnetTTS(folder, EspnetOptions(), Compute())
