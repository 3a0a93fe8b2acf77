"""Addresses as sockets and command lines take them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import zmq

from checkout import ROOT
from workers.wire.addresses import MAX_SOCKET_PATH_BYTES, validate_address


@pytest.mark.parametrize(
    "address", ["tcp://localhost:65535", "tcp://my-host_1.example:1", "ipc:///" + "a" * (MAX_SOCKET_PATH_BYTES - 1)]
)
def test_libzmq_takes_what_the_validation_accepts(address):
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect(validate_address(address))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((ROOT / "pipeline.py", "serve", "--listen", "tcp://127.0.0.1:80000"), "port '80000' is no number"),
        ((ROOT / "pipeline.py", "serve", "--metrics", "127.0.0.1"), "write HOST:PORT"),
        (("-m", "workers.replica", "--stage", "a", "--connect", "tcp://127.0.0.1"), "has no port"),
    ],
)
def test_a_wrong_address_is_one_clear_line_and_status_2(command, message):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
