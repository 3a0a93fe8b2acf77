"""What every Chinese voice shares: which text it takes, and how that is cut into phrases."""

from __future__ import annotations

from pydantic import Field, model_validator

from modules.chinese.normalization import ends_phrase, ends_sentence, make_speakable, split_phrases
from modules.contract.module import Options
from modules.contract.payloads import Note, Text
from modules.tasks.synthesis import Phrase, check_language

_CHINESE = {"zh", "cmn"}
# A Chinese syllable is at most 7 phonemes and a space: 60 of them stay within the 510 that Kokoro can take, and are as
# much as the attention of Tacotron 2 keeps its place in.
_MAX_PHRASE_CHARS = 60


class ChineseOptions(Options):
    """Options of a Chinese voice."""

    pause_s: float = Field(0.4, ge=0, le=3, description="silence after a sentence; half of it after other marks")
    min_phrase_chars: int = Field(6, ge=1, le=40, description="shorter phrases are joined to their neighbours")
    max_phrase_chars: int = Field(50, ge=10, le=_MAX_PHRASE_CHARS, description="longer phrases are cut")

    @model_validator(mode="after")
    def _phrase_lengths_fit(self) -> ChineseOptions:
        if self.min_phrase_chars > self.max_phrase_chars:
            raise ValueError(f"min_phrase_chars exceeds max_phrase_chars, which is {self.max_phrase_chars}")
        return self


def cut_chinese(text: Text, options: ChineseOptions) -> tuple[list[Phrase], tuple[Note, ...]]:
    """A ``modules.tasks.synthesis.Cut``: phrases of Han characters, capitals to be spelled and Chinese marks.

    See ``chinese_text.make_speakable`` for what is rewritten and noted, ``chinese_text.split_phrases`` for where it is
    cut.

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
