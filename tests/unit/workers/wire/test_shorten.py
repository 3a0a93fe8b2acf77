from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.wire.shorten import REASON_CHARS, shorten


def test_a_long_text_ends_with_a_note_of_what_was_left_out():
    assert shorten("x" * 2_000_000) == "x" * (REASON_CHARS - 31) + "… (1998031 characters left out)"


@given(st.text(max_size=300), st.integers(50, 200))
def test_a_shortened_text_fits_and_names_the_characters_that_are_missing(text, limit):
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert shorten(shown, limit) == shown
    if len(text) <= limit:
        assert shown == text
    else:
        kept, _, note = shown.rpartition("… (")
        assert text.startswith(kept)
        assert note == f"{len(text) - len(kept)} characters left out)"
