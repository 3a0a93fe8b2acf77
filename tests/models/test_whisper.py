import csv
from itertools import pairwise

import jiwer
import numpy as np
import pytest

from checkout import ROOT
from modules.audio.files import read_audio
from modules.audio.waveform import SPEECH_RATE
from modules.contract.module import Compute
from modules.contract.payloads import Audio
from modules.weights import locate
from modules.whisper.ct2 import WhisperCT2, WhisperCT2Options

SAMPLES = ROOT / "samples"


@pytest.fixture(scope="module")
def whisper() -> WhisperCT2:
    return WhisperCT2(locate("whisper-base-ct2"), WhisperCT2Options(task="transcribe"), Compute())


def samples() -> list[tuple[Audio, str]]:
    with (SAMPLES / "texts.tsv").open(encoding="utf-8") as table:
        return [
            (read_audio(SAMPLES / row["file"]), row["text"]) for row in csv.DictReader(table, delimiter="\t", quoting=3)
        ]


def words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def test_spanish_samples_are_recognised_whole_and_in_order(whisper):
    heard, spoken = [], []
    for audio, text in samples():
        texts = [output for _, output in whisper.process([audio])]
        assert all(before.end_s <= after.start_s for before, after in pairwise(texts))
        heard.append(words(" ".join(text.text for text in texts)))
        spoken.append(words(text))

    assert jiwer.wer(spoken, heard) < 0.2


def test_a_batch_reads_as_its_items_do(whisper):
    clips = [audio for audio, _ in samples()][:3]

    together = list(whisper.process(clips))

    assert together == [(i, text) for i, clip in enumerate(clips) for _, text in whisper.process([clip])]


def test_speech_is_translated_into_english():
    translator = WhisperCT2(locate("whisper-base-ct2"), WhisperCT2Options(), Compute())
    translator.warm_up()

    texts = [text for _, text in translator.process([samples()[0][0]])]

    assert {text.language for text in texts} == {"en"}
    assert {"the", "a", "is", "in", "to", "of", "and"} & set(words(" ".join(text.text for text in texts)).split())


def test_silence_and_noise_yield_nothing(whisper):
    silence = Audio(np.zeros(5 * SPEECH_RATE, np.float32), SPEECH_RATE)

    hiss = 0.1 * np.random.default_rng(0).standard_normal(5 * SPEECH_RATE, dtype=np.float32)

    assert list(whisper.process([silence, Audio(hiss, SPEECH_RATE)])) == []
