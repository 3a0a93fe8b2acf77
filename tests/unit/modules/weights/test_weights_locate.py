"""Finding models, and noticing what is wrong with them."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from checkout import ROOT
from commands.weights import command, watchers
from errors import CorruptWeights, MissingWeights
from modules.weights import cache_root, fetch, load_catalog, locate, verify
from modules.weights.progress import watched


def run_command(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["weights", *arguments])
    return int(args.run(args))


def test_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("RELEVO_CACHE")
    assert cache_root() == Path.home() / ".cache" / "relevo"


def test_missing_model_is_told_with_the_places_and_the_command(registry: Any, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights) as caught:
        locate("ear", tmp_path / "usb", registry.catalog)
    message = str(caught.value)
    assert str(tmp_path / "usb" / "ear") in message
    assert str(cache / "models" / "ear") in message
    assert "`relevo weights fetch ear`" in message


def test_unknown_name_is_told_with_the_names_there_are(registry: Any) -> None:
    with pytest.raises(MissingWeights, match="no model is called 'nose'; the catalogue has ear, voice"):
        locate("nose", catalog=registry.catalog)


def test_path_is_taken_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert locate("./mine") == tmp_path / "mine"
    assert locate(str(tmp_path / "mine")) == tmp_path / "mine"
    with pytest.raises(MissingWeights, match=r"no folder .*yours .*'\./yours'"):
        locate("./yours")


def test_folder_made_with_to_serves_as_weights_folder(
    registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usb = tmp_path / "usb"
    fetch(["ear"], to=usb, source=registry.folder, catalog=registry.catalog)
    assert locate("ear", usb, registry.catalog) == usb / "ear"
    with pytest.raises(MissingWeights):
        locate("ear", catalog=registry.catalog)
    monkeypatch.setenv("RELEVO_WEIGHTS", str(usb))
    assert locate("ear", catalog=registry.catalog) == usb / "ear"


def test_models_of_the_cache_are_copied_to_the_folder(registry: Any, tmp_path: Path) -> None:
    fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    (folder,) = fetch(["ear"], to=tmp_path / "usb", source=tmp_path / "nowhere", catalog=registry.catalog)
    assert verify("ear", tmp_path / "usb", catalog=registry.catalog) == folder


def test_damaged_model_of_the_cache_is_not_copied(registry: Any, tmp_path: Path) -> None:
    (folder,) = fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    (folder / "model.bin").write_bytes(b"FIRST half, second half")
    with pytest.raises(CorruptWeights):
        fetch(["ear"], to=tmp_path / "usb", catalog=registry.catalog)
    assert not (tmp_path / "usb" / "ear").exists()


def test_cache_is_looked_at_after_the_weights_folder(registry: Any, tmp_path: Path) -> None:
    (folder,) = fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    assert locate("ear", tmp_path / "empty", registry.catalog) == folder


def test_model_of_another_catalogue_is_not_used(registry: Any) -> None:
    (folder,) = fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    registry.models["ear"]["files"][0]["sha256"] = 64 * "0"
    with pytest.raises(MissingWeights, match=f"{folder} holds other files than the catalogue lists"):
        locate("ear", catalog=registry.catalog)


def test_verify_finds_one_flipped_bit_and_one_missing_file(registry: Any, progress: Any) -> None:
    (folder,) = fetch(["voice"], source=registry.folder, catalog=registry.catalog)
    assert verify("voice", progress=progress, catalog=registry.catalog) == folder
    voice = folder / "voices/first.bin"
    content = voice.read_bytes()
    voice.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(CorruptWeights, match=r"voice is damaged: .*first\.bin has sha256"):
        verify("voice", catalog=registry.catalog)
    (folder / "symbols.json").unlink()
    with pytest.raises(CorruptWeights, match=r"symbols\.json is missing; .*first\.bin has sha256 .*to repair it"):
        verify("voice", catalog=registry.catalog)


def test_every_conversion_of_the_catalogue_has_its_module() -> None:
    for model in load_catalog().models.values():
        if model.conversion:
            assert (ROOT / "modules" / "weights" / "conversion" / f"{model.conversion.module}.py").is_file()


def test_list_prints_licence_and_provenance_of_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("list") == 0
    output = " ".join(capsys.readouterr().out.split())
    for name, model in load_catalog().models.items():
        assert name in output
        assert model.provenance in output
    assert "The name is misleading" in output


def test_bars_show_running_tasks_and_lines_stay() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with watchers.TerminalWatcher(console) as progress, watched(progress, "downloading ear", 2_000_000) as update:
        update(1_000_000)
        progress.say("ear: on its way")
    assert "downloading ear" in screen.getvalue()
    assert "/2.0 MB" in screen.getvalue()
    assert "ear: on its way" in screen.getvalue()


def test_lines_tell_of_long_tasks_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with watchers.LineWatcher() as progress:
        for task, size in (("short", 1_000), ("long", 50_000_000)):
            with watched(progress, task, size) as update:
                update(size // 2)
                update(size)
        with watched(progress, "converting", None):
            pass
    assert capsys.readouterr().err.splitlines() == ["long (50.0 MB)", "long: 25.0 MB of 50.0 MB", "converting"]


def test_where_prints_the_folders_that_are_searched(
    capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path
) -> None:
    assert run_command("where", "--weights", str(tmp_path)) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path), str(cache / "models")]


def test_verify_command_reports_each_model_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("verify") == 1
    assert capsys.readouterr().err.count("is not on this machine") == len(load_catalog().models)
