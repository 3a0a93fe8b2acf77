"""Sizes and sha256 sums of files: recorded, compared, and checked while a file is written."""

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
    """Size of a file in bytes, and its sha256 in hexadecimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: Sha256


def checksum_of(path: Path) -> Checksum:
    """Reads a file and returns its checksum."""
    return Checksum(bytes=path.stat().st_size, sha256=_sha256(path))


def check_file(path: Path, expected: Checksum, advance: Callable[[int], None] | None = None) -> None:
    """Compares a file with its recorded size and sha256.

    Args:
        path: the file.
        expected: its checksum.
        advance: is called with the number of bytes read so far.

    Raises:
        CorruptWeights: the file differs, or is missing.
    """
    if not path.is_file():
        raise CorruptWeights(f"{path} is missing")
    size = path.stat().st_size
    if size != expected.bytes:
        raise CorruptWeights(f"{path} has {size} bytes instead of {expected.bytes}")
    _compare(_sha256(path, advance), expected, path)


def write_checked(chunks: Iterable[bytes], target: Path, expected: Checksum) -> None:
    """Writes chunks to a file and checks them on the way.

    Raises:
        CorruptWeights: there are more or fewer bytes than expected, or they have another sha256.
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
    """Reads an open file to its end, chunk by chunk."""
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _sha256(path: Path, advance: Callable[[int], None] | None = None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in read_chunks(file):
            digest.update(chunk)
            if advance:
                advance(file.tell())
    return digest.hexdigest()


def _compare(sha256: str, expected: Checksum, path: Path) -> None:
    if sha256 != expected.sha256:
        raise CorruptWeights(f"{path} has sha256 {sha256} instead of {expected.sha256}")
