from hypothesis import given
from hypothesis import strategies as st

from modules.tasks.sentences import split_sentences


def test_text_is_cut_at_the_ends_of_sentences_and_not_at_abbreviations():
    text = "Mr. Smith paid $3.50 in the U.S. market. Did he?  Yes!\nHe did."

    sentences = split_sentences(text, "en", 200)

    assert sentences == ["Mr. Smith paid $3.50 in the U.S. market.", "Did he?", "Yes!", "He did."]


def test_a_sentence_without_end_is_cut_between_words():
    assert split_sentences("one two three four five", "en", 10) == ["one two", "three four", "five"]


def test_text_without_a_word_has_no_pieces():
    assert [split_sentences(text, "en", 100) for text in ("", " \n ", "... !")] == [[], [], []]


@given(st.lists(st.from_regex(r"[a-zA-Z]{1,30}[.?!,]?", fullmatch=True), max_size=60))
def test_no_word_is_lost(words):
    cut = split_sentences(" ".join(words), "en", 40)

    assert "".join(cut).replace(" ", "") == "".join(words)
    assert all(len(piece) <= 40 for piece in cut)
