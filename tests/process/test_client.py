"""A client and a broker that the test plays: every future and every call ends, and ends with what is its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zmq

from errors import ConfigError, InputError, RelayClosed
from modules.contract.payloads import Text
from tests.conftest import clip
from workers.client.client import Client
from workers.client.result import Transcript
from workers.wire import codec, messages
from workers.wire.payload_frames import pack

WAIT_S = 60
META, FRAME = pack(Text("hola", "es"))


class PlayedBroker:
    """A ROUTER that answers GetStatus by itself and leaves everything else to the test."""

    def __init__(self, address):
        self.address = address
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.RCVTIMEO, WAIT_S * 1000)
        self._router.bind(address)
        self._decode = codec.decoder(messages.FromClient)
        self.instance = "first"
        self.client = b""

    def receive(self):
        """The next message that is no GetStatus."""
        while True:
            self.client, *frames = self._router.recv_multipart()
            message, _ = codec.read(self._decode, frames)
            if not isinstance(message, messages.GetStatus):
                return message
            self.send(messages.RelayStatus(message.call, self.instance, True, "audio", (), 0))

    def send(self, message, *frames):
        self._router.send_multipart([self.client, codec.encode(message), *frames])

    def end(self, request, outcome="ok"):
        self.send(messages.Outcome(request, outcome, "", 0.0, ()))

    def close(self):
        self._context.destroy(linger=0)


@pytest.fixture
def broker(tmp_path):
    made = PlayedBroker(f"ipc://{tmp_path}/clients")
    yield made
    made.close()


@pytest.fixture
def client(broker):
    with Client(broker.address) as made:
        yield made


def test_two_threads_that_scale_at_once_get_their_own_answers(broker, client):
    with ThreadPoolExecutor() as threads:
        good = threads.submit(client.scale, "listen", 1, WAIT_S)
        first = broker.receive()
        bad = threads.submit(client.scale, "sing", 1, WAIT_S)
        second = broker.receive()
        assert (first.stage, second.stage) == ("listen", "sing")
        broker.send(messages.ScaleReply(second.call, "there is no stage sing"))
        broker.send(messages.ScaleReply(first.call, ""))
        assert good.result(WAIT_S) is None
        with pytest.raises(ConfigError, match="no stage sing"):
            bad.result(WAIT_S)


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt(), ValueError("bad")])
def test_every_future_ends_though_callbacks_raise(broker, client, raised):
    def fail(_):
        raise raised

    failing = client.submit(clip(), on_event=fail)
    failing.add_done_callback(fail)
    other = client.submit(clip())
    for _ in range(2):
        request = broker.receive().request
        broker.send(messages.JobStarted(request, "listen", ()))
        broker.send(messages.RequestOutput(request, "listen", (0,), META), FRAME)
        broker.end(request)
    assert failing.result(WAIT_S).texts == {"listen": "hola"}
    assert other.result(WAIT_S).outcome == "ok"


def test_a_thread_that_dies_ends_every_future_and_every_call(broker, client, monkeypatch):
    waiting = [client.submit(clip()) for _ in range(3)]
    first = broker.receive()

    def die(*_):
        raise SystemExit("boom")

    monkeypatch.setattr(client, "_take_for", die)
    with ThreadPoolExecutor() as threads:
        scaling = threads.submit(client.scale, "listen", 1, WAIT_S)
        while not isinstance(broker.receive(), messages.Scale):
            pass
        broker.end(first.request)
        for ended in (*waiting, scaling):
            with pytest.raises(RelayClosed, match="SystemExit: boom; make a new one"):
                ended.result(WAIT_S)
    for ask in (lambda: client.submit(clip()), client.status, lambda: client.scale("listen", 1)):
        with pytest.raises(RelayClosed, match="boom"):
            ask()


def test_a_message_that_cannot_be_handled_ends_its_request_alone(broker, client, monkeypatch):
    def fail(*_):
        raise MemoryError("too much")

    monkeypatch.setattr(Transcript, "add", fail)
    bad, good = client.submit(clip()), client.submit(clip())
    first, second = broker.receive().request, broker.receive().request
    broker.send(messages.RequestOutput(first, "listen", (0,), META), FRAME)
    with pytest.raises(MemoryError, match="too much"):
        bad.result(WAIT_S)
    assert broker.receive() == messages.Cancel(first)
    broker.end(second)
    assert good.result(WAIT_S).outcome == "ok"


UNFIT = {
    "a time of another type": lambda client: client.submit(Text("a", "es", np.float32(0.5), 1.0)),
    "a note of another type": lambda client: client.submit(Text("a", "es", notes=("odd",))),
    "an infinite deadline": lambda client: client.submit(clip(), deadline_s=float("inf")),
    "a deadline that is no number": lambda client: client.submit(clip(), deadline_s=float("nan")),
    "a deadline of another type": lambda client: client.submit(clip(), deadline_s="2"),
    "an unknown priority": lambda client: client.submit(clip(), priority="urgent"),
    "a header over the limit": lambda client: client.submit(clip(), stage="s" * codec.MAX_HEADER_BYTES),
    "text that is no Unicode": lambda client: client.submit(clip(), stage="\ud800"),
}


@pytest.mark.parametrize("unfit", UNFIT)
def test_a_submit_that_fails_leaves_nothing_behind(broker, client, unfit):
    with pytest.raises(InputError, match="cannot be sent"):
        UNFIT[unfit](client)
    good = client.submit(clip())
    assert broker.receive().request.startswith(client._name)
    broker.instance = "second"  # another broker gets everything that is pending
    with ThreadPoolExecutor() as threads:
        status = threads.submit(client.status, WAIT_S)
        again = broker.receive()
        assert status.result(WAIT_S).instance == "second"
    assert list(client._pending) == [again.request]
    broker.end(again.request)
    assert good.result(WAIT_S).outcome == "ok"


def test_closing_cancels_every_request_though_a_callback_raises(broker):
    client = Client(broker.address)
    waiting = [client.submit(clip()) for _ in range(3)]

    def fail(_):
        raise SystemExit(1)

    waiting[0].add_done_callback(fail)
    with pytest.raises(SystemExit):
        client.close()
    assert all(future.cancelled() for future in waiting)
    assert not [thread for thread in threading.enumerate() if thread.name == "client"]
    client.close()


def test_a_deadline_holds_without_a_relay(tmp_path):
    with Client(f"ipc://{tmp_path}/nobody") as client:
        result = client.submit(clip(), deadline_s=0.1).result(WAIT_S)
    assert (result.outcome, result.error) == ("expired", "its deadline passed and the relay did not answer")


def test_a_deadline_holds_with_a_broker_that_answers_nothing(broker):
    with Client(broker.address) as client:
        future = client.submit(clip(), deadline_s=0.1)
        submitted = broker.receive()
        assert future.result(WAIT_S).outcome == "expired"
        assert broker.receive() == messages.Cancel(submitted.request)


def test_an_earlier_deadline_of_a_later_request_holds(broker):
    with Client(broker.address) as client:
        later = client.submit(clip(), deadline_s=3_000_000)  # longer than epoll can wait at once
        submitted = broker.receive()
        assert client.submit(clip(), deadline_s=0.1).result(WAIT_S).outcome == "expired"
        broker.end(submitted.request)
        assert later.result(WAIT_S).outcome == "ok"
