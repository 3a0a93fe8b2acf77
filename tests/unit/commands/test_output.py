from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from commands.output import lasting_output, printable, say, utf8


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Buenos días, 你好 👩‍👩‍👧", "Buenos días, 你好 👩‍👩‍👧"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("one\ntwo\tthree\r", r"one\x0atwo\x09three\x0d"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("txt.\u202egpj", r"txt.\u202egpj"),
        ("bad\udcff.wav", r"bad\xff.wav"),
        ("\ud83d alone", r"\ud83d alone"),
    ],
)
def test_nothing_that_a_terminal_would_obey_reaches_it(text, shown):
    assert printable(text) == shown


def test_bytes_of_a_name_that_are_not_utf8_become_escapes_and_the_rest_stays():
    assert utf8(os.fsdecode("día\n".encode() + b"\xff.wav")) == "día\n\\xff.wav"


def pipe_as_output(monkeypatch: pytest.MonkeyPatch) -> int:
    """Makes a pipe the standard output; returns the end that reads."""
    reader, writer = os.pipe()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.FileIO(writer, "w"), encoding="latin-1"))
    return reader


def test_a_character_that_the_encoding_lacks_is_written_as_an_escape(monkeypatch):
    reader = pipe_as_output(monkeypatch)
    with lasting_output():
        say("sí, 你好")
    assert os.read(reader, 100) == "sí, \\u4f60\\u597d\n".encode("latin-1")
    os.close(reader)


def test_a_reader_that_goes_away_ends_the_output_of_every_thread_and_nothing_else(monkeypatch):
    survived = []

    def talk() -> None:
        say("from a thread")
        survived.append(True)

    os.close(pipe_as_output(monkeypatch))
    with lasting_output() as output:
        say("nobody reads this")
        thread = threading.Thread(target=talk)
        thread.start()
        thread.join()
    assert survived
    assert output.failure() == ""


def test_output_that_a_full_disk_loses_is_told(monkeypatch):
    with open("/dev/full", "w") as full:  # noqa: PTH123 (a device)
        monkeypatch.setattr(sys, "stdout", full)
        with lasting_output() as output:
            say("lost")
            say("lost too")
    assert output.failure() == "No space left on device"


def test_a_closed_output_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with lasting_output() as output:
        say("to nobody")
    assert output.failure() == ""
    assert sys.stdout is None
