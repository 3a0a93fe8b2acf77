"""Chinese text as the phonemes that Kokoro's Chinese voices were trained on."""

from __future__ import annotations

import re
from collections.abc import Set

_HAN = "一-鿿"
# misaki writes the glide of a diphthong with this mark below, and drops it before Kokoro.
_NON_SYLLABIC = "\u032f"
# English letter names, as Chinese speakers use them, in Kokoro's own IPA.
_LETTERS = {
    "A": "ˈA", "B": "bˈi", "C": "sˈi", "D": "dˈi", "E": "ˈi", "F": "ˈɛf", "G": "ʤˈi", "H": "ˈAʧ", "I": "ˈI",
    "J": "ʤˈA", "K": "kˈA", "L": "ˈɛl", "M": "ˈɛm", "N": "ˈɛn", "O": "ˈO", "P": "pˈi", "Q": "kjˈu", "R": "ˈɑɹ",
    "S": "ˈɛs", "T": "tˈi", "U": "jˈu", "V": "vˈi", "W": "dˈʌbᵊljˌu", "X": "ˈɛks", "Y": "wˈI", "Z": "zˈi",
}  # fmt: skip


class ChinesePhonemes:
    """Words by jieba, readings by pypinyin, IPA with tone arrows by misaki (https://github.com/hexgrad/misaki)."""

    def __init__(self) -> None:
        import jieba  # type: ignore[import-untyped]
        from misaki.zh import ZHG2P  # type: ignore[import-untyped]

        self._marks = ZHG2P.map_punctuation
        self._word_phonemes = ZHG2P.word2ipa
        # Tokenizer.initialize would cache the dictionary in the shared temporary folder and trust what it finds there;
        # reading that cache back takes longer than building the dictionary.
        self._words = jieba.Tokenizer()
        self._words.FREQ, self._words.total = self._words.gen_pfdict(self._words.get_dict_file())
        self._words.initialized = True

    def __call__(self, text: str, alphabet: Set[str]) -> tuple[str, str]:
        """Phonemes of ``text``, and the characters of it that have none.

        Args:
            text: Han characters, capitals to be spelled and Chinese marks, as ``make_speakable`` writes them.
            alphabet: the phonemes and marks that the voice knows.

        Returns:
            (phonemes, all of them of ``alphabet``; the characters that were left out)
        """
        phonemes: list[str] = []
        unspoken: list[str] = []
        for run in re.findall(rf"[{_HAN}]+|[^{_HAN}]", self._marks(text)):
            if re.match(rf"[{_HAN}]", run):
                words = (self._read(word, alphabet, unspoken) for word in self._words.cut(run))
                phonemes.append(" ".join(filter(None, words)))
            elif run in _LETTERS and alphabet >= set(_LETTERS[run]):
                phonemes.append(f" {_LETTERS[run]} ")
            else:
                (phonemes if run in alphabet else unspoken).append(run)
        return re.sub(" +", " ", "".join(phonemes)).strip(), "".join(unspoken)

    def _read(self, word: str, alphabet: Set[str], unspoken: list[str]) -> str:
        """Phonemes of a word; where the word has none as a whole, of those of its characters that have."""
        try:
            read: str = self._word_phonemes(word).replace(_NON_SYLLABIC, "")
        except ValueError:  # misaki's answer to a character without a reading
            read = ""
        if read and alphabet >= set(read):
            return read
        if len(word) == 1:
            unspoken.append(word)
            return ""
        return "".join(self._read(char, alphabet, unspoken) for char in word)
