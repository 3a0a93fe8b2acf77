"""The folder of a run, and those that killed runs leave behind."""

from __future__ import annotations

import os
import tempfile

import pytest

from errors import RelayError
from workers.supervisor.run_folder import LOCK_NAME, RunFolder


@pytest.fixture
def parent(tmp_path, monkeypatch):
    """The folder of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_its_owner_may_enter_it_until_it_is_removed(parent):
    folder = RunFolder()
    assert folder.path.parent == parent
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "broker.log").touch()
    folder.remove()
    folder.remove()
    assert list(parent.iterdir()) == []


def test_a_folder_whose_owner_lives_is_left_alone(parent):
    first, second = RunFolder(), RunFolder()
    assert first.path.exists()
    first.remove()
    second.remove()


def test_a_folder_whose_owner_was_killed_is_removed_by_the_next_run(parent):
    abandoned = RunFolder()
    (abandoned.path / "broker.log").touch()
    os.close(abandoned._lock)  # as the kernel does when the owner ends
    folder = RunFolder()
    assert not abandoned.path.exists()
    assert folder.path.exists()
    folder.remove()


def test_what_is_no_folder_of_a_run_is_left_alone(parent):
    (parent / "relevo-notes").mkdir()
    (parent / "relevo-notes" / "mine.txt").touch()
    (parent / "relevo-file").touch()
    elsewhere = parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCK_NAME).touch()
    (parent / "relevo-link").symlink_to(elsewhere)
    RunFolder().remove()
    assert sorted(path.name for path in parent.iterdir()) == ["elsewhere", "relevo-file", "relevo-link", "relevo-notes"]
    assert (parent / "relevo-notes" / "mine.txt").exists()
    assert (elsewhere / LOCK_NAME).exists()


def test_a_folder_of_temporary_files_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(RelayError, match=r"nowhere.*set TMPDIR to one that can be written"):
        RunFolder()


def test_a_path_too_long_for_a_socket_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    parent = tmp_path / ("x" * 100)
    parent.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(parent))
    with pytest.raises(RelayError, match="too long for a socket; set TMPDIR to a shorter folder"):
        RunFolder()
    assert list(parent.iterdir()) == []
