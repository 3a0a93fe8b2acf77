"""Converts Chinese text to the phonemes that Kokoro's Chinese voices were trained on."""

from __future__ import annotations

import re
from collections.abc import Set

from modules.chinese.normalization import HAN

# misaki writes the glide of a diphthong with this mark, which Kokoro does not know.
_NON_SYLLABIC = "\u032f"
# English names of the letters, as Chinese speakers use them, in Kokoro's own IPA.
_LETTERS = {
    "A": "ˈA", "B": "bˈi", "C": "sˈi", "D": "dˈi", "E": "ˈi", "F": "ˈɛf", "G": "ʤˈi", "H": "ˈAʧ", "I": "ˈI",
    "J": "ʤˈA", "K": "kˈA", "L": "ˈɛl", "M": "ˈɛm", "N": "ˈɛn", "O": "ˈO", "P": "pˈi", "Q": "kjˈu", "R": "ˈɑɹ",
    "S": "ˈɛs", "T": "tˈi", "U": "jˈu", "V": "vˈi", "W": "dˈʌbᵊljˌu", "X": "ˈɛks", "Y": "wˈI", "Z": "zˈi",
}  # fmt: skip


class ChinesePhonemes:
    """Converts text to phonemes.

    jieba finds the words, pypinyin their readings, and misaki (https://github.com/hexgrad/misaki) writes those as IPA
    with tone arrows.
    """

    def __init__(self) -> None:
        import jieba  # type: ignore[import-untyped]
        from misaki.zh import ZHG2P  # type: ignore[import-untyped]

        self._marks = ZHG2P.map_punctuation
        self._word_phonemes = ZHG2P.word2ipa
        # Tokenizer.initialize would cache the dictionary in the shared temporary folder and trust any file there. To
        # read that cache takes longer than to build the dictionary.
        self._words = jieba.Tokenizer()
        self._words.FREQ, self._words.total = self._words.gen_pfdict(self._words.get_dict_file())
        self._words.initialized = True

    def __call__(self, text: str, alphabet: Set[str]) -> tuple[str, str]:
        """Converts a text.

        Args:
            text: Han characters, capitals to be spelled and Chinese marks, as ``make_speakable`` writes them.
            alphabet: the phonemes and marks that the voice knows.

        Returns:
            (phonemes, which are all in ``alphabet``; the characters that have none and were left out)
        """
        phonemes: list[str] = []
        unspoken: list[str] = []
        for run in re.findall(rf"[{HAN}]+|[^{HAN}]", self._marks(text)):
            if re.match(rf"[{HAN}]", run):
                words = (self._read(word, alphabet, unspoken) for word in self._words.cut(run))
                phonemes.append(" ".join(filter(None, words)))
            elif run in _LETTERS and alphabet >= set(_LETTERS[run]):
                phonemes.append(f" {_LETTERS[run]} ")
            else:
                (phonemes if run in alphabet else unspoken).append(run)
        return re.sub(" +", " ", "".join(phonemes)).strip(), "".join(unspoken)

    def _read(self, word: str, alphabet: Set[str], unspoken: list[str]) -> str:
        """Returns the phonemes of a word, or of its characters if the word as a whole has none."""
        try:
            read: str = self._word_phonemes(word).replace(_NON_SYLLABIC, "")
        except ValueError:  # misaki knows no reading of a character
            read = ""
        if read and alphabet >= set(read):
            return read
        if len(word) == 1:
            unspoken.append(word)
            return ""
        return "".join(self._read(char, alphabet, unspoken) for char in word)
