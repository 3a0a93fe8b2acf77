from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ProtocolError
from modules.notes import Note
from modules.payloads import Audio, Text
from workers import wire
from workers.frames import pack, unpack

META = wire.Meta("text", 3.0, 0.5, 1.5, "en", notes=(Note("truncated", "at 96 tokens"),))


@pytest.mark.parametrize(
    ("message", "types"),
    [
        (wire.Submit("r", META, 2.5, "batch", True), wire.FromClient),
        (wire.Event("r", "listen", (0, 1), META), wire.ToClient),
        (wire.Outcome("r", "ok", "", 0.0, (wire.Span("listen", (), 1, "x", 0, 0, 1, 1, 1),)), wire.ToClient),
        (wire.Done("x", 0.5, (wire.JobDone(1, 1, 2, 0.5),)), wire.FromReplica),
        (wire.Work((wire.WorkItem(1, 1, META, None),)), wire.ToReplica),
        (wire.Oversee({"listen": 2}), wire.FromSupervisor),
        (wire.Standing("x", "listen", "busy", 0.1, 5), wire.ToSupervisor),
    ],
)
def test_a_message_comes_back_as_it_was(message, types):
    assert wire.decoder(types)(wire.encode(message)) == message


ROLES = [wire.FromClient, wire.ToClient, wire.FromReplica, wire.ToReplica, wire.FromSupervisor, wire.ToSupervisor]
SAMPLES = [
    wire.Submit("r", META, 2.5, "batch", True),
    wire.Output("x", 1, 1, 0, META),
    wire.Done("x", 0.5, (wire.JobDone(1, 1, 2, 0.5),)),
    wire.Beat("x", "listen", "busy", 0.1, 5),
    wire.Work((wire.WorkItem(1, 1, META, None),)),
    wire.Outcome("r", "ok", "", 0.0, (wire.Span("listen", (), 1, "x", 0, 0, 1, 1, 1),)),
    wire.Gone("x", "killed", "its stack"),
]


@given(st.binary(max_size=200), st.sampled_from(ROLES))
def test_garbage_is_a_protocol_error_and_nothing_else(garbage, role):
    for header in (garbage, b"RLV\x01" + garbage):
        with contextlib.suppress(ProtocolError):
            wire.decoder(role)(header)


@given(st.sampled_from(SAMPLES), st.sampled_from(ROLES), st.data())
def test_a_message_with_wrong_bytes_is_a_protocol_error_or_a_message_of_that_peer(message, role, data):
    header = bytearray(wire.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        assert isinstance(wire.decoder(role)(bytes(header)), role)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_amount_is_refused_before_it_enters_a_sum(odd):
    meta = wire.Meta("text", odd)
    for message, role in (
        (wire.Submit("r", meta), wire.FromClient),
        (wire.Submit("r", META, deadline_s=odd), wire.FromClient),
        (wire.Output("x", 1, 1, 0, meta), wire.FromReplica),
        (wire.Done("x", odd, ()), wire.FromReplica),
        (wire.Beat("x", "listen", "busy", odd, 5), wire.FromReplica),
    ):
        with pytest.raises(ProtocolError):
            wire.decoder(role)(wire.encode(message))


def test_a_cost_below_nothing_is_refused():
    with pytest.raises(ProtocolError, match="0"):
        wire.decoder(wire.FromClient)(wire.encode(wire.Submit("r", wire.Meta("audio", -1.0))))


@given(st.integers(0, 60))
def test_a_truncated_header_is_refused(length):
    header = wire.encode(wire.Submit("request", META))
    with pytest.raises(ProtocolError):
        wire.decoder(wire.FromClient)(header[: min(length, len(header) - 1)])


def test_an_oversized_payload_is_refused(monkeypatch):
    monkeypatch.setattr(wire, "MAX_PAYLOAD_BYTES", 3)
    wire.check_payloads(wire.Submit("r", META), [b"abc"])
    with pytest.raises(ProtocolError, match="4 bytes is over the limit of 3"):
        wire.check_payloads(wire.Submit("r", META), [b"abcd"])


def test_another_version_is_refused_and_named():
    header = wire.encode(wire.Ping())
    with pytest.raises(ProtocolError, match="version 63"):
        wire.decoder(wire.FromClient)(header[:3] + b"c" + header[4:])


def test_an_oversized_header_is_refused():
    with pytest.raises(ProtocolError, match="over the limit"):
        wire.decoder(wire.FromClient)(b"RLV\x01" + bytes(wire.MAX_HEADER_BYTES))


def test_a_peer_cannot_send_another_roles_messages():
    with pytest.raises(ProtocolError):
        wire.decoder(wire.FromClient)(wire.encode(wire.Gone("speak-0", "mischief")))


def test_missing_and_surplus_payload_frames_are_refused():
    submit = wire.Submit("r", META)
    for frames in ([], [b"", b""]):
        with pytest.raises(ProtocolError, match="payload frames"):
            wire.check_payloads(submit, frames)


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.linspace(-1, 1, 7, dtype=np.float32)])
def test_audio_survives_the_wire(samples):
    meta, frame = pack(Audio(samples, 16000, 1.0, 2.0, (Note("unspoken", "GPS"),)))
    back = unpack(meta, bytes(frame))
    assert isinstance(back, Audio)
    assert np.array_equal(back.samples, samples)
    assert (back.sample_rate, back.start_s, back.end_s) == (16000, 1.0, 2.0)
    assert back.notes == (Note("unspoken", "GPS"),)


def test_text_survives_the_wire():
    text = Text("今天天气很好。", "zh", 0.0, 1.0)
    meta, frame = pack(text)
    assert unpack(meta, frame) == text
    assert meta.cost == 7


def test_a_payload_that_is_not_what_its_header_says_is_refused():
    with pytest.raises(ProtocolError):
        unpack(wire.Meta("audio", 1.0, sample_rate=16000), b"abc")
    with pytest.raises(ProtocolError):
        unpack(wire.Meta("text", 1.0), b"\xff\xfe")
