"""Splits text into sentences, for models that take one at a time."""

from __future__ import annotations

import textwrap


def split_sentences(text: str, language: str, max_chars: int) -> list[str]:
    """Splits text at the ends of its sentences, and longer sentences between words.

    Sentences are found by sentencex (https://github.com/wikimedia/sentencex), which knows abbreviations. White space
    is collapsed, and parts without a letter or digit are left out. Nothing else is lost.

    Args:
        text: any text.
        language: its language, ISO 639-1.
        max_chars: most characters of a part.
    """
    from sentencex import segment  # type: ignore[import-untyped]

    return [
        part
        for sentence in segment(language, " ".join(text.split()))
        for part in textwrap.wrap(sentence, max_chars, break_on_hyphens=False)
        if any(map(str.isalnum, part))
    ]
