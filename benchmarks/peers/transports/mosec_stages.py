"""mosec (https://github.com/mosecorg/mosec), three stages, driven over HTTP on loopback.

python -m benchmarks.peers.transports.mosec_stages           starts the server and drives it
python -m benchmarks.peers.transports.mosec_stages --port N  the server alone
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
from modules.testing.noop import ANSWER, CHINESE, ENGLISH, SPEECH

READY_S = 60


class Listen(MsgpackMixin, Worker):
    """Audio → text."""

    def forward(self, data: Any) -> str:
        """Answers whatever comes."""
        return ENGLISH.text


class Translate(Worker):
    """Text → text."""

    def forward(self, data: Any) -> str:
        """Answers whatever comes."""
        return CHINESE.text


class Speak(MsgpackMixin, Worker):
    """Text → audio."""

    def forward(self, data: Any) -> dict[str, bytes]:
        """Answers whatever comes."""
        return {"wav": ANSWER.samples.tobytes()}


def serve() -> None:
    """Runs the server."""
    server = Server()
    for worker in (Listen, Translate, Speak):
        server.append_worker(worker, num=1, start_method="spawn")
    server.run()


def main() -> None:
    """Starts the server on a free port and drives it over one connection a thread."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "benchmarks.peers.transports.mosec_stages",
        "--port",
        str(port),
        "--address",
        "127.0.0.1",
    ]
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
            raise SystemExit(f"mosec answered {answer.status}")

    try:
        give_up_at = time.monotonic() + READY_S
        while True:
            try:
                call()
                break
            except OSError:
                if time.monotonic() > give_up_at:
                    raise
                del local.connection
                time.sleep(0.2)
        drive("mosec", call)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    serve() if "--port" in sys.argv else main()
