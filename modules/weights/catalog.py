"""The catalogue: which models Relevo can bring to this machine, from where, and every sha256 it accepts."""

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
    """One package archive of a registry, by exact version; ``file`` is the name the registry gives it."""

    registry: Literal["pypi", "npm"]
    version: str
    file: InnerPath


class ArchivePart(_Strict):
    """Bytes inside an archive: a member, or one array (as raw little-endian float32) of a member that is .npz."""

    package: str
    member: InnerPath
    array: str | None = None


class ModelFile(Checksum):
    """One file of a model folder."""

    path: InnerPath


class AssembledFile(ModelFile):
    """A file that is the concatenation of parts of archives."""

    parts: tuple[ArchivePart, ...]


class Conversion(_Strict):
    """``python -m modules.weights.<module> SOURCE FOLDER`` writes ``files``; ``source`` is removed afterwards.

    The sums hold for the versions of ``libraries`` that requirements/ pins.
    """

    module: str
    source: InnerPath
    libraries: tuple[str, ...]
    files: tuple[ModelFile, ...]


class Fallback(_Strict):
    """Files that take the place of those made from the archive ``without``, and the note the user is shown."""

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
        """The files to read out of the archives, with or without the fallback."""
        if not (fallback and self.fallback):
            return self.files
        without = self.fallback.without
        kept = (file for file in self.files if all(part.package != without for part in file.parts))
        return (*kept, *self.fallback.files)

    def finished(self, fallback: bool) -> dict[str, Checksum]:
        """The files of the finished model folder, by path."""
        files: list[ModelFile] = list(self.assembled(fallback))
        if self.conversion:
            files = [file for file in files if file.path != self.conversion.source] + list(self.conversion.files)
        return {file.path: Checksum(bytes=file.bytes, sha256=file.sha256) for file in files}

    @property
    def download_bytes(self) -> int:
        """Size of all archives."""
        return sum(archive.bytes for archive in self.archives.values())

    @property
    def finished_bytes(self) -> int:
        """Size of the finished model folder."""
        return sum(file.bytes for file in self.finished(fallback=False).values())

    @property
    def working_bytes(self) -> int:
        """Space that making the model folder takes at its peak, the archives not counted."""
        converted = self.conversion.files if self.conversion else ()
        return sum(file.bytes for file in (*self.files, *converted))


class Catalog(_Strict):
    """All models, by name."""

    models: dict[str, CatalogModel]

    def select(self, names: Sequence[str]) -> dict[str, CatalogModel]:
        """The models of these names; all of them when there are none.

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
    """Reads a catalogue; pydantic.ValidationError when it is wrong, as only a change of the file can make it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Catalog.model_validate(yaml.load(path.read_text("utf-8"), loader))
