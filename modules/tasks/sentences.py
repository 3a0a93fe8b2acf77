"""Text cut into pieces that a translator takes one at a time."""

from __future__ import annotations

import textwrap


def split_sentences(text: str, language: str, longest: int) -> list[str]:
    """Cuts text at the ends of its sentences, and a sentence of more than ``longest`` characters between words.

    Sentences are found by sentencex (https://github.com/wikimedia/sentencex), which knows abbreviations. White space
    is collapsed; pieces without a letter or digit are left out; nothing else is lost.

    Args:
        text: any text.
        language: its language, ISO 639-1.
        longest: most characters of a piece.
    """
    from sentencex import segment  # type: ignore[import-untyped]

    return [
        piece
        for sentence in segment(language, " ".join(text.split()))
        for piece in textwrap.wrap(sentence, longest, break_on_hyphens=False)
        if any(map(str.isalnum, piece))
    ]
