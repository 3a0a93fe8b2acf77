"""What CI takes for changed, in clones of several depths."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT


class Clone:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".ci").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / ".ci" / "changed", folder / ".ci" / "changed")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "protocol.file.allow=always")
        subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True)

    def commit(self, file: str) -> None:
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(file)
        self.git("add", file)
        self.git("commit", "-m", file)

    def changed(self, *paths: str) -> bool:
        return subprocess.run([self.folder / ".ci" / "changed", *paths], check=False).returncode == 0


@pytest.fixture
def main(tmp_path):
    clone = Clone(tmp_path / "main")
    clone.git("init", "--initial-branch", "main")
    clone.commit("README.md")
    clone.commit("deploy/Dockerfile")
    return clone


def test_on_main_it_is_what_the_last_commit_changed(main):
    assert main.changed("deploy", "requirements")
    assert not main.changed("README.md")


def test_on_a_branch_it_is_what_any_of_its_commits_changed(main):
    main.git("checkout", "-b", "work")
    main.commit("requirements/run.txt")
    main.commit("docs/notes.md")
    assert main.changed("requirements")
    assert not main.changed("deploy")


def test_a_change_that_is_not_committed_counts(main):
    (main.folder / "README.md").write_text("other")
    assert main.changed("README.md")


def test_where_history_ends_everything_counts(main, tmp_path):
    main.git("clone", "--depth", "1", f"file://{main.folder}", str(tmp_path / "shallow"))
    assert Clone(tmp_path / "shallow").changed("README.md")


def test_without_a_repository_everything_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert Clone(tmp_path / "archive").changed("README.md")
