"""Payloads as frames: a typed description for the header, and the bytes that follow it."""

from __future__ import annotations

import numpy as np

from errors import InputError, ProtocolError
from modules.audio.waveform import leading_silence_s
from modules.contract.notes import Note
from modules.contract.payloads import Audio, Payload, Text
from workers.wire.messages import Buffer, Meta
from workers.wire.shorten import shorten

MAX_NOTES = 200  # of one payload: with NOTE_CHARS each they fit into a header
NOTE_CHARS = 500


def pack(payload: Payload) -> tuple[Meta, Buffer]:
    """Returns a payload's description and its bytes: UTF-8 for text, little-endian float32 for audio (not copied).

    Raises:
        InputError: the payload has a note that is none.
    """
    if isinstance(payload, Text):
        meta = Meta(
            "text",
            payload.cost,
            payload.start_s,
            payload.end_s,
            language=payload.language,
            notes=_bounded(payload.notes),
        )
        return meta, payload.text.encode()
    meta = Meta(
        "audio",
        payload.cost,
        payload.start_s,
        payload.end_s,
        sample_rate=payload.sample_rate,
        notes=_bounded(payload.notes),
        silence_s=leading_silence_s(payload),
    )
    return meta, np.ascontiguousarray(payload.samples, dtype="<f4").view(np.uint8).data


def _bounded(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Returns the notes, or as many of them as a header has room for, each shortened, and a note of the others.

    Raises:
        InputError: one of them is no note.
    """
    for note in notes:
        if not isinstance(note, Note):
            raise InputError(f"a payload with the note {note!r} cannot be sent; notes are of the type Note")
    kept = tuple(Note(note.kind, shorten(note.detail, NOTE_CHARS)) for note in notes[:MAX_NOTES])
    if len(notes) > MAX_NOTES:
        kept = (*kept[:-1], Note("truncated", f"{len(notes) - MAX_NOTES + 1} further notes are left out"))
    return kept


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
