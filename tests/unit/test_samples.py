from pathlib import Path

import av
import pytest

from samples.make_samples import FOLDER, SpokenText, read_texts, write_texts

SAMPLES = read_texts()


def test_there_is_a_text_for_each_clip() -> None:
    assert sorted(sample.file for sample in SAMPLES) == sorted(path.name for path in FOLDER.glob("*.flac"))


def test_six_clips_are_short_and_one_is_about_a_minute() -> None:
    *short, long = sorted(float(sample.seconds) for sample in SAMPLES)

    assert len(short) == 6
    assert all(3 <= seconds <= 12 for seconds in short)
    assert 50 <= long <= 70


def test_the_clips_are_small_enough_to_keep_in_the_repository() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.flac")) < 1_500_000


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.file)
def test_a_clip_is_mono_flac_of_the_length_written_beside_it(sample: SpokenText) -> None:
    with av.open(str(FOLDER / sample.file)) as container:
        stream = container.streams.audio[0]
        frames = sum(frame.samples for frame in container.decode(stream))

    assert (stream.codec_context.name, stream.rate, stream.channels) == ("flac", 16000, 1)
    assert frames / stream.rate == pytest.approx(float(sample.seconds), abs=0.01)


def test_texts_are_written_as_they_are_read(tmp_path: Path) -> None:
    write_texts(SAMPLES, tmp_path / "texts.tsv")

    assert read_texts(tmp_path / "texts.tsv") == SAMPLES
