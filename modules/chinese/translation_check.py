"""Checks that a translation from English is Chinese that a voice can speak, and translates again if it is not."""

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
"""Latin words in Chinese text: keep all of them, keep those that are names in the English text, or forbid them."""

NO_WORDS: frozenset[str] = frozenset()

TranslateAllowing = Callable[[list[str], frozenset[str] | None], list[Translation]]
"""Translates English sentences; returns the translations in order.

The second argument holds the words that may be written in Latin letters; None allows all.
"""


def with_second_pass(translate_allowing: TranslateAllowing, latin: LatinWords) -> TranslateSentences:
    """Makes a ``TranslateSentences`` that allows few Latin words, and translates again what is not Chinese.

    To forbid a word before it is written costs less than to translate the sentence again. But a name is made of tokens
    that other words have too, and the sentences of a batch are allowed each other's names, so the translations are
    checked as well.

    A Translation is noted ``second_pass`` if the first one was not Chinese, and ``unspoken`` if the second was not
    either.

    Args:
        translate_allowing: the model.
        latin: which Latin words are accepted in Chinese text.
    """

    def translate_sentences(english: list[str]) -> list[Translation]:
        allowed = _allowed(english, latin)
        translations = translate_allowing(english, allowed)
        faults = {
            i: reason
            for i, translation in enumerate(translations)
            if (reason := translation_fault(english[i], translation.text, latin))
        }
        second: dict[int, Translation] = {}
        if faults and allowed != NO_WORDS:
            second = dict(zip(faults, translate_allowing([english[i] for i in faults], NO_WORDS), strict=True))
        for i, reason in faults.items():
            again = second.get(i)
            if again and again.text and not translation_fault(english[i], again.text, latin):
                note = Note("second_pass", f"the first translation, {translations[i].text!r}, {reason}")
                translations[i] = replace(again, notes=(note,))
            else:
                note = Note("unspoken", f"the translation {translations[i].text!r} {reason}")
                translations[i] = replace(translations[i], notes=(note,))
        return translations

    return translate_sentences


def translation_fault(english: str, chinese: str, latin: LatinWords) -> str | None:
    """Describes what is wrong with a translation, such as "has no Chinese character"; None if nothing is."""
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
    """Finds the names in a sentence: words with a capital that is not due to the beginning of the sentence."""
    first, *others = LATIN_WORD.findall(english) or [""]
    return {word for word in others if word[0].isupper()} | ({first} if len(first) > 1 and first.isupper() else set())
