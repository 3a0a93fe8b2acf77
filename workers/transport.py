"""Messages in and out of ZeroMQ sockets: small frames are copied, large ones travel on as the frames they came in."""

from __future__ import annotations

from typing import Any

import zmq

from workers.wire import Message, encode

COPY_BYTES = 16 * 1024  # below this a copy costs less than the bookkeeping of sharing memory


def send(socket: zmq.Socket[bytes], message: Message, *frames: Any, to: bytes | None = None) -> None:
    """Sends a message with its payload frames; `to` is the peer's identity on a ROUTER socket.

    Raises:
        zmq.ZMQError: with EHOSTUNREACH when a ROUTER has no such peer.
    """
    if to is not None:
        socket.send(to, zmq.SNDMORE)
    socket.send(encode(message), zmq.SNDMORE if frames else 0)
    last = len(frames) - 1
    for number, frame in enumerate(frames):
        socket.send(frame, zmq.SNDMORE if number < last else 0, copy=len(frame) < COPY_BYTES)


def waiting(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message can be received at once."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


def receive(socket: zmq.Socket[bytes]) -> tuple[bytes, list[Any]]:
    """The next message's first frame, and those that follow it: bytes, or a `zmq.Frame` where it is large."""
    part = socket.recv(copy=False)
    first, frames = part.bytes, []
    while part.more:
        part = socket.recv(copy=False)
        frames.append(part.bytes if len(part) < COPY_BYTES else part)
    return first, frames
