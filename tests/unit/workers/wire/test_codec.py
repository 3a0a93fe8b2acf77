from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import ProtocolError
from modules.contract.notes import Note
from modules.contract.payloads import Audio, Text
from workers.wire import codec, messages
from workers.wire.payload_frames import pack, unpack

META = messages.Meta("text", 3.0, 0.5, 1.5, "en", notes=(Note("truncated", "at 96 tokens"),))


@pytest.mark.parametrize(
    ("message", "types"),
    [
        (messages.Submit("r", META, 2.5, "batch", True), messages.FromClient),
        (messages.RequestOutput("r", "listen", (0, 1), META), messages.ToClient),
        (
            messages.Outcome("r", "ok", "", 0.0, (messages.Span("listen", (), 1, "x", 0, 0, 1, 1, 1),)),
            messages.ToClient,
        ),
        (messages.BatchEnd("x", 0.5, (messages.JobEnd(1, 1, 2, 0.5),)), messages.FromReplica),
        (messages.BatchLease((messages.JobLease(1, 1, META, None),)), messages.ToReplica),
        (messages.Attach({"listen": 2}), messages.FromSupervisor),
        (messages.ReplicaStatus("x", "listen", "busy", 0.1, 5), messages.ToSupervisor),
    ],
)
def test_a_message_comes_back_as_it_was(message, types):
    assert codec.decoder(types)(codec.encode(message)) == message


ROLES = [
    messages.FromClient,
    messages.ToClient,
    messages.FromReplica,
    messages.ToReplica,
    messages.FromSupervisor,
    messages.ToSupervisor,
]
SAMPLES = [
    messages.Submit("r", META, 2.5, "batch", True),
    messages.Output("x", 1, 1, 0, META),
    messages.BatchEnd("x", 0.5, (messages.JobEnd(1, 1, 2, 0.5),)),
    messages.Heartbeat("x", "listen", "busy", 0.1, 5),
    messages.BatchLease((messages.JobLease(1, 1, META, None),)),
    messages.Outcome("r", "ok", "", 0.0, (messages.Span("listen", (), 1, "x", 0, 0, 1, 1, 1),)),
    messages.ReplicaGone("x", "killed", "its stack"),
]


@given(st.binary(max_size=200), st.sampled_from(ROLES))
def test_garbage_is_a_protocol_error_and_nothing_else(garbage, role):
    for header in (garbage, codec.PREFIX + garbage):
        with contextlib.suppress(ProtocolError):
            codec.decoder(role)(header)


@given(st.sampled_from(SAMPLES), st.sampled_from(ROLES), st.data())
def test_a_message_with_wrong_bytes_is_a_protocol_error_or_a_message_of_that_peer(message, role, data):
    header = bytearray(codec.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        assert isinstance(codec.decoder(role)(bytes(header)), role)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_amount_is_refused_before_it_enters_a_sum(odd):
    meta = messages.Meta("text", odd)
    for message, role in (
        (messages.Submit("r", meta), messages.FromClient),
        (messages.Submit("r", META, deadline_s=odd), messages.FromClient),
        (messages.Output("x", 1, 1, 0, meta), messages.FromReplica),
        (messages.BatchEnd("x", odd, ()), messages.FromReplica),
        (messages.Heartbeat("x", "listen", "busy", odd, 5), messages.FromReplica),
    ):
        with pytest.raises(ProtocolError):
            codec.decoder(role)(codec.encode(message))


def test_a_cost_below_nothing_is_refused():
    with pytest.raises(ProtocolError, match="0"):
        codec.decoder(messages.FromClient)(codec.encode(messages.Submit("r", messages.Meta("audio", -1.0))))


@given(st.integers(0, 60))
def test_a_truncated_header_is_refused(length):
    header = codec.encode(messages.Submit("request", META))
    with pytest.raises(ProtocolError):
        codec.decoder(messages.FromClient)(header[: min(length, len(header) - 1)])


def test_an_oversized_payload_is_refused(monkeypatch):
    monkeypatch.setattr(codec, "MAX_PAYLOAD_BYTES", 3)
    decode, header = codec.decoder(messages.FromClient), codec.encode(messages.Submit("r", META))
    codec.read(decode, [header, b"abc"])
    with pytest.raises(ProtocolError, match="4 bytes is over the limit of 3"):
        codec.read(decode, [header, b"abcd"])


def test_another_version_is_refused_and_named():
    header = codec.encode(messages.GetStatus(1))
    with pytest.raises(ProtocolError, match="version 99"):
        codec.decoder(messages.FromClient)(header[:3] + b"c" + header[4:])


def test_an_oversized_header_is_refused():
    with pytest.raises(ProtocolError, match="over the limit"):
        codec.decoder(messages.FromClient)(codec.PREFIX + bytes(codec.MAX_HEADER_BYTES))


def test_a_peer_cannot_send_another_roles_messages():
    with pytest.raises(ProtocolError):
        codec.decoder(messages.FromClient)(codec.encode(messages.ReplicaGone("speak-0", "mischief")))


@pytest.mark.parametrize("payloads", [[], [b"", b""], [b"", codec.encode(messages.GetStatus(1))]])
def test_missing_and_surplus_payload_frames_are_refused(payloads):
    with pytest.raises(ProtocolError, match="payload frames"):
        codec.read(codec.decoder(messages.FromClient), [codec.encode(messages.Submit("r", META)), *payloads])


def test_messages_that_come_together_are_told_apart():
    event, outcome = messages.RequestOutput("r", "listen", (0,), META), messages.Outcome("r", "ok", "", 0.0, ())
    frames = [codec.encode(event), b"abc", codec.encode(outcome)]
    assert list(codec.read_all(codec.decoder(messages.ToClient), frames)) == [(event, [b"abc"]), (outcome, [])]
    with pytest.raises(ProtocolError, match="not a Relevo message"):
        list(codec.read_all(codec.decoder(messages.ToClient), [*frames, b"abc"]))


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
        unpack(messages.Meta("audio", 1.0, sample_rate=16000), b"abc")
    with pytest.raises(ProtocolError):
        unpack(messages.Meta("text", 1.0), b"\xff\xfe")
