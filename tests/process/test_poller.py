from __future__ import annotations

import os
import threading

import pytest
import zmq

from workers.wire.poller import SocketPoller
from workers.wire.sockets import receive

SOON_S = 0.01


@pytest.fixture
def pair():
    with zmq.Context() as context, context.socket(zmq.PAIR) as near, context.socket(zmq.PAIR) as far:
        near.bind("inproc://pair")
        far.connect("inproc://pair")
        yield near, far


def emptied(poller):
    """Reads until the poller returns nothing."""
    while ready := list(poller.wait(SOON_S)):
        for source in ready:
            while receive(source) is not None:
                pass


@pytest.mark.parametrize("spin_s", [0.0, 10.0])
def test_a_message_is_seen_whether_it_came_before_or_during_the_wait(pair, spin_s):
    near, far = pair
    poller = SocketPoller()
    poller.add(near)
    emptied(poller)
    far.send(b"before")
    assert set(poller.wait(60)) == {near}
    assert [receive(near), receive(near)] == [[b"before"], None]
    sender = threading.Thread(target=far.send, args=(b"during",))
    sender.start()
    assert set(poller.wait(60, spin_s)) == {near}
    sender.join()


def test_a_socket_is_rechecked_though_its_signal_was_consumed(pair):
    near, far = pair
    poller = SocketPoller()
    poller.add(near)
    emptied(poller)
    far.send(b"question")
    near.getsockopt(zmq.EVENTS)  # as any use of the socket may
    assert list(poller.wait(SOON_S)) == []
    poller.recheck(near)
    assert set(poller.wait(60)) == {near}


def test_a_socket_that_is_always_rechecked_does_not_hide_the_others(pair):
    near, _ = pair
    reader, writer = os.pipe()
    poller = SocketPoller()
    poller.add(near)
    poller.add(reader)
    os.write(writer, b"w")
    poller.recheck(near)
    assert set(poller.wait()) == {near, reader}
    os.close(reader)
    os.close(writer)


def test_a_timeout_returns_nothing(pair):
    poller = SocketPoller()
    poller.add(pair[0])
    emptied(poller)
    assert list(poller.wait(SOON_S, spin_s=60.0)) == []
