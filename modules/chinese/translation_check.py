"""Whether a translation from English is Chinese that a voice can speak, and a second try where it is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from modules.chinese.latin_words import LATIN_WORD
from modules.contract.payloads import Note
from modules.tasks.translation import TranslateSentences, Translation

_CHINESE = re.compile(r"[\u3400-\u9fff]")

LatinWords = Literal["keep", "names", "never"]
"""Latin words in Chinese text: leave them, only those that are names in the English text, or forbid them."""

NO_WORDS: frozenset[str] = frozenset()

TranslateAllowing = Callable[[list[str], frozenset[str] | None], list[Translation]]
"""(English sentences, the words that may be written in Latin letters; None: any) → their translations, in order."""


def with_second_pass(ask: TranslateAllowing, latin: LatinWords) -> TranslateSentences:
    """A ``TranslateSentences`` that allows few Latin words, and asks once more for what is not Chinese.

    To forbid a word before it is written costs less than to translate the sentence again. A name is made of pieces
    that other words have too, and sentences of one batch are allowed each other's names: so the answer is looked at.

    A Translation is noted ``second_pass`` when it was made twice because the first was not Chinese, and ``unspoken``
    when the second was not either.

    Args:
        ask: the model.
        latin: which Latin words are Chinese enough.
    """

    def twice(english: list[str]) -> list[Translation]:
        allowed = _allowed(english, latin)
        answers = ask(english, allowed)
        faults = {
            i: why for i, answer in enumerate(answers) if (why := translation_fault(english[i], answer.text, latin))
        }
        second: dict[int, Translation] = {}
        if faults and allowed != NO_WORDS:
            second = dict(zip(faults, ask([english[i] for i in faults], NO_WORDS), strict=True))
        for i, why in faults.items():
            again = second.get(i)
            if again and again.text and not translation_fault(english[i], again.text, latin):
                note = Note("second_pass", f"the first translation, {answers[i].text!r}, {why}")
                answers[i] = replace(again, notes=(note,))
            else:
                note = Note("unspoken", f"the translation {answers[i].text!r} {why}")
                answers[i] = replace(answers[i], notes=(note,))
        return answers

    return twice


def translation_fault(english: str, chinese: str, latin: LatinWords) -> str | None:
    """What ails ``chinese`` as the translation of ``english``, as a predicate; None if nothing does."""
    if not _CHINESE.search(chinese) and any(map(str.isalpha, english)):
        return "has no Chinese character"
    if latin == "keep":
        return None
    names = _names(english)
    strangers = [word for word in LATIN_WORD.findall(chinese) if latin == "never" or word not in names]
    return f"leaves {', '.join(strangers)} untranslated" if strangers else None


def _allowed(english: list[str], latin: LatinWords) -> frozenset[str] | None:
    if latin == "keep":
        return None
    return NO_WORDS if latin == "never" else NO_WORDS.union(*map(_names, english))


def _names(english: str) -> set[str]:
    """Words of a sentence that are written with a capital for another reason than coming first."""
    first, *others = LATIN_WORD.findall(english) or [""]
    return {word for word in others if word[0].isupper()} | ({first} if len(first) > 1 and first.isupper() else set())
