"""Payloads as frames: a typed description for the header, and the bytes that follow it."""

from __future__ import annotations

import numpy as np

from errors import ProtocolError
from modules.audio.waveform import leading_silence_s
from modules.contract.payloads import Audio, Payload, Text
from workers.wire.messages import Buffer, Meta


def pack(payload: Payload) -> tuple[Meta, Buffer]:
    """Returns a payload's description and its bytes: UTF-8 for text, little-endian float32 for audio (not copied)."""
    if isinstance(payload, Text):
        meta = Meta(
            "text", payload.cost, payload.start_s, payload.end_s, language=payload.language, notes=payload.notes
        )
        return meta, payload.text.encode()
    meta = Meta(
        "audio",
        payload.cost,
        payload.start_s,
        payload.end_s,
        sample_rate=payload.sample_rate,
        notes=payload.notes,
        silence_s=leading_silence_s(payload),
    )
    return meta, np.ascontiguousarray(payload.samples, dtype="<f4").view(np.uint8).data


def unpack(meta: Meta, frame: Buffer) -> Payload:
    """Returns the payload that `pack` described; the samples of an audio are a read-only view of the frame.

    Raises:
        ProtocolError: the bytes do not fit the description.
    """
    try:
        if meta.kind == "text":
            return Text(str(memoryview(frame), "utf-8"), meta.language, meta.start_s, meta.end_s, meta.notes)
        samples = np.frombuffer(frame, dtype="<f4")
        return Audio(samples, meta.sample_rate, meta.start_s, meta.end_s, meta.notes)
    except ValueError as error:
        raise ProtocolError(f"a payload frame of {len(frame)} bytes is not valid {meta.kind}: {error}") from error
