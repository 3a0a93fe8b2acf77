"""A module's wrong output fails the jobs of its batch, and names what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from errors import InputError
from modules.contract.module import Module
from modules.contract.notes import Note
from modules.contract.payloads import Audio, Text
from workers.replica.batch import Batch
from workers.wire import messages
from workers.wire.payload_frames import MAX_NOTES, pack
from workers.wire.shorten import REASON_CHARS

META, FRAME = pack(Text("hola", "es"))
INFINITE = Audio(np.full(10, np.inf, np.float32), 16000)


class YieldsOne(Module):
    """Yields what it is told to."""

    accepts = Text
    yields = Text

    def __init__(self, position, output, kind=Text):
        self.position, self.output, self.yields = position, output, kind

    def warm_up(self):
        pass

    def process(self, batch):
        yield self.position, self.output


def run(module):
    sent = []
    batch = messages.BatchLease((messages.JobLease(1, 1, META, None),))
    end = Batch("r", batch, [FRAME], lambda output, frame: sent.append(output), list).run(module)
    return end.jobs[0].error, sent


@pytest.mark.parametrize(
    ("position", "output", "kind", "error"),
    [
        (-1, Text("a", "en"), Text, "position -1 in a batch of 1"),
        (1, Text("a", "en"), Text, "position 1 in a batch of 1"),
        (True, Text("a", "en"), Text, "position True"),
        ("0", Text("a", "en"), Text, "position '0'"),
        (0, "a", Text, "yields str where it declares Text"),
        (0, Text("a", "en"), Audio, "yields Text where it declares Audio"),
        (0, None, Text, "yields NoneType"),
        (0, INFINITE, Audio, "samples that are not finite"),
        (0, Audio(np.full(10, np.nan, np.float32), 16000), Audio, "samples that are not finite"),
        (0, Audio(np.zeros(10, np.float32), 1), Audio, "sample rate of 1 Hz"),
        (0, Text("a", "en", start_s=float("nan")), Text, "from nan s"),
    ],
)
def test_a_wrong_output_fails_its_job_and_is_not_sent(position, output, kind, error):
    said, sent = run(YieldsOne(position, output, kind))
    assert error in said
    assert sent == []


def test_a_right_output_is_sent():
    said, sent = run(YieldsOne(0, Text("a", "en")))
    assert said == ""
    assert len(sent) == 1


def test_a_long_error_is_shortened_with_a_note():
    said, _ = run(YieldsOne(0, InputError("x" * 2_000_000)))
    assert len(said) == REASON_CHARS
    assert said.endswith("characters left out)")


def test_notes_beyond_what_a_header_holds_are_counted():
    notes = tuple(Note("unspoken", "y" * 10_000) for _ in range(10_000))
    meta, _ = pack(Text("a", "en", notes=notes))
    assert len(meta.notes) == MAX_NOTES
    assert meta.notes[-1].detail == "9801 further notes are left out"
    assert all(len(note.detail) <= 500 for note in meta.notes)
