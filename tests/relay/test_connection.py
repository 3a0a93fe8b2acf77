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


class CuttableProxy:
    """A TCP proxy to a port, whose connections can be cut; a peer that connects again gets a new one."""

    def __init__(self, port):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends = []
        self.down = False  # whether new connections are closed at once
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
def relay_and_proxy(fake_config, tmp_path):
    gate = tmp_path / "gate"
    config = fake_config(speak={"gate": str(gate), "pieces": 2})
    with Pipeline.from_config(config, listen="tcp://127.0.0.1:0") as pipeline:
        proxy = CuttableProxy(int(pipeline.address.rpartition(":")[2]))
        try:
            yield pipeline, proxy, gate
        finally:
            proxy.close()


def test_a_request_survives_its_connection(relay_and_proxy):
    _, proxy, gate = relay_and_proxy
    gate.touch()
    begun, heard = threading.Event(), []

    def on_event(event):
        if event.payload is not None:
            heard.append((event.stage, event.path))
        elif event.stage == "speak":
            begun.set()

    with Client(proxy.address) as client:
        future = client.submit(clip(), on_event=on_event)
        assert begun.wait(WAIT_S)
        proxy.cut()
        gate.unlink()
        result = future.result(WAIT_S)
        assert result.outcome == "ok"
        assert result.texts == {"listen": "en500.0", "translate": "zh(en500.0)/1"}
        assert result.audio.seconds == 1.0
        assert heard == [("listen", (0,)), ("translate", (0, 0)), ("speak", (0, 0, 0)), ("speak", (0, 0, 1))]
        assert client.status().ready


def test_an_outcome_lost_with_its_connection_is_made_again(relay_and_proxy):
    pipeline, proxy, gate = relay_and_proxy
    gate.touch()
    begun = threading.Event()
    with Client(proxy.address) as client:
        future = client.submit(clip(), on_event=lambda event: begun.set() if event.stage == "speak" else None)
        assert begun.wait(WAIT_S)
        proxy.down = True
        proxy.cut()
        gate.unlink()
        while any(stage.in_service for stage in pipeline.client.status().stages):
            pass
        assert not future.done()
        proxy.down = False
        assert future.result(WAIT_S).audio.seconds == 1.0
