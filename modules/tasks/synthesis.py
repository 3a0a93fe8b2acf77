"""Text to speech around any voice: cutting, pauses, notes, the time line, and what cannot be spoken.

A voice brings two functions. ``SplitText`` splits a text into phrases that the voice can take; ``SynthesisePhrases``
turns phrases into sound. Everything that must be the same for every voice is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from pydantic import Field

from errors import InputError
from modules.contract.module import Options
from modules.contract.payloads import Audio, Note, Payload, Samples, Text
from modules.tasks.sentences import split_sentences


class SentenceOptions(Options):
    """Options of a voice that takes whole sentences."""

    language: str = Field(
        pattern="^[a-z]{2,3}$", description="language of the text, ISO 639; text in another is refused"
    )
    pause_s: float = Field(0.3, ge=0, le=3, description="silence after a sentence")
    max_chars: int = Field(150, ge=20, le=250, description="a longer sentence is cut between words")


@dataclass(frozen=True, slots=True)
class Phrase:
    """What a voice says in one go, and the silence after it in seconds."""

    text: str
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """Sound of one phrase: mono float32 of shape (n,), of any level. None when nothing of it can be spoken."""

    samples: Samples | None
    notes: tuple[Note, ...] = ()


SplitText = Callable[[Text], tuple[Sequence[Phrase], tuple[Note, ...]]]
"""A text → its phrases in order and notes of the cutting. Raises InputError for a text that the voice cannot take."""
SynthesisePhrases = Callable[[Sequence[str]], Iterable[Utterance]]
"""Phrases → their utterances, in order."""


def synthesise(
    batch: Sequence[Payload], cut: SplitText, say: SynthesisePhrases, sample_rate: int, *, together: bool = False
) -> Iterator[tuple[int, Payload | InputError]]:
    """Yields (position in the batch, Audio) for every phrase of every text, in the order of each text.

    Each Audio ends with the pause that belongs to it, so that phrases can be played one after the other as they are;
    ``start_s`` and ``end_s`` are the text's own. Samples beyond [-1, 1] are scaled down. Notes of the text and of its
    cutting come with its first Audio, those of a phrase without sound with the next one.

    Nothing is yielded for a text without phrases: an empty one, or one of marks alone. An InputError stands for a
    payload that is not text, one that ``cut`` refuses, and one of which nothing can be spoken.

    Args:
        batch: the payloads.
        cut: takes a text apart.
        say: speaks phrases.
        sample_rate: of what ``say`` yields, in Hz.
        together: say the first phrases of all texts in one call, then the second ones, and so on; otherwise every
            phrase is a call of its own, text by text.
    """
    told: list[_TextInProgress] = []
    for position, text in enumerate(batch):
        try:
            if not isinstance(text, Text):
                raise InputError(f"a voice speaks text, not {type(text).__name__}; check the stage before")
            phrases, notes = cut(text)
        except InputError as error:
            yield position, error
            continue
        told.append(_TextInProgress(position, text, phrases, text.notes + notes))
        if mute := told[-1].mute():
            yield position, mute
    for group in _groups(told, together):
        utterances = say([phrase.text for _, phrase in group])
        for (text_told, phrase), utterance in zip(group, utterances, strict=True):
            result = text_told.audio(phrase, utterance, sample_rate) or text_told.mute()
            if result is not None:
                yield text_told.position, result


def sentence_phrases(text: Text, options: SentenceOptions) -> tuple[list[Phrase], tuple[Note, ...]]:
    """A SplitText into sentences, each with a pause after it; see ``modules.tasks.sentences.split_sentences``.

    Raises:
        InputError: the text is in another language.
    """
    check_language(text, {options.language})
    return [
        Phrase(piece, options.pause_s) for piece in split_sentences(text.text, options.language, options.max_chars)
    ], ()


def check_language(text: Text, spoken: set[str]) -> None:
    """Refuses a text that is not in one of the languages ``spoken``, ISO 639.

    Raises:
        InputError: it is not.
    """
    if text.language.partition("-")[0].lower() not in spoken:
        raise InputError(
            f"this voice speaks {' or '.join(sorted(spoken))}, not {text.language!r}; translate the text first"
        )


@dataclass(slots=True)
class _TextInProgress:
    """A text on its way to becoming sound."""

    position: int
    text: Text
    phrases: Sequence[Phrase]
    notes: tuple[Note, ...]  # those that wait for the next Audio
    said: int = 0
    spoken: bool = False

    def audio(self, phrase: Phrase, utterance: Utterance, sample_rate: int) -> Audio | None:
        self.said += 1
        self.notes += utterance.notes
        if utterance.samples is None:
            return None
        loud = utterance.samples / max(1.0, float(np.abs(utterance.samples).max(initial=0.0)))
        pause = np.zeros(round(phrase.pause_s * sample_rate), np.float32)
        samples = np.concatenate([loud, pause]).astype(np.float32, copy=False)
        notes, self.notes, self.spoken = self.notes, (), True
        return Audio(samples, sample_rate, self.text.start_s, self.text.end_s, notes)

    def mute(self) -> InputError | None:
        """The error of a text that is at its end, has brought no sound, and should have."""
        if self.spoken or self.said < len(self.phrases) or all(note.kind != "unspoken" for note in self.notes):
            return None
        return InputError(f"nothing in {self.text.text!r} can be spoken; check the stage that wrote it")


def _groups(told: list[_TextInProgress], together: bool) -> Iterator[list[tuple[_TextInProgress, Phrase]]]:
    if not together:
        yield from ([(each, phrase)] for each in told for phrase in each.phrases)
        return
    for nth in zip_longest(*(each.phrases for each in told)):
        yield [(each, phrase) for each, phrase in zip(told, nth, strict=True) if phrase is not None]
