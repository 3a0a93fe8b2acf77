"""Errors of full and read-only disks, in one line each, and the check for space before anything is written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import WeightsError

FULL = {errno.ENOSPC, errno.EDQUOT}
UNUSABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
FULL_MESSAGES = tuple(os.strerror(code) for code in FULL)
REMEDY = "set RELEVO_CACHE (or --to) to a folder on another disk"


def megabytes(size: int) -> str:
    """Writes a size for users: 145217532 becomes ``145.2 MB``."""
    return f"{size / 1e6:.1f} MB"


def free_bytes(folder: Path) -> int:
    """Returns the free space in bytes on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def full_disk(folder: Path, needed_bytes: int) -> WeightsError:
    """Makes the error for a disk without room for ``needed_bytes`` more in ``folder``."""
    return WeightsError(
        f"the disk of {folder} is too full: {megabytes(needed_bytes)} are needed, {megabytes(free_bytes(folder))} are "
        f"free; make room there, or {REMEDY}"
    )


def require_space(needed: dict[Path, int]) -> None:
    """Checks that disks have room for the bytes that each folder will need.

    Raises:
        WeightsError: a disk has less free space than the folders on it need together.
    """
    together: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        device = _existing(folder).stat().st_dev
        together[device] = (folder, together.get(device, (folder, 0))[1] + size)
    for folder, size in together.values():
        if free_bytes(folder) < size:
            raise full_disk(folder, size)


@contextmanager
def disk_errors(folder: Path, needed_bytes: int) -> Iterator[None]:
    """Turns errors of the system while ``folder`` is written into a WeightsError."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise full_disk(folder, needed_bytes) from error
        if error.errno in UNUSABLE:
            raise WeightsError(f"cannot write to {error.filename or folder}: {error.strerror}; {REMEDY}") from error
        raise


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if each.exists())
