"""The record that Relevo writes into every model folder it makes, and the damage that the record reveals.

A record lists every file with its size and sha256. Sizes are compared whenever a model is located, which costs one look
at each file. Only ``verify`` compares sha256 sums. It writes the files that differ into the record, so that ``locate``
and ``fetch`` know of them afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from errors import CorruptWeights
from modules.weights.catalog import CatalogModel
from modules.weights.checksums import Checksum, check_file

RECORD_FILE = "relevo.json"


class FolderRecord(BaseModel):
    """``relevo.json``: what a model folder holds and where its files came from.

    It is written last, so a folder with a record was complete once.

    Attributes:
        model: the name that ``locate`` finds the folder by.
        upstream: who made the model; for a model of a hub, ``owner/name@commit``.
        licence: as the catalogue states it; None for models that are not in the catalogue.
        packages: the archives the files were read from, as ``registry:package==version``.
        libraries: versions of the libraries that converted the files.
        files: size and sha256 of every file, by its path in the folder.
        note: how the model differs from the one that the catalogue describes.
        damaged: paths of the files that ``verify`` found to differ.
    """

    model_config = ConfigDict(extra="forbid")

    model: str
    upstream: str
    licence: str | None = None
    packages: list[str] = []
    libraries: dict[str, str] = {}
    files: dict[str, Checksum]
    note: str | None = None
    damaged: list[str] = []


class FolderState(StrEnum):
    """State of a model folder, according to its record and the sizes of its files."""

    READY = "ready"
    FALLBACK = "ready, with a fallback"
    DAMAGED = "damaged"
    OUTDATED = "of another catalogue"
    ABSENT = "not here"

    @property
    def is_usable(self) -> bool:
        """Whether a stage can be started on the folder."""
        return self in (FolderState.READY, FolderState.FALLBACK)


def read_record(folder: Path) -> FolderRecord | None:
    """Reads the record of a model folder; returns None if it is missing or cannot be read."""
    try:
        return FolderRecord.model_validate_json((folder / RECORD_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(folder: Path, record: FolderRecord) -> None:
    """Writes the record of a model folder, in one step."""
    temporary = folder / f".{RECORD_FILE}.part"
    temporary.write_text(record.model_dump_json(indent=2), "utf-8")
    temporary.replace(folder / RECORD_FILE)


def folder_state(folder: Path) -> FolderState:
    """Returns the state of a folder that no catalogue describes. A folder without a record counts as ready."""
    if not folder.is_dir():
        return FolderState.ABSENT
    return FolderState.DAMAGED if damage(folder) else FolderState.READY


def catalog_state(model: CatalogModel, folder: Path) -> FolderState:
    """Returns the state of the folder of a model of the catalogue."""
    if not folder.is_dir():
        return FolderState.ABSENT
    record = read_record(folder)
    for fallback in (False, True):
        if record and record.files == model.finished(fallback):
            if damage(folder):
                return FolderState.DAMAGED
            return FolderState.FALLBACK if fallback and model.fallback else FolderState.READY
    return FolderState.OUTDATED


def damage(folder: Path) -> list[str]:
    """Describes each file of a model folder that is missing, has another size than recorded, or failed ``verify``."""
    if not (folder / RECORD_FILE).exists():
        return []
    record = read_record(folder)
    if record is None:
        return [f"{RECORD_FILE} cannot be read"]
    found = []
    for path, expected in record.files.items():
        try:
            size = (folder / path).stat().st_size
        except OSError:
            found.append(f"{path} is missing")
            continue
        if size != expected.bytes:
            found.append(f"{path} has {size} bytes instead of {expected.bytes}")
        elif path in record.damaged:
            found.append(f"{path} has another sha256 than recorded")
    return found


def intact_files(folder: Path, files: Mapping[str, Checksum]) -> set[str]:
    """Reads files of a folder and returns the paths of those that have their checksum."""
    intact = set()
    for path, expected in files.items():
        try:
            check_file(folder / path, expected)
        except CorruptWeights:
            continue
        intact.add(path)
    return intact


def link_file(source: Path, target: Path) -> None:
    """Links a file under a second name, or copies it if the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
