"""Encodes messages as frames and decodes them.

A message is one header frame, followed by its raw payload frames. The header is ``RLV``, a version byte, and a
MessagePack array whose first element names the message type. Nothing on the wire is pickled. A receiver decodes only
the message types that its peer may send, and refuses anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from errors import ProtocolError
from workers.wire.messages import BatchLease, Message, Output, RequestOutput, Submit

VERSION = 3
PREFIX = b"RLV" + bytes([VERSION])
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 256 * 2**20  # over an hour of 16 kHz float32

ONE_PAYLOAD = (Submit, RequestOutput, Output)
_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Returns the header frame of a message."""
    return PREFIX + _encoder.encode(message)


def decoder(types: Any) -> Callable[[bytes], Any]:
    """Returns a function that decodes a header frame as one of `types`, a union of message classes.

    The function raises ProtocolError for a frame that is too large, of another version, or no such message.
    """
    decode = msgspec.msgpack.Decoder(types).decode

    def read(header: bytes) -> Any:
        if len(header) > MAX_HEADER_BYTES:
            raise ProtocolError(f"a header of {len(header)} bytes is over the limit of {MAX_HEADER_BYTES}")
        if not header.startswith(PREFIX):
            raise ProtocolError(_foreign(header))
        try:
            return decode(memoryview(header)[len(PREFIX) :])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"not a message that this peer may send: {error}") from error

    return read


def _foreign(header: bytes) -> str:
    """Says what is wrong with a header that does not begin as those of this version do."""
    if not header.startswith(PREFIX[:3]):
        return "not a Relevo message: its header does not begin with RLV"
    version = header[3] if len(header) > 3 else "none"
    return f"a message of wire version {version}, where this side speaks {VERSION}; update the older side"


def read(decode: Callable[[bytes], Any], frames: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Decodes a ZeroMQ message that holds one message; returns it with its payload frames.

    Raises:
        ProtocolError: the frames are not one message with exactly its payloads, or a payload is too large.
    """
    message, payloads = _first(decode, frames)
    if len(frames) != 1 + len(payloads):
        name = type(message).__name__
        raise ProtocolError(f"{name} came with {len(frames) - 1} payload frames instead of {len(payloads)}")
    return message, payloads


def read_all(decode: Callable[[bytes], Any], frames: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Decodes a ZeroMQ message that holds several messages, each with its payload frames. Raises as `read` does."""
    while frames:
        message, payloads = _first(decode, frames)
        yield message, payloads
        frames = frames[1 + len(payloads) :]


def _first(decode: Callable[[bytes], Any], frames: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    message = decode(bytes(frames[0]) if frames else b"")
    expected = payload_count(message)
    payloads = frames[1 : 1 + expected]
    if len(payloads) != expected:
        name = type(message).__name__
        raise ProtocolError(f"{name} came with {len(payloads)} payload frames instead of {expected}")
    for payload in payloads:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ProtocolError(f"a payload of {len(payload)} bytes is over the limit of {MAX_PAYLOAD_BYTES}")
    return message, payloads


def payload_count(message: Message) -> int:
    """Returns the number of payload frames that must follow the header."""
    return len(message.jobs) if isinstance(message, BatchLease) else int(isinstance(message, ONE_PAYLOAD))
