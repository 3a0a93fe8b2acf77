import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.chinese.normalization import make_speakable
from modules.chinese.phrases import ends_phrase, ends_sentence, split_phrases
from modules.contract.notes import Note

SPEAKABLE = st.text("今天气很好我们去公园吧GPS，。！？；：、—…“”（）", max_size=200)


@pytest.mark.parametrize(
    ("written", "speakable"),
    [
        ("5个中3个怎么样?", "五个中三个怎么样？"),
        ("我的意思是,我不是。", "我的意思是，我不是。"),
        ("你好 世界", "你好，世界"),
        ("万一我们无所事事...", "万一我们无所事事…"),
        ("太好了！！！", "太好了！"),
        ("《红楼梦》", "“红楼梦”"),
        ("玛丽亚·加西亚", "玛丽亚加西亚"),
        ("二〇二四年", "二零二四年"),
        ("２０％", "百分之二十"),
        ("，你好", "你好"),
        ("", ""),
    ],
)
def test_marks_and_spaces_become_chinese_without_a_note(written: str, speakable: str) -> None:
    assert make_speakable(written).text == speakable
    assert make_speakable(written).notes == ()


@pytest.mark.parametrize(
    ("written", "speakable", "detail"),
    [
        ("位于Villidalgo。", "位于维利达尔戈。", "Villidalgo as 维利达尔戈"),
        ("用GPS找路", "用GPS找路", "GPS letter by letter"),
        ("在U.S.A.", "在USA", "USA letter by letter"),
        ("连接Wi-Fi", "连接无线网络", "WiFi as 无线网络"),
        ("你&我", "你和我", "& as 和"),
    ],
)
def test_a_rewritten_word_or_symbol_is_noted(written: str, speakable: str, detail: str) -> None:
    assert make_speakable(written).text == speakable
    assert make_speakable(written).notes == (Note("respelled", detail),)


@pytest.mark.parametrize(
    ("written", "speakable", "lost"),
    [("很好😀", "很好", "😀"), ("Привет，你好", "你好", "Привет"), ("カタカナ的书", "的书", "カタカナ")],
)
def test_what_has_no_sound_is_noted(written: str, speakable: str, lost: str) -> None:
    assert make_speakable(written).text == speakable
    assert make_speakable(written).notes == (Note("unspoken", lost),)


def test_a_word_that_comes_twice_is_noted_once() -> None:
    assert len(make_speakable("GPS和GPS").notes) == 1


@given(st.text(max_size=60))
def test_any_text_becomes_characters_a_voice_knows(text: str) -> None:
    assert re.fullmatch(r"[一-鿿A-Z。！？…；，、：—（）“”]*", make_speakable(text).text)


@given(st.text(st.characters(categories=["L"]), min_size=1, max_size=20))
def test_no_letter_vanishes_without_a_note(text: str) -> None:
    speakable = make_speakable(text)

    assert speakable.notes or re.sub(r"[^\w]", "", speakable.text) == text.translate({0x3007: "零"})


@given(SPEAKABLE, st.integers(1, 20), st.integers(1, 60))
def test_phrases_joined_are_the_text_and_none_is_too_long(text: str, min_chars: int, max_chars: int) -> None:
    phrases = split_phrases(text, min_chars, max_chars)

    assert "".join(phrases) == text
    assert all(0 < len(phrase) <= max_chars for phrase in phrases)


def test_a_text_is_cut_after_its_marks() -> None:
    assert split_phrases("今天天气很好，我们去公园散步吧。晚上回家吃饭", 4, 50) == [
        "今天天气很好，",
        "我们去公园散步吧。",
        "晚上回家吃饭",
    ]


def test_short_phrases_join_the_next_and_the_last_the_one_before() -> None:
    assert split_phrases("好，我们现在就出发。走！", 4, 50) == ["好，我们现在就出发。走！"]


def test_a_long_phrase_is_cut_into_equal_parts() -> None:
    assert [len(phrase) for phrase in split_phrases("天" * 70, 4, 30)] == [24, 24, 22]


def test_a_closing_quote_stays_with_its_phrase() -> None:
    assert split_phrases("他说：“我们马上就出发。”然后就走了。", 2, 50)[1] == "“我们马上就出发。”"


def test_a_phrase_length_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="max_chars is 0"):
        split_phrases("你好", 1, 0)


@pytest.mark.parametrize(
    ("phrase", "sentence", "pause"),
    [("好。", True, True), ("好。”", True, True), ("好，", False, True), ("好", False, False)],
)
def test_the_last_mark_tells_the_pause(phrase: str, sentence: bool, pause: bool) -> None:
    assert (ends_sentence(phrase), ends_phrase(phrase)) == (sentence, pause)
