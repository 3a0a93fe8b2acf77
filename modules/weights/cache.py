"""Where model folders are: the cache, a folder made by ``weights fetch --to``, or a path of the user's own."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from modules.weights.catalog import CatalogModel
from modules.weights.checksums import Checksum

RECORD_FILE = "relevo.json"
FETCH_COMMAND = "python pipeline.py weights fetch"


class FolderRecord(BaseModel):
    """``relevo.json``: what a model folder holds and where it came from. Written last, so its presence means whole.

    ``packages`` are ``registry:package==version``; ``libraries`` the versions that converted the files; ``note`` what
    the user should know about a model that is not as the catalogue describes it.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    upstream: str
    licence: str
    packages: list[str]
    libraries: dict[str, str]
    files: dict[str, Checksum]
    note: str | None = None


class FolderState(StrEnum):
    """FolderState of a model folder, as its record tells; the files themselves are read by ``verify`` alone."""

    READY = "ready"
    FALLBACK = "ready, with a fallback"
    OUTDATED = "of another catalogue"
    ABSENT = "not here"


def cache_root() -> Path:
    """The folder that holds everything Relevo keeps: RELEVO_CACHE, or ``~/.cache/relevo``."""
    return Path(os.environ.get("RELEVO_CACHE") or "~/.cache/relevo").expanduser().absolute()


def models_folder() -> Path:
    """The folder of the cache that holds one folder a model."""
    return cache_root() / "models"


def search_folders(weights: Path | None) -> list[Path]:
    """Where models are looked for, in order: ``weights``, else the variable RELEVO_WEIGHTS; then the cache."""
    chosen = weights or os.environ.get("RELEVO_WEIGHTS")
    return [Path(chosen).expanduser().absolute(), models_folder()] if chosen else [models_folder()]


def read_record(folder: Path) -> FolderRecord | None:
    """The record of a model folder; None where there is none that can be read."""
    try:
        return FolderRecord.model_validate_json((folder / RECORD_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def state(model: CatalogModel, folder: Path) -> FolderState:
    """FolderState of the folder of a catalogued model."""
    if not folder.is_dir():
        return FolderState.ABSENT
    record = read_record(folder)
    if record and record.files == model.finished(fallback=False):
        return FolderState.READY
    if record and record.files == model.finished(fallback=True):
        return FolderState.FALLBACK
    return FolderState.OUTDATED


def is_usable(model: CatalogModel, folder: Path) -> bool:
    """Whether a stage can be started on this folder."""
    return state(model, folder) in (FolderState.READY, FolderState.FALLBACK)
