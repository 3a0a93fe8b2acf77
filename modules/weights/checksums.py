"""Compares files with their recorded sizes and sha256 sums, while they are read or written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field

from errors import CorruptWeights

CHUNK_BYTES = 1 << 20

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Checksum(BaseModel):
    """What a file must be: its size in bytes and its sha256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: Sha256


def check_file(path: Path, expected: Checksum, advance: Callable[[int], None] | None = None) -> None:
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


def write_checked(chunks: Iterable[bytes], target: Path, expected: Checksum) -> None:
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


def read_chunks(source: IO[bytes]) -> Iterator[bytes]:
    """The content of an open file, piece by piece."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _compare(sha256: str, expected: Checksum, path: Path) -> None:
    if sha256 != expected.sha256:
        raise CorruptWeights(f"{path} has sha256 {sha256} instead of {expected.sha256}")
