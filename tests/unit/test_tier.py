"""The tier holds what its conftest promises."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from modules.weights import cache_root
from tests.unit.conftest import WEIGHTS, NotAUnitTest, guard

FORBIDDEN = {
    "starts a process": lambda: subprocess.run([sys.executable, "--version"]),
    "opens a socket": lambda: socket.socket(socket.AF_UNIX),
    "opens a ZeroMQ socket": lambda: zmq.Context.instance().socket(zmq.DEALER),
    "reads": lambda: Path(WEIGHTS, "models", "any").read_bytes(),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_needs_more_than_python_is_refused(what):
    with pytest.raises(NotAUnitTest, match=f"a unit test {what}.*move it to"):
        FORBIDDEN[what]()
    guard.refused.clear()


def test_the_cache_is_empty():
    assert list(cache_root().iterdir()) == []
