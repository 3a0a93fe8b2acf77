import pytest

from modules.chinese.phonemes import ChinesePhonemes
from modules.kokoro.network import MAX_PHONEMES

# The part of Kokoro's alphabet that Chinese and the names of letters use.
ALPHABET = frozenset(" ,.!?;:—…“”()AIOWabcdefhijklmnopstuvwxyzɑɕəɚɛɤɥɨŋɔɹɻʂʊʤʧʦʨꭧʰʌᵊˈˌj↓→↗↘")


@pytest.fixture(scope="module")
def phonemes() -> ChinesePhonemes:
    return ChinesePhonemes()


def test_words_are_separated_and_marks_kept(phonemes: ChinesePhonemes) -> None:
    assert phonemes("今天很好，走吧。", ALPHABET) == ("ʨi→ntʰjɛ→n xə↓n xau↓, ʦou↓ pa.", "")


def test_capitals_are_read_as_letters(phonemes: ChinesePhonemes) -> None:
    assert phonemes("用GPS。", ALPHABET) == ("jʊ↘ŋ ʤˈi pˈi ˈɛs .", "")


def test_a_character_without_a_reading_is_returned(phonemes: ChinesePhonemes) -> None:
    read, unspoken = phonemes("在兙说", ALPHABET)

    assert read
    assert unspoken == "兙"


def test_a_phoneme_outside_the_alphabet_is_not_dropped_in_silence(phonemes: ChinesePhonemes) -> None:
    assert phonemes("好，", ALPHABET - {"x"}) == (",", "好")


def test_every_han_character_is_read_or_reported(phonemes: ChinesePhonemes) -> None:
    for char in map(chr, range(0x4E00, 0xA000)):
        read, unspoken = phonemes(char, ALPHABET)
        assert bool(read) != bool(unspoken), char
        # With the space after it: 60 characters, the longest phrase, fit into the network.
        assert 60 * (len(read) + 1) <= MAX_PHONEMES, char
