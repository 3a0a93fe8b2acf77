"""Speech synthesis with any voice: splitting, pauses, notes, the time line, and what cannot be spoken.

A voice supplies two functions. ``SplitText`` splits a text into phrases that the voice can take, ``SynthesisePhrases``
turns phrases into sound. Everything that every voice shares is here.
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
    pause_s: float = Field(0.3, ge=0, le=3, description="silence after a sentence, in seconds")
    max_chars: int = Field(
        150, ge=20, le=250, description="longest sentence, in characters; longer are cut between words"
    )


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text that a voice speaks in one go, and the silence after it in seconds."""

    text: str
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """The sound of one phrase: mono float32 of shape (n,), of any level; None if nothing of it can be spoken."""

    samples: Samples | None
    notes: tuple[Note, ...] = ()


SplitText = Callable[[Text], tuple[Sequence[Phrase], tuple[Note, ...]]]
"""Splits a text; returns its phrases in order, and notes. Raises InputError for a text that the voice cannot take."""
SynthesisePhrases = Callable[[Sequence[str]], Iterable[Utterance]]
"""Synthesises phrases; returns their utterances in order."""


def synthesise(
    batch: Sequence[Payload],
    split_text: SplitText,
    synthesise_phrases: SynthesisePhrases,
    sample_rate: int,
    *,
    together: bool = False,
) -> Iterator[tuple[int, Payload | InputError]]:
    """Synthesises a batch of texts, phrase by phrase.

    Args:
        batch: the texts.
        split_text: splits a text into phrases.
        synthesise_phrases: the voice.
        sample_rate: of what the voice returns, in Hz.
        together: synthesise the first phrases of all texts in one call, then the second ones, and so on. By default
            every phrase is a call of its own, text by text.

    Yields:
        (position in the batch, Audio at ``sample_rate``) for every phrase, in the order of each text. Each Audio ends
        with the pause after its phrase, so that they can be played one after the other. ``start_s`` and ``end_s`` are
        the text's. Sound beyond [-1, 1] is scaled down. The notes of a text come with its first Audio, those of a
        phrase without sound come with the next one. A text without phrases, such as one of marks alone, yields
        nothing. An InputError takes the place of a payload that is not text, of a text that ``split_text`` refuses,
        and of one in which nothing can be spoken.
    """
    texts: list[_TextInProgress] = []
    for position, text in enumerate(batch):
        try:
            if not isinstance(text, Text):
                raise InputError(f"synthesis takes text, not {type(text).__name__}; check the stage before")
            phrases, notes = split_text(text)
        except InputError as error:
            yield position, error
            continue
        texts.append(_TextInProgress(position, text, phrases, text.notes + notes))
        if error_at_end := texts[-1].unspeakable():
            yield position, error_at_end
    for group in _groups(texts, together):
        utterances = synthesise_phrases([phrase.text for _, phrase in group])
        for (in_progress, phrase), utterance in zip(group, utterances, strict=True):
            result = in_progress.audio(phrase, utterance, sample_rate) or in_progress.unspeakable()
            if result is not None:
                yield in_progress.position, result


def sentence_phrases(text: Text, options: SentenceOptions) -> tuple[list[Phrase], tuple[Note, ...]]:
    """Splits a text into sentences with pauses; a SplitText. See ``modules.tasks.sentences.split_sentences``.

    Raises:
        InputError: the text is in another language.
    """
    check_language(text, {options.language})
    sentences = split_sentences(text.text, options.language, options.max_chars)
    return [Phrase(sentence, options.pause_s) for sentence in sentences], ()


def check_language(text: Text, spoken: set[str]) -> None:
    """Refuses a text that is in none of the languages ``spoken``, ISO 639.

    Raises:
        InputError: the text is in another language.
    """
    if text.language.partition("-")[0].lower() not in spoken:
        raise InputError(
            f"this voice speaks {' or '.join(sorted(spoken))}, not {text.language!r}; translate the text first"
        )


@dataclass(slots=True)
class _TextInProgress:
    """A text of which some phrases have been synthesised."""

    position: int
    text: Text
    phrases: Sequence[Phrase]
    notes: tuple[Note, ...]  # those that wait for the next Audio
    phrases_done: int = 0
    has_sound: bool = False

    def audio(self, phrase: Phrase, utterance: Utterance, sample_rate: int) -> Audio | None:
        """Makes the next Audio of the text; None if the utterance has no sound."""
        self.phrases_done += 1
        self.notes += utterance.notes
        if utterance.samples is None:
            return None
        scaled = utterance.samples / max(1.0, float(np.abs(utterance.samples).max(initial=0.0)))
        pause = np.zeros(round(phrase.pause_s * sample_rate), np.float32)
        samples = np.concatenate([scaled, pause]).astype(np.float32, copy=False)
        notes, self.notes, self.has_sound = self.notes, (), True
        return Audio(samples, sample_rate, self.text.start_s, self.text.end_s, notes)

    def unspeakable(self) -> InputError | None:
        """Makes the error of a text whose phrases are all done, and in which nothing could be spoken."""
        if (
            self.has_sound
            or self.phrases_done < len(self.phrases)
            or all(note.kind != "unspoken" for note in self.notes)
        ):
            return None
        return InputError(f"nothing in {self.text.text!r} can be spoken; check the stage that wrote it")


def _groups(texts: list[_TextInProgress], together: bool) -> Iterator[list[tuple[_TextInProgress, Phrase]]]:
    """Yields the phrases that are synthesised in one call."""
    if not together:
        yield from ([(each, phrase)] for each in texts for phrase in each.phrases)
        return
    for row in zip_longest(*(each.phrases for each in texts)):
        yield [(each, phrase) for each, phrase in zip(texts, row, strict=True) if phrase is not None]
