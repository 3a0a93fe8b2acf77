"""mosec (https://github.com/mosecorg/mosec) with three stages, driven over HTTP on loopback.

python -m benchmarks.peers.transports.mosec_server --port N --address 127.0.0.1  (the server; started by `run`)
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
import time
from typing import Any

import msgspec
from mosec import Server, Worker
from mosec.mixin import MsgpackMixin

from benchmarks.common.port import free_port
from benchmarks.peers.transports.drive import drive
from errors import MeasurementError
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

READY_S = 60


class MosecNoopListen(MsgpackMixin, Worker):
    """Audio → text."""

    def forward(self, data: Any) -> str:
        """Returns the same text for every input."""
        return ENGLISH.text


class MosecNoopTranslate(Worker):
    """Text → text."""

    def forward(self, data: Any) -> str:
        """Returns the same text for every input."""
        return CHINESE.text


class MosecNoopSpeak(MsgpackMixin, Worker):
    """Text → audio."""

    def forward(self, data: Any) -> dict[str, bytes]:
        """Returns the same audio for every input."""
        return {"wav": ANSWER.samples.tobytes()}


def serve() -> None:
    """Runs the server; mosec reads its own options from the command line."""
    server = Server()
    for worker in (MosecNoopListen, MosecNoopTranslate, MosecNoopSpeak):
        server.append_worker(worker, num=1, start_method="spawn")
    server.run()


def run(_: int) -> dict[str, float]:
    """Starts the server on a free port, drives it over one connection a thread and returns its figures.

    Raises:
        MeasurementError: mosec answered with an error, or never.
    """
    port = free_port()
    command = [sys.executable, "-m", __name__, "--port", str(port), "--address", "127.0.0.1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    body = msgspec.msgpack.encode({"wav": SPEECH.samples.tobytes()})
    local = threading.local()

    def call() -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port)
        local.connection.request("POST", "/inference", body)
        answer = local.connection.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise MeasurementError(f"mosec answered {answer.status}; run the server by itself to see why")

    try:
        give_up_at = time.monotonic() + READY_S
        while True:
            try:
                call()
                break
            except OSError as error:
                if time.monotonic() > give_up_at:
                    raise MeasurementError(f"mosec did not listen within {READY_S} s: {error}") from error
                del local.connection
                time.sleep(0.2)
        return drive(call)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    serve()
