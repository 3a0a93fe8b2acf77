"""The modules as three mosec (https://github.com/mosecorg/mosec) stages, asked over HTTP on loopback.

Each worker gets the thread budget of our own plan, as a careful user would set it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import psutil
from mosec import Server, Worker
from mosec.mixin import MsgpackMixin

from benchmarks.common.port import free_port
from benchmarks.peers.systems.system import CallingSystem, RelayTask, StageWorker
from modules.contract.payloads import Audio, Payload
from workers.processes.budget import THREAD_VARIABLES

TASK_VARIABLE = "PEERS_TASK"
DRAIN_S = 5.0
TIMEOUT_MS = 600_000  # of a request: long, so that waiting in a queue is measured and not cut off


class MosecStage(Worker):
    """A stage's module in a mosec worker; `depth` is its place in the relay."""

    depth: int

    def __init__(self) -> None:
        task = msgspec.json.decode(os.environ[TASK_VARIABLE], type=RelayTask)
        self._stage_worker = StageWorker(task, self.depth)


class MosecListen(MsgpackMixin, MosecStage):
    """Audio → texts."""

    depth = 0

    def forward(self, data: Any) -> list[Payload]:
        """Returns payloads as they are: mosec pickles what passes between workers."""
        return self._stage_worker([Audio(np.frombuffer(data["samples"], np.float32), data["rate"])])


class MosecTranslate(MosecStage):
    """Texts → texts."""

    depth = 1

    def forward(self, data: Any) -> list[Payload]:
        """Returns payloads as they are."""
        return self._stage_worker(data)


class MosecSpeak(MsgpackMixin, MosecStage):
    """Texts → audio."""

    depth = 2

    def forward(self, data: Any) -> list[dict[str, Any]]:
        """Returns plain values, which leave by HTTP as MessagePack."""
        return [
            {"samples": audio.samples.tobytes(), "rate": audio.sample_rate}
            for audio in self._stage_worker(data)
            if isinstance(audio, Audio)
        ]


class MosecRelay(CallingSystem):
    """A mosec server in a process of its own."""

    def __init__(self, task: RelayTask) -> None:
        super().__init__()
        self._port = free_port()
        command = [sys.executable, "-m", "benchmarks.peers.systems.mosec_relay", "--address", "127.0.0.1"]
        command += ["--port", str(self._port), "--timeout", str(TIMEOUT_MS)]
        environment = {**os.environ, TASK_VARIABLE: msgspec.json.encode(task).decode()}
        self._server = subprocess.Popen(command, env=environment, stdout=sys.stderr)

    def call(self, payload: Payload) -> list[Payload]:
        """Makes one POST over a connection of its own and waits for its answer."""
        if not isinstance(payload, Audio):
            raise TypeError(f"this relay takes audio, not {type(payload).__name__}")
        body = msgspec.msgpack.encode({"samples": payload.samples.tobytes(), "rate": payload.sample_rate})
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            connection.request("POST", "/inference", body)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"mosec answered {response.status}: {content[:200]!r}")
        found = msgspec.msgpack.decode(content)
        return [Audio(np.frombuffer(one["samples"], np.float32), one["rate"]) for one in found]

    def close(self) -> None:
        """Ends its processes."""
        below = psutil.Process(self._server.pid).children(recursive=True)
        self._server.terminate()
        try:
            self._server.wait(DRAIN_S)
        except subprocess.TimeoutExpired:  # it waits for a request that died with its worker
            for process in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._server.kill()
            self._server.wait()


def serve() -> None:
    """Runs the server."""
    plan = msgspec.json.decode(os.environ[TASK_VARIABLE], type=RelayTask).plan()
    server = Server()
    for worker, stage in zip((MosecListen, MosecTranslate, MosecSpeak), plan.stages, strict=True):
        budget = dict.fromkeys(THREAD_VARIABLES, str(stage.threads))
        server.append_worker(worker, num=stage.replicas, start_method="spawn", env=[budget] * stage.replicas)
    server.run()


if __name__ == "__main__":
    serve()
