"""Translation with any model, sentence by sentence: splitting, the time line, and what could not be translated.

A model supplies one function, ``TranslateSentences``. Everything that every translator shares is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from errors import InputError
from modules.contract.payloads import Note, Payload, Text
from modules.tasks.sentences import split_sentences

_MAX_SENTENCE_CHARS = 240


@dataclass(frozen=True, slots=True)
class Translation:
    """A model's translation of a sentence; ``finished`` is False if it stopped at a limit of length."""

    text: str
    finished: bool
    notes: tuple[Note, ...] = ()


TranslateSentences = Callable[[list[str]], list[Translation]]
"""Translates sentences; returns their translations in order."""


def translate(
    batch: Sequence[Payload],
    translate_sentences: TranslateSentences,
    source: str = "en",
    target: str = "zh",
    limit_option: str = "max_tokens",
) -> Iterator[tuple[int, Payload | InputError]]:
    """Translates a batch of texts, sentence by sentence.

    The first sentences of all texts are translated in one call, then the second ones, and so on: the first can be
    spoken while the next is translated. A sentence's place on the time line is its share of the text's characters.

    Args:
        batch: the texts.
        translate_sentences: the model. It is not called for a text without a letter or digit, which yields nothing.
        source: language to translate from, as a BCP-47 tag without a region.
        target: language of the translation.
        limit_option: the option that limits a translation's length, for the note ``truncated``.

    Yields:
        (position in the batch, Text in ``target``) for every sentence, in the order of each text. A Text is noted
        ``truncated`` if its translation stopped at the limit of length. An InputError takes the place of a payload
        that is not text in ``source``, and of a sentence that the model has no translation for.
    """
    texts: list[list[Text]] = []
    for position, text in enumerate(batch):
        if isinstance(text, Text) and text.language.split("-")[0] == source:
            texts.append(_sentences(text, source))
        else:
            found = f"text in {text.language!r}" if isinstance(text, Text) else type(text).__name__
            texts.append([])
            yield position, InputError(f"this stage translates text in {source!r}, not {found}; check the stage before")
    for row in zip_longest(*texts):
        present = {position: sentence for position, sentence in enumerate(row) if sentence is not None}
        translations = translate_sentences([sentence.text for sentence in present.values()])
        for (position, sentence), translation in zip(present.items(), translations, strict=True):
            if not translation.text:
                yield position, InputError(f"the model has no translation for {sentence.text!r}; say it in other words")
                continue
            notes = sentence.notes + translation.notes
            if not translation.finished:
                stopped = f"the translation of {sentence.text!r} stopped at its limit; raise {limit_option}"
                notes += (Note("truncated", stopped),)
            yield position, replace(sentence, text=translation.text, language=target, notes=notes)


def _sentences(text: Text, language: str) -> list[Text]:
    """Splits a text into sentences; the first carries its notes."""
    parts = split_sentences(text.text, language, _MAX_SENTENCE_CHARS)
    total = sum(map(len, parts))
    sentences = []
    before = 0
    for part in parts:
        start_s, end_s = (
            text.start_s + (text.end_s - text.start_s) * characters / total
            for characters in (before, before + len(part))
        )
        sentences.append(Text(part, text.language, start_s, end_s, () if before else text.notes))
        before += len(part)
    return sentences
