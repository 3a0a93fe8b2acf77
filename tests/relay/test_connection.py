"""A client whose connection breaks while the broker lives on."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from pipeline import Pipeline
from tests.conftest import clip
from workers.client.client import Client

WAIT_S = 60


class Wire:
    """A TCP connection to a port that can be cut; who dials again gets a new one."""

    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends = []
        self.down = False  # whether who dials is turned away
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self.down:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._carry, args=(source, sink)))
                    self._threads[-1].start()

    @staticmethod
    def _carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def cut(self):
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def relay_and_wire(fake_config, tmp_path):
    gate = tmp_path / "gate"
    config = fake_config(speak={"gate": str(gate), "pieces": 2})
    with Pipeline.from_config(config, listen="tcp://127.0.0.1:0") as pipeline:
        wire = Wire(int(pipeline.address.rpartition(":")[2]))
        try:
            yield pipeline, wire, gate
        finally:
            wire.close()


def test_a_request_survives_its_connection(relay_and_wire):
    _, wire, gate = relay_and_wire
    gate.touch()
    begun, heard = threading.Event(), []

    def on_event(event):
        if event.payload is not None:
            heard.append((event.stage, event.path))
        elif event.stage == "speak":
            begun.set()

    with Client(wire.address) as client:
        future = client.submit(clip(), on_event=on_event)
        assert begun.wait(WAIT_S)
        wire.cut()
        gate.unlink()
        result = future.result(WAIT_S)
        assert result.outcome == "ok"
        assert result.texts == {"listen": "en500.0", "translate": "zh(en500.0)/1"}
        assert result.audio.seconds == 1.0
        assert heard == [("listen", (0,)), ("translate", (0, 0)), ("speak", (0, 0, 0)), ("speak", (0, 0, 1))]
        assert client.status().ready


def test_an_outcome_lost_with_its_connection_is_made_again(relay_and_wire):
    pipeline, wire, gate = relay_and_wire
    gate.touch()
    begun = threading.Event()
    with Client(wire.address) as client:
        future = client.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
        assert begun.wait(WAIT_S)
        wire.down = True
        wire.cut()
        gate.unlink()
        while any(stage.in_service for stage in pipeline.client.status().stages):
            pass
        assert not future.done()
        wire.down = False
        assert future.result(WAIT_S).audio.seconds == 1.0
