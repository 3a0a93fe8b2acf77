from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.run.recordings import output_names, prepare_report, recordings_of
from errors import ConfigError, RelevoError
from modules.contract.payloads import Audio
from workers.client.result import Result


def test_a_recording_gives_its_name_to_its_speech():
    assert output_names([Path("x/a.wav"), Path("y/b.flac")]) == ["a.zh.wav", "b.zh.wav"]


def test_recordings_of_one_name_get_their_positions():
    assert output_names([Path("x/a.wav"), Path("b.wav"), Path("y/a.mp3")]) == ["a-1.zh.wav", "b.zh.wav", "a-3.zh.wav"]


def test_a_position_that_is_another_recordings_name_is_not_taken():
    assert output_names([Path("x/a.wav"), Path("y/a.wav"), Path("a-1.wav")]) == [
        "a-1-2.zh.wav",
        "a-2.zh.wav",
        "a-1.zh.wav",
    ]


@given(st.lists(st.from_regex(r"a(-[12]){0,3}", fullmatch=True), max_size=12))
def test_no_two_recordings_share_a_file(stems):
    names = output_names([Path(f"{stem}.wav") for stem in stems])
    assert len(set(names)) == len(stems)


def recording_of(path: Path, folder: Path):
    return recordings_of([path], folder)[0]


def test_what_cannot_be_opened_is_known_before_anything_starts(tmp_path):
    missing, folder, there = tmp_path / "no.wav", tmp_path, tmp_path / "there.wav"
    there.touch()
    found = recordings_of([missing, folder, there], tmp_path)
    assert [recording.check() for recording in found] == [False, False, True]
    assert f"{missing}: cannot be read (No such file or directory)" in found[0].clip.error
    assert "is a folder" in found[1].clip.error


def test_a_pipe_is_left_to_the_reader(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert recording_of(tmp_path / "pipe", tmp_path).check()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RelevoError("cannot be written")])
def test_speech_that_cannot_be_written_fails_its_recording_alone(tmp_path, monkeypatch, error):
    def write_wav(path, audio):
        raise error

    monkeypatch.setattr("commands.run.recordings.write_wav", write_wav)
    recording = recording_of(Path("a.wav"), tmp_path)
    audio = Audio(np.zeros(10, np.float32), 16000)
    recording.clip.result = Result("1", "ok", "", 0.0, 1.0, None, {}, audio, (), ())
    recording.write_speech()
    assert recording.clip.outcome == "failed"
    assert recording.clip.error == str(error)
    assert recording.clip.wav is None


def test_the_folder_of_a_report_is_made(tmp_path):
    prepare_report(tmp_path / "new" / "folder" / "report.json")
    assert (tmp_path / "new" / "folder").is_dir()


def test_a_report_that_cannot_be_written_is_known_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot make the folder"):
        prepare_report(tmp_path / "file" / "report.json")
    with pytest.raises(ConfigError, match="is a folder"):
        prepare_report(tmp_path)


def test_a_report_may_go_to_a_device():
    prepare_report(Path("/dev/stdout"))
