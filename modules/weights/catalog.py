"""The catalogue: the models that Relevo can bring to this machine, their archives, and every accepted sha256."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from errors import ConfigError
from modules.weights.checksums import Checksum

CATALOG_FILE = Path(__file__).with_name("catalog.yaml")


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        raise ValueError(f"{path!r} leads out of its folder")
    return path


InnerPath = Annotated[str, AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Archive(Checksum):
    """One package archive of a registry, by exact version; ``file`` is its name at the registry."""

    registry: Literal["pypi", "npm"]
    version: str
    file: InnerPath


class ArchivePart(_Strict):
    """Bytes inside an archive: a member, or one array of an .npz member, as raw little-endian float32."""

    package: str
    member: InnerPath
    array: str | None = None


class ModelFile(Checksum):
    """One file of a model folder."""

    path: InnerPath


class AssembledFile(ModelFile):
    """A file that is joined from parts of archives."""

    parts: tuple[ArchivePart, ...]


class Conversion(_Strict):
    """``python -m modules.weights.conversion.<module> SOURCE FOLDER`` writes ``files``; ``source`` is then removed.

    The checksums hold for the versions of ``libraries`` that requirements/ pins.
    """

    module: str
    source: InnerPath
    libraries: tuple[str, ...]
    files: tuple[ModelFile, ...]


class Fallback(_Strict):
    """Files that replace those from the archive ``without`` if it cannot be had, and a note for the user."""

    without: str
    note: str
    files: tuple[AssembledFile, ...]


class CatalogModel(_Strict):
    """One model of the catalogue."""

    description: str
    licence: str
    upstream: str
    provenance: str
    archives: dict[str, Archive]
    files: tuple[AssembledFile, ...]
    conversion: Conversion | None = None
    fallback: Fallback | None = None

    @model_validator(mode="after")
    def _parts_have_archives(self) -> CatalogModel:
        files = [*self.files, *(self.fallback.files if self.fallback else ())]
        unknown = {part.package for file in files for part in file.parts} - self.archives.keys()
        if unknown:
            raise ValueError(f"parts name archives that are not listed: {', '.join(sorted(unknown))}")
        return self

    def assembled(self, fallback: bool) -> tuple[AssembledFile, ...]:
        """Returns the files to assemble from archives, with or without the fallback."""
        if not (fallback and self.fallback):
            return self.files
        without = self.fallback.without
        kept = (file for file in self.files if all(part.package != without for part in file.parts))
        return (*kept, *self.fallback.files)

    def finished(self, fallback: bool) -> dict[str, Checksum]:
        """Returns the checksums of the files of the finished model folder, by path."""
        files: list[ModelFile] = list(self.assembled(fallback))
        if self.conversion:
            files = [file for file in files if file.path != self.conversion.source] + list(self.conversion.files)
        return {file.path: Checksum(bytes=file.bytes, sha256=file.sha256) for file in files}

    @property
    def download_bytes(self) -> int:
        """Size of all archives, in bytes."""
        return sum(archive.bytes for archive in self.archives.values())

    @property
    def finished_bytes(self) -> int:
        """Size of the finished model folder, in bytes."""
        return sum(file.bytes for file in self.finished(fallback=False).values())

    @property
    def working_bytes(self) -> int:
        """Most space that building the model folder takes, without the archives, in bytes."""
        converted = self.conversion.files if self.conversion else ()
        return sum(file.bytes for file in (*self.files, *converted))


class Catalog(_Strict):
    """All models, by name."""

    models: dict[str, CatalogModel]

    def select(self, names: Sequence[str]) -> dict[str, CatalogModel]:
        """Returns the models of these names, or all models if there are no names.

        Raises:
            ConfigError: a name is not in the catalogue.
        """
        unknown = [name for name in names if name not in self.models]
        if unknown:
            raise ConfigError(
                f"no model is called {', '.join(map(repr, unknown))}; the catalogue has {', '.join(self.models)}"
            )
        return {name: self.models[name] for name in names or self.models}


@cache
def load_catalog(path: Path = CATALOG_FILE) -> Catalog:
    """Reads a catalogue.

    Raises:
        pydantic.ValidationError: the file is wrong, which is a programming error.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Catalog.model_validate(yaml.load(path.read_text("utf-8"), loader))
