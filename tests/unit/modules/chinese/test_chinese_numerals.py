import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.chinese.numerals import spell_numbers


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("10", "十"),
        ("110", "一百一十"),
        ("1,234,567", "一百二十三万四千五百六十七"),
        ("1000000", "一百万"),
        ("0.5", "零点五"),
        ("007", "零零七"),
        ("气温-5度", "气温负五度"),
        ("18:30出发", "十八点三十分出发"),
        ("9:05", "九点零五分"),
        ("7:00", "七点"),
        ("6:30 PM在", "下午六点三十分在"),
        ("9:00-17:30", "九点到十七点三十分"),
        ("3:2", "三比二"),
        ("2024年3月15日", "二零二四年三月十五日"),
        ("2024-03-15", "二零二四年三月十五日"),
        ("90年代", "九十年代"),
        ("3月5日-8日", "三月五日到八日"),
        ("35%", "百分之三十五"),
        ("3.5%", "百分之三点五"),
        ("20%-30%", "百分之二十到三十"),
        ("1/2", "二分之一"),
        ("3-5天", "三到五天"),
        ("5-10km", "五到十公里"),
        ("20°C-25°C", "二十到二十五摄氏度"),
        ("-5°C", "负五摄氏度"),
        ("60km/h", "六十公里每小时"),
        ("$20", "二十美元"),
        ("$5-10", "五到十美元"),
        ("20€", "二十欧元"),
        ("第3", "第三"),
        ("第2个", "第二个"),
        ("在3rd街", "在第三街"),
        ("1990s是", "一九九零年代是"),
        ("2个人", "两个人"),
        ("12个人", "十二个人"),
        ("2年级", "二年级"),
        ("2:30", "两点三十分"),
        ("电话555-1234", "电话五五五一二三四"),
        ("+34 912 345 678", "加三四九一二三四五六七八"),
        ("912345678", "九一二三四五六七八"),
        ("3.2.1", "三点二点一"),
    ],
)
def test_numbers_are_written_as_they_are_said(written: str, said: str) -> None:
    assert spell_numbers(written) == said


@given(st.text("0123456789.,:/-+%°C$€ 年月日个点mkgh第PM", max_size=30))
def test_no_digit_is_left(text: str) -> None:
    assert not re.search(r"[0-9]", spell_numbers(text))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Nd", "Nl", "No", "Cs"]), max_size=30))
def test_text_without_digits_keeps_its_words(text: str) -> None:
    letters = re.sub(r"[\W_]", "", text)

    assert re.sub(r"[\W_]", "", spell_numbers(text).replace("到", "")) == letters.replace("到", "")


def test_digits_of_other_scripts_are_read_too() -> None:
    assert spell_numbers("٣") == spell_numbers("3") == "三"
