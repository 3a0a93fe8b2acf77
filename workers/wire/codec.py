"""Messages as frames, and back.

A message is one header frame followed by its raw payload frames. The header is ``RLV`` and a version byte, then a
MessagePack array whose first element names the message type. Nothing on the wire is pickled, and a receiver decodes
only the message types that its peer may send, so that anything else is refused, not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from errors import ProtocolError
from workers.wire.messages import BatchLease, Message, Output, RequestOutput, Submit

VERSION = 1
_PREFIX = b"RLV" + bytes([VERSION])
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 256 * 2**20  # over an hour of 16 kHz float32

_WITH_PAYLOAD = (Submit, RequestOutput, Output)
_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """The header frame of a message."""
    return _PREFIX + _encoder.encode(message)


def decoder(types: Any) -> Callable[[bytes], Any]:
    """A function that reads header frames as one of the message types given (a union of Message classes).

    It raises ProtocolError for an oversized frame, one of another version, or one that is not such a message.
    """
    decode = msgspec.msgpack.Decoder(types).decode

    def read(header: bytes) -> Any:
        if len(header) > MAX_HEADER_BYTES:
            raise ProtocolError(f"a header of {len(header)} bytes is over the limit of {MAX_HEADER_BYTES}")
        if not header.startswith(_PREFIX):
            raise ProtocolError(_foreign(header))
        try:
            return decode(memoryview(header)[len(_PREFIX) :])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"not a message that this peer may send: {error}") from error

    return read


def _foreign(header: bytes) -> str:
    """What is wrong with a header that is not of this version."""
    if not header.startswith(_PREFIX[:3]):
        return "not a Relevo message: its header does not begin with RLV"
    return f"a message of wire version {header[3:4].hex() or 'none'}; this side speaks {VERSION}"


def read(decode: Callable[[bytes], Any], frames: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """A message and its payload frames, of the frames that came as one ZeroMQ message.

    Raises:
        ProtocolError: they are not one message and exactly the payloads that it announces, none too large.
    """
    message, payloads = _first(decode, frames)
    if len(frames) != 1 + len(payloads):
        name = type(message).__name__
        raise ProtocolError(f"{name} came with {len(frames) - 1} payload frames instead of {len(payloads)}")
    return message, payloads


def read_all(decode: Callable[[bytes], Any], frames: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """The messages that came together as one ZeroMQ message, each with its payload frames; raises as `read` does."""
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
    """The number of payload frames that must follow the header."""
    return len(message.jobs) if isinstance(message, BatchLease) else int(isinstance(message, _WITH_PAYLOAD))
