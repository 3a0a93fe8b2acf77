"""Splits Chinese text into phrases, and the options for that, which every Chinese voice shares."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from modules.chinese.normalization import PHRASE_ENDS, SENTENCE_ENDS, SPOKEN, make_speakable
from modules.contract.module import Options
from modules.contract.payloads import Note, Text
from modules.tasks.synthesis import Phrase, check_language

_CHINESE = {"zh", "cmn"}
# A Chinese syllable has at most 7 phonemes and a space, so 60 of them stay within the 510 that Kokoro can take. The
# attention of Tacotron 2 loses its place in longer phrases.
_MAX_PHRASE_CHARS = 60


class ChineseOptions(Options):
    """Options of a Chinese voice."""

    pause_s: float = Field(
        0.4, ge=0, le=3, description="silence after a sentence, in seconds; half of it after other marks"
    )
    min_phrase_chars: int = Field(6, ge=1, le=40, description="shortest phrase, in characters; shorter ones are joined")
    max_phrase_chars: int = Field(
        50, ge=10, le=_MAX_PHRASE_CHARS, description="longest phrase, in characters; longer are cut"
    )

    @model_validator(mode="after")
    def _phrase_lengths_fit(self) -> ChineseOptions:
        if self.min_phrase_chars > self.max_phrase_chars:
            raise ValueError(f"min_phrase_chars exceeds max_phrase_chars, which is {self.max_phrase_chars}")
        return self


def chinese_phrases(text: Text, options: ChineseOptions) -> tuple[list[Phrase], tuple[Note, ...]]:
    """Splits a text into phrases of Han characters, capitals to be spelled and Chinese marks; a SplitText.

    ``modules.chinese.normalization.make_speakable`` rewrites the text and notes it; ``split_phrases`` splits it.

    Raises:
        InputError: the text is in another language.
    """
    check_language(text, _CHINESE)
    speakable = make_speakable(text.text)
    phrases = split_phrases(speakable.text, options.min_phrase_chars, options.max_phrase_chars)
    pauses = [options.pause_s * (1.0 if ends_sentence(each) else 0.5 if ends_phrase(each) else 0.0) for each in phrases]
    if pauses:
        pauses[-1] = options.pause_s
    return list(map(Phrase, phrases, pauses)), speakable.notes


def split_phrases(text: str, min_chars: int, max_chars: int) -> list[str]:
    """Splits speakable text after its marks, so that the first phrase can be heard while the next is computed.

    A phrase of fewer than ``min_chars`` spoken characters is joined to the next one, and the last to the one before,
    if the result fits. A phrase of more than ``max_chars`` characters, marks included, is cut into equal parts. The
    phrases, joined, are ``text``.

    Raises:
        ValueError: ``max_chars`` is not positive.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars is {max_chars}; a phrase needs at least 1 character")
    phrases: list[str] = []
    for piece in re.findall(rf"[^{PHRASE_ENDS}]*[{PHRASE_ENDS}]*[”）]*", text):
        if phrases and _is_short(phrases[-1], min_chars) and len(phrases[-1] + piece) <= max_chars:
            phrases[-1] += piece
        elif piece:
            phrases.extend(_equal_parts(piece, max_chars))
    if len(phrases) > 1 and _is_short(phrases[-1], min_chars) and len(phrases[-2] + phrases[-1]) <= max_chars:
        phrases[-2:] = [phrases[-2] + phrases[-1]]
    return phrases


def ends_sentence(phrase: str) -> bool:
    """Tells whether a phrase ends with a mark that ends a sentence."""
    return phrase.rstrip("”）").endswith(tuple(SENTENCE_ENDS))


def ends_phrase(phrase: str) -> bool:
    """Tells whether a phrase ends with any mark that is heard as a pause."""
    return phrase.rstrip("”）").endswith(tuple(PHRASE_ENDS))


def _is_short(phrase: str, min_chars: int) -> bool:
    return len(re.findall(rf"[{SPOKEN}]", phrase)) < min_chars


def _equal_parts(piece: str, max_chars: int) -> list[str]:
    parts = -(-len(piece) // max_chars)
    size = -(-len(piece) // parts)
    return [piece[i : i + size] for i in range(0, len(piece), size)]
