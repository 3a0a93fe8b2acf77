import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.chinese.latin_words import respell, spell_capitals


@pytest.mark.parametrize(
    ("word", "spoken"),
    [
        ("GPS", "GPS"),
        ("tv", "TV"),
        ("x", "X"),
        ("MADRID", "马德里德"),
        ("Villidalgo", "维利达尔戈"),
        ("Pasta", "帕斯塔"),
        ("María", "马里亚"),
        ("Muñoz", "穆尼奥斯"),
        ("Quijote", "基霍特"),
        ("Guerra", "格拉"),
        ("WiFi", "无线网络"),
    ],
)
def test_initials_are_spelled_and_words_transliterated(word: str, spoken: str) -> None:
    assert respell(word) == spoken


@pytest.mark.parametrize("word", ["Привет", "", "ありがとう"])
def test_other_scripts_have_no_spelling(word: str) -> None:
    assert respell(word) == ""


@given(st.from_regex(r"[A-Za-zñÑáéíóúüÁÉÍÓÚÜ]+", fullmatch=True))
def test_every_latin_word_can_be_said(word: str) -> None:
    assert re.fullmatch(r"[一-鿿]+|[A-Z]+", respell(word))


def test_letters_are_spelled_with_han_for_voices_without_letters():
    assert spell_capitals("USB口") == "优艾斯必口"
    assert spell_capitals("你好，abc") == "你好，abc"
    assert all("一" <= char <= "鿿" for char in spell_capitals("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
