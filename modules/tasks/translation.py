"""Sentence-wise translation around any model: cutting, the time line, and what could not be translated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from errors import InputError
from modules.contract.payloads import Note, Payload, Text
from modules.tasks.sentences import split_sentences

_LONGEST_SENTENCE = 240


@dataclass(frozen=True, slots=True)
class Translation:
    """A model's answer; ``finished`` is False when it stopped at a limit of length."""

    text: str
    finished: bool
    notes: tuple[Note, ...] = ()


TranslateSentences = Callable[[list[str]], list[Translation]]
"""Sentences → their translations, in order."""


def translate(
    batch: Sequence[Payload],
    generate: TranslateSentences,
    source: str = "en",
    target: str = "zh",
    limit_option: str = "max_tokens",
) -> Iterator[tuple[int, Payload | InputError]]:
    """Yields (position in the batch, Text in ``target``) for every sentence of every text, in the order of each text.

    The first sentences of all texts are translated together, then the second ones, and so on: the first can be spoken
    while the next is made. A sentence's place on the time line is its share of the text's characters. A text without
    a letter or digit yields nothing and asks the model nothing.

    An InputError stands for a payload that is not text in ``source``, and for a sentence without a translation. A Text
    is noted ``truncated`` when its translation stopped at the limit of length.

    Args:
        batch: the payloads.
        generate: the model.
        source: language to translate from, BCP-47 without a region.
        target: language of the translation.
        limit_option: the option that bounds a translation's length, for the note.
    """
    texts: list[list[Text]] = []
    for position, text in enumerate(batch):
        if isinstance(text, Text) and text.language.split("-")[0] == source:
            texts.append(_sentences(text, source))
        else:
            found = f"text in {text.language!r}" if isinstance(text, Text) else type(text).__name__
            texts.append([])
            yield position, InputError(f"this stage translates text in {source!r}, not {found}; check the stage before")
    for nth in zip_longest(*texts):
        present = {position: sentence for position, sentence in enumerate(nth) if sentence is not None}
        answers = generate([sentence.text for sentence in present.values()])
        for (position, sentence), answer in zip(present.items(), answers, strict=True):
            if not answer.text:
                yield position, InputError(f"the model has no translation for {sentence.text!r}; say it in other words")
                continue
            notes = sentence.notes + answer.notes
            if not answer.finished:
                stopped = f"the translation of {sentence.text!r} stopped at its limit; raise {limit_option}"
                notes += (Note("truncated", stopped),)
            yield position, replace(sentence, text=answer.text, language=target, notes=notes)


def _sentences(text: Text, language: str) -> list[Text]:
    """The sentences of ``text``; the first carries its notes."""
    cut = split_sentences(text.text, language, _LONGEST_SENTENCE)
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
