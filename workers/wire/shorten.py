"""Shortens texts that a peer could make long, so that no message on its further way passes its limit."""

from __future__ import annotations

REASON_CHARS = 2000  # of an error, a reason or a cause
NAME_CHARS = 200  # of a name in a message that is refused for it


def shorten(text: str, limit: int = REASON_CHARS) -> str:
    """Returns the text, or as much of its beginning as fits into `limit` characters with a note of what is left out."""
    if len(text) <= limit:
        return text
    kept = limit - len(_note(len(text)))  # a note of fewer characters left out is not longer
    return text[:kept] + _note(len(text) - kept)


def _note(left_out: int) -> str:
    return f"… ({left_out} characters left out)"
