"""Sentence-wise translation from English to Chinese around any model: cutting, checking the answer, the time line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Literal

from errors import InputError
from modules.payloads import Note, Payload, Text
from modules.sentences import pieces

_SOURCE = "en"
_TARGET = "zh"
_LONGEST_SENTENCE = 240
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+")

Latin = Literal["keep", "names", "never"]
"""Latin words in Chinese text: leave them, only those that are names in the English text, or forbid them."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A model's answer; ``finished`` is False when it stopped at a limit of length."""

    text: str
    finished: bool


Generate = Callable[[list[str], bool], list[Translation]]
"""(English sentences, whether Latin letters are forbidden) → their translations, in order."""


def translate(batch: Sequence[Payload], generate: Generate, latin: Latin) -> Iterator[tuple[int, Payload | InputError]]:
    """Yields (position in the batch, Chinese Text) for every sentence of every text, in the order of each text.

    The first sentences of all texts are translated together, then the second ones, and so on: the first can be spoken
    while the next is made. A sentence's place on the time line is its share of the text's characters.

    An InputError stands for a payload that is not English text. A Text is noted ``truncated`` when its translation
    stopped at the limit of length, and ``second_pass`` when it was made twice because the first was not Chinese.
    """
    texts: list[list[Text]] = []
    for position, text in enumerate(batch):
        if isinstance(text, Text) and text.language.split("-")[0] == _SOURCE:
            texts.append(_sentences(text))
        else:
            found = f"text in {text.language!r}" if isinstance(text, Text) else type(text).__name__
            texts.append([])
            yield position, InputError(f"only English text can be translated here, not {found}; check the stage before")
    for nth in zip_longest(*texts):
        present = {position: sentence for position, sentence in enumerate(nth) if sentence is not None}
        yield from zip(present, _translate(list(present.values()), generate, latin), strict=True)


def fault(english: str, chinese: str, latin: Latin) -> str | None:
    """What ails ``chinese`` as the translation of ``english``, as a predicate; None if nothing does."""
    if not _CHINESE.search(chinese) and any(map(str.isalpha, english)):
        return "has no Chinese character"
    if latin == "keep":
        return None
    names = _names(english)
    strangers = [word for word in _LATIN_WORD.findall(chinese) if latin == "never" or word not in names]
    return f"leaves {', '.join(strangers)} untranslated" if strangers else None


def _sentences(text: Text) -> list[Text]:
    """The sentences of ``text``; the first carries its notes."""
    cut = pieces(text.text, _SOURCE, _LONGEST_SENTENCE)
    total = sum(map(len, cut))
    sentences = []
    before = 0
    for piece in cut:
        start_s, end_s = (
            text.start_s + (text.end_s - text.start_s) * characters / total
            for characters in (before, before + len(piece))
        )
        sentences.append(Text(piece, text.language, start_s, end_s, () if before else text.notes))
        before += len(piece)
    return sentences


def _translate(sentences: list[Text], generate: Generate, latin: Latin) -> Iterator[Text | InputError]:
    english = [sentence.text for sentence in sentences]
    answers = generate(english, latin == "never")
    faults = {i: why for i, answer in enumerate(answers) if (why := fault(english[i], answer.text, latin))}
    second: dict[int, Translation] = {}
    if faults and latin != "never":
        second = dict(zip(faults, generate([english[i] for i in faults], True), strict=True))
    for i, (sentence, answer) in enumerate(zip(sentences, answers, strict=True)):
        notes = list(sentence.notes)
        if i in second and second[i].text and not fault(english[i], second[i].text, latin):
            notes.append(Note("second_pass", f"the first translation, {answer.text!r}, {faults[i]}"))
            answer = second[i]
        elif i in faults:
            notes.append(Note("unspoken", f"the translation {answer.text!r} {faults[i]}"))
        if not answer.finished:
            notes.append(Note("truncated", f"the translation of {english[i]!r} stopped at its limit; raise max_tokens"))
        if answer.text:
            yield replace(sentence, text=answer.text, language=_TARGET, notes=tuple(notes))
        else:
            yield InputError(f"the model has no translation for {english[i]!r}; say it in other words")


def _names(english: str) -> set[str]:
    """Words of a sentence that are written with a capital for another reason than coming first."""
    first, *others = _LATIN_WORD.findall(english) or [""]
    return {word for word in others if word[0].isupper()} | ({first} if len(first) > 1 and first.isupper() else set())
