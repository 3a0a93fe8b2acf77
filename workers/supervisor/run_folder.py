"""The folder of one run, for private sockets, the broker's settings and logs.

A process ended by SIGKILL leaves its folder behind. So the owner of a folder holds a lock on a file inside for as long
as it lives, and each new run removes the folders whose lock nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from errors import RelayError
from workers.wire.addresses import IPC, MAX_SOCKET_PATH_BYTES

logger = logging.getLogger("relevo.supervisor")

PREFIX = "relevo-"
LOCK_NAME = "owner.lock"
LONGEST_ROLE = "replicas"


class RunFolder:
    """A new folder that only its owner may enter, until `remove`."""

    def __init__(self) -> None:
        """Makes it where temporary files go, and removes what killed runs left there.

        Raises:
            RelayError: it cannot be made, or its path is too long for the sockets inside.
        """
        try:
            parent = Path(tempfile.gettempdir())
            remove_abandoned(parent)
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        except OSError as error:
            raise RelayError(
                f"cannot make a temporary folder ({error}); set TMPDIR to one that can be written"
            ) from error
        self._lock = _locked(self.path)
        if len(os.fsencode(self.path / LONGEST_ROLE)) > MAX_SOCKET_PATH_BYTES:
            self.remove()
            raise RelayError(f"the path {self.path} is too long for a socket; set TMPDIR to a shorter folder")

    def socket_address(self, role: str) -> str:
        """The address of the private socket that serves a role."""
        return f"{IPC}{self.path / role}"

    def make_again_if_removed(self) -> None:
        """Makes it again if something, such as a cleaner of old temporary files, has removed it."""
        self.path.mkdir(mode=0o700, exist_ok=True)

    def remove(self) -> None:
        """Removes it with everything inside; calling it again changes nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_abandoned(parent: Path) -> None:
    """Removes the run folders in `parent` whose owner has ended. Other users' and unlocked ones are left alone."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _unowned(folder):
            shutil.rmtree(folder, ignore_errors=True)
            logger.info("removed %s, which a killed run had left behind", folder)


def _locked(folder: Path) -> int | None:
    """The descriptor of a lock in the folder; None where the file system has no locks.

    The file gets its name once it is locked: a folder with a lock that nobody holds is always an abandoned one.
    """
    unnamed = folder / f"{LOCK_NAME}.new"
    lock = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    unnamed.rename(folder / LOCK_NAME)
    return lock


@contextlib.contextmanager
def _unowned(folder: Path) -> Iterator[None]:
    """Holds the lock of an abandoned folder.

    Raises:
        OSError: the folder is none of ours, or its owner lives.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not a folder of this user")
    lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
