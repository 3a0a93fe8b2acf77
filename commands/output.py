"""Standard output and error of the commands.

A terminal gets only text that it can show, and no command ends because its output does.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Control characters, separators of lines, marks that reverse the direction of writing, and surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def utf8(name: str) -> str:
    r"""Writes the bytes of a file's name that are not UTF-8 as escapes, such as ``\xff``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Escapes control characters and characters that cannot be encoded."""
    return _UNPRINTABLE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # Python's stand-in for a byte that is not UTF-8 (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say(line: str, *, error: bool = False) -> None:
    """Prints one line, made printable, to standard output or error."""
    print(printable(line), file=sys.stderr if error else sys.stdout, flush=True)


class _Descriptor(io.RawIOBase):
    """Writes to a file descriptor until that fails, and drops everything after that."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_terminal = os.isatty(descriptor)
        self.failure: OSError | None = None

    @property
    def reader_left(self) -> bool:
        """Whether writing failed because a pipe's reader ended or a terminal was closed."""
        hung_up = self._is_terminal and self.failure is not None and self.failure.errno == errno.EIO
        return hung_up or isinstance(self.failure, BrokenPipeError)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        while self.failure is None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # another process has made the descriptor non-blocking
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


class LastingOutput:
    """The standard streams of a command that runs; see `lasting_output`."""

    def __init__(self) -> None:
        self._descriptors: list[_Descriptor] = []

    def wrap(self, stream: TextIO) -> TextIO:
        """Returns the stream that takes the place of a standard stream."""
        try:
            descriptor = _Descriptor(stream.fileno())
        except (AttributeError, io.UnsupportedOperation):  # it is closed, or a test's own
            return stream
        stream.flush()
        self._descriptors.append(descriptor)
        return io.TextIOWrapper(
            io.BufferedWriter(descriptor),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.isatty(),
        )

    def failure(self) -> str:
        """Says why output was lost; empty when none was, or when its reader went away, as readers may."""
        failures = [descriptor.failure for descriptor in self._descriptors if not descriptor.reader_left]
        return next((str(failure.strerror) for failure in failures if failure), "")


@contextlib.contextmanager
def lasting_output() -> Iterator[LastingOutput]:
    """Replaces standard output and error by streams that accept every character and never raise.

    A reader that goes away (``relevo run a.wav | head -1``) or a disk that is full ends the output and not the work,
    whichever thread prints. A character that the stream's encoding does not have is written as an escape.
    """
    output, before = LastingOutput(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = (output.wrap(stream) for stream in before)
    try:
        yield output
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before
