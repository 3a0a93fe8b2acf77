"""Opening models for CTranslate2: a wrong setting and a damaged file are told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from errors import ConfigError, CorruptWeights, MissingWeights
from modules.contract.module import Compute
from modules.runtimes.ct2 import open_model, open_runtime
from modules.weights.checksums import checksum_of
from modules.weights.records import FolderRecord, write_record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model folder in the cache, with its record."""
    monkeypatch.setenv("RELEVO_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "ear"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    files = {"model.bin": checksum_of(folder / "model.bin")}
    write_record(folder, FolderRecord(model="ear", upstream="nobody/ear", files=files))
    return folder


def failing(error: Exception) -> Any:
    def open_(*_: object, **__: object) -> None:
        raise error

    return open_


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("File model.bin is incomplete: failed to read a buffer of size 12 at position 7"),
        RuntimeError("[json.exception.parse_error.101] parse error at line 1, column 1"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_a_model_that_does_not_open_is_sent_to_verify_and_fetch(folder, error):
    with pytest.raises(CorruptWeights) as caught:
        open_runtime(failing(error), folder, "int8", Compute())

    assert str(error) in str(caught.value)
    assert "run `relevo weights verify ear`" in str(caught.value)
    assert "run `relevo weights fetch ear` to repair it" in str(caught.value)
    assert "compute_type" not in str(caught.value)


def test_a_folder_that_was_moved_is_verified_by_its_path(folder, tmp_path):
    moved = folder.rename(tmp_path / "elsewhere")

    with pytest.raises(
        CorruptWeights, match=rf"weights verify {moved}` .*; if any is, copy it again, or run .* ear` and"
    ):
        open_runtime(failing(RuntimeError("no")), moved, "int8", Compute())


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(MissingWeights, match=rf"{tmp_path} has no model\.bin.*no record of the files"):
        open_runtime(failing(AssertionError()), tmp_path, "int8", Compute())


def test_a_tokenizer_that_is_missing_or_broken_is_named(folder):
    def open_(*_: object, **__: object) -> str:
        return "a model"

    with pytest.raises(MissingWeights, match=r"tokenizer\.json is missing; run .*weights verify ear"):
        open_model(open_, folder, "int8", Compute())
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(CorruptWeights, match=r"tokenizer\.json cannot be read .*weights verify ear"):
        open_model(open_, folder, "int8", Compute())


def test_an_unsupported_device_is_a_config_error(folder):
    with pytest.raises(ConfigError, match=r"compute_type int1 on device 'cpu' here; use auto or one of .*float32"):
        open_runtime(failing(AssertionError()), folder, "int1", Compute())
    with pytest.raises(ConfigError, match="cannot compute on device 'tpu'"):
        open_runtime(failing(AssertionError()), folder, "int8", Compute(device="tpu"))
