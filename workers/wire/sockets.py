"""Sends and receives messages on ZeroMQ sockets. Small frames are copied, large ones are shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zmq

from workers.wire.codec import encode
from workers.wire.messages import Message

_POLLIN = int(zmq.POLLIN)  # an operation on the enum itself takes as long as the getsockopt call
COPY_BYTES = 16 * 1024  # below this, copying a frame takes less time than sharing its memory


def send(socket: zmq.Socket[bytes], message: Message, *frames: Any, to: bytes | None = None) -> None:
    """Sends a message with its payload frames. `to` is the peer's identity on a ROUTER socket.

    Raises:
        zmq.ZMQError: EHOSTUNREACH when a ROUTER has no such peer.
    """
    header = encode(message)
    send_frames(socket, [header, *frames] if to is None else [to, header, *frames])


def send_frames(socket: zmq.Socket[bytes], frames: Sequence[Any]) -> None:
    """Sends frames as one ZeroMQ message; raises as `send` does."""
    *before, last = frames
    for frame in before:
        socket.send(frame, zmq.SNDMORE, copy=len(frame) < COPY_BYTES)
    socket.send(last, copy=len(last) < COPY_BYTES)


def has_message(socket: zmq.Socket[bytes]) -> bool:
    """Returns whether a message can be received at once."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & _POLLIN)


def receive(socket: zmq.Socket[bytes]) -> list[Any] | None:
    """Returns the frames of the next message, or None when there is none. A large frame is a `zmq.Frame`, not bytes."""
    if not has_message(socket):
        return None
    part = socket.recv(copy=False)
    frames = [part.bytes if len(part) < COPY_BYTES else part]
    while part.more:
        part = socket.recv(copy=False)
        frames.append(part.bytes if len(part) < COPY_BYTES else part)
    return frames
