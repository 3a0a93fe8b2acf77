"""Whether a translation from English is Chinese that a voice can speak, and a second try where it is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from modules.latin_words import LATIN_WORD
from modules.payloads import Note
from modules.translation import Generate, Translation

_CHINESE = re.compile(r"[\u3400-\u9fff]")

Latin = Literal["keep", "names", "never"]
"""Latin words in Chinese text: leave them, only those that are names in the English text, or forbid them."""


def checked(generate: Callable[[list[str], bool], list[Translation]], latin: Latin) -> Generate:
    """A ``Generate`` that asks once more for what is not Chinese.

    A Translation is noted ``second_pass`` when it was made twice because the first was not Chinese, and ``unspoken``
    when the second was not either.

    Args:
        generate: (English sentences, whether Latin letters are forbidden) → their translations, in order.
        latin: which Latin words are Chinese enough.
    """

    def twice(english: list[str]) -> list[Translation]:
        answers = generate(english, latin == "never")
        faults = {i: why for i, answer in enumerate(answers) if (why := fault(english[i], answer.text, latin))}
        second: dict[int, Translation] = {}
        if faults and latin != "never":
            second = dict(zip(faults, generate([english[i] for i in faults], True), strict=True))
        for i, why in faults.items():
            again = second.get(i)
            if again and again.text and not fault(english[i], again.text, latin):
                note = Note("second_pass", f"the first translation, {answers[i].text!r}, {why}")
                answers[i] = replace(again, notes=(note,))
            else:
                note = Note("unspoken", f"the translation {answers[i].text!r} {why}")
                answers[i] = replace(answers[i], notes=(note,))
        return answers

    return twice


def fault(english: str, chinese: str, latin: Latin) -> str | None:
    """What ails ``chinese`` as the translation of ``english``, as a predicate; None if nothing does."""
    if not _CHINESE.search(chinese) and any(map(str.isalpha, english)):
        return "has no Chinese character"
    if latin == "keep":
        return None
    names = _names(english)
    strangers = [word for word in LATIN_WORD.findall(chinese) if latin == "never" or word not in names]
    return f"leaves {', '.join(strangers)} untranslated" if strangers else None


def _names(english: str) -> set[str]:
    """Words of a sentence that are written with a capital for another reason than coming first."""
    first, *others = LATIN_WORD.findall(english) or [""]
    return {word for word in others if word[0].isupper()} | ({first} if len(first) > 1 and first.isupper() else set())
