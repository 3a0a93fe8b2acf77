"""Unit tests need nothing: no process, no socket, no weights. A test that needs one of these fails and is told so.

Imports are free to do as they please (some libraries ask `ldconfig` for a library). An audit hook sees what Python
starts and opens. ZeroMQ opens its sockets in C++, so its contexts refuse to make any.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import zmq

STARTS_A_PROCESS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
OPENS_A_SOCKET = {"socket.__new__", "socket.connect", "socket.bind"}
WEIGHTS = str(Path(os.environ.get("RELEVO_CACHE") or Path.home() / ".cache" / "relevo").resolve()) + os.sep


class NotAUnitTest(BaseException):
    """The test needs more than a unit test may. Not an Exception, for code under test may catch those."""


class Guard:
    """Refuses what a unit test may not do, and keeps what it refused: a thread that it ended fails no test."""

    def __init__(self) -> None:
        self.on = False
        self.refused: list[str] = []

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in STARTS_A_PROCESS:
            self.refuse(f"starts a process ({event}): move it to tests/process, or to tests/relay if it runs a relay")
        elif event in OPENS_A_SOCKET:
            self.refuse(f"opens a socket ({event}): move it to tests/process, or to tests/relay if it runs a relay")
        elif event == "open" and isinstance(args[0], str) and args[0].startswith(WEIGHTS):
            self.refuse(f"reads {args[0]}: move it to tests/models")

    def refuse(self, what: str) -> None:
        self.refused.append(what)
        raise NotAUnitTest(f"a unit test {what}")


guard = Guard()
sys.addaudithook(guard.audit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    if not item.path.is_relative_to(Path(__file__).parent):  # pytest asks this of every test, whatever its folder
        return (yield)
    guard.refused.clear()
    with TemporaryDirectory(prefix="relevo-unit-") as empty_cache, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELEVO_CACHE", empty_cache)
        patch.delenv("RELEVO_WEIGHTS", raising=False)
        patch.setattr(zmq.Context, "socket", lambda *_: guard.refuse("opens a ZeroMQ socket: move it to tests/relay"))
        guard.on = True
        try:
            return (yield)
        finally:
            guard.on = False


@pytest.fixture(autouse=True)
def no_orphans() -> Iterator[None]:
    """Stands in for the fixture that looks for processes left behind: none can be started here."""
    yield
    assert not guard.refused, f"a unit test {guard.refused[0]}"
