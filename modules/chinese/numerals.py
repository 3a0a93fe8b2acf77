"""Writes digits in Chinese text as a person reads them: 18:30 becomes 十八点三十分, 35% becomes 百分之三十五."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
# An integer of this many digits is an identifier or a telephone number, unless it is round.
_MIN_IDENTIFIER_DIGITS = 8
# cn2an writes numbers of up to this many digits.
_MAX_CARDINAL_DIGITS = 16
# Before these words 2 is a count and read 两, not 二.
_COUNTED = "(?:[个位名只条张本件次天周岁点米杯瓶碗家间辆台座块百千万亿]|年(?!级)|小时|分钟|公里|公斤|欧元|美元)"

_UNITS = {
    "km/h": "公里每小时",
    "km²": "平方公里",
    "km2": "平方公里",
    "m²": "平方米",
    "m2": "平方米",
    "m/s": "米每秒",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "kg": "公斤",
    "mg": "毫克",
    "ml": "毫升",
    "kW": "千瓦",
    "Hz": "赫兹",
    "min": "分钟",
    "°C": "摄氏度",
    "°F": "华氏度",
    "℃": "摄氏度",
    "℉": "华氏度",
    "°": "度",
    "m": "米",
    "g": "克",
    "l": "升",
    "L": "升",
    "h": "小时",
    "s": "秒",
}
_CURRENCIES = {"$": "美元", "€": "欧元", "£": "英镑", "¥": "元", "￥": "元"}


def spell_numbers(text: str) -> str:
    """Writes every decimal digit of ``text``, of any script, as Han numerals.

    It knows times, dates, years, telephone numbers, currencies, percentages, temperatures and other units, fractions,
    ratios, ranges, ordinals, signs, decimals and thousands separators. Other digits are read one by one, so none is
    left. Numerals come from cn2an (https://github.com/Ailln/cn2an).
    """
    text = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    for pattern, reading in _READINGS:
        text = pattern.sub(reading, text)
    return text


def _cardinal(digits: str) -> str:
    import cn2an  # type: ignore[import-untyped]

    plain = digits.replace(",", "")
    whole, _, decimals = plain.partition(".")
    is_identifier = "," not in digits and len(whole) >= _MIN_IDENTIFIER_DIGITS and not whole.endswith("000")
    if is_identifier or len(whole) > _MAX_CARDINAL_DIGITS or whole.lstrip("0") not in (whole, ""):
        spoken = _one_by_one(whole)
    else:
        spoken = str(cn2an.an2cn(whole, "low"))
        # cn2an writes 一十五, people say 十五.
        spoken = spoken.removeprefix("一") if spoken.startswith("一十") else spoken
    return f"{spoken}点{_one_by_one(decimals)}" if decimals else spoken


def _one_by_one(text: str) -> str:
    return "".join("零一二三四五六七八九"[int(c)] for c in text if c.isascii() and c.isdigit())


def _signed(number: str) -> str:
    return f"负{_cardinal(number[1:])}" if number[0] in "-−" else _cardinal(number.lstrip("+"))


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match["hour"], match["minute"], match["second"], match["half"]
    spoken = "两点" if int(hour) == 2 else f"{_cardinal(str(int(hour)))}点"
    if int(minute) or second:
        spoken += ("零" if 0 < int(minute) < 10 else "") + f"{_cardinal(str(int(minute)))}分"
    if second:
        spoken += f"{_cardinal(str(int(second)))}秒"
    if half:
        spoken = ("上午" if half[0] in "aA" else "下午") + spoken
    return spoken


def _date(match: re.Match[str]) -> str:
    return f"{_one_by_one(match[1])}年{_cardinal(str(int(match[2])))}月{_cardinal(str(int(match[3])))}日"


def _range(match: re.Match[str]) -> str:
    return f"{_cardinal(match[1])}到{_cardinal(match[2])}"


def _money(match: re.Match[str]) -> str:
    return _cardinal(match["number"]) + _CURRENCIES[match["sign"]]


_AMOUNT = rf"(?P<number>{_NUMBER})"
_SIGN = rf"(?P<sign>[{''.join(_CURRENCIES)}])"
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_TO = r"\s*[-–—~～]\s*"
_NUMERALS = "零一二两三四五六七八九十百千万亿"
_MONTH = r"(?:0?[1-9]|1[0-2])"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"

# The patterns are tried in this order: the more specific, the earlier. They use no \b, because Python counts Han
# characters as letters and finds no border between them and Latin letters.
_READINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), reading)
    for pattern, reading in (
        (rf"(?<!\d)(\d{{4}})[-/.]({_MONTH})[-/.]({_DAY})(?!\d)", _date),
        (
            r"(?<![\d:])(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?![\d:])"
            r"(?:\s*(?P<half>[aApP])\.?[mM](?![A-Za-z])\.?)?",
            _time,
        ),
        (
            rf"{_NUMBER}(?:\s*:\s*{_NUMBER})+",
            lambda m: "比".join(_cardinal(n.strip()) for n in m[0].split(":")),
        ),
        # Telephone numbers have groups of digits with spaces or hyphens, or a leading +.
        (
            r"(?<![\d.])(?:\+\d[\d -]{5,}\d|\d{2,4}(?:[ -]\d{2,4}){2,}|\d{3,4}[ -]\d{4,8})(?![\d.])",
            lambda m: ("加" if m[0].startswith("+") else "") + _one_by_one(m[0]),
        ),
        (r"(?<!\d)((?:1[1-9]|20)\d\d)(?=\s*年)", lambda m: _one_by_one(m[1])),
        (rf"({_NUMBER})\s*%?{_TO}({_NUMBER})\s*%", lambda m: f"百分之{_range(m)}"),
        (
            rf"{_SIGN}\s*({_NUMBER}){_TO}({_NUMBER})",
            lambda m: f"{_cardinal(m[2])}到{_cardinal(m[3])}{_CURRENCIES[m[1]]}",
        ),
        (
            rf"({_NUMBER})\s*(?:{_UNIT})?{_TO}({_NUMBER})\s*({_UNIT})(?![A-Za-z])",
            lambda m: _range(m) + _UNITS[m[3]],
        ),
        (r"((?:1[1-9]|20)\d0)s(?![A-Za-z])", lambda m: f"{_one_by_one(m[1])}年代"),
        (rf"([-−+]?{_NUMBER})\s*%", lambda m: f"百分之{_signed(m[1])}"),
        (rf"([-−+]?{_NUMBER})\s*‰", lambda m: f"千分之{_signed(m[1])}"),
        (rf"{_SIGN}\s*{_AMOUNT}", _money),
        (rf"{_AMOUNT}\s*{_SIGN}", _money),
        (r"(?<![\d/.])(\d+)/(\d+)(?![\d/.])", lambda m: f"{_cardinal(m[2])}分之{_cardinal(m[1])}"),
        (r"(\d+)(?:st|nd|rd|th)(?![A-Za-z])", lambda m: f"第{_cardinal(m[1])}"),
        (rf"(?<![\d.-])({_NUMBER}){_TO}({_NUMBER})(?![\d.-])", _range),
        (rf"([-−]?{_NUMBER})\s*({_UNIT})(?![A-Za-z])", lambda m: _signed(m[1]) + _UNITS[m[2]]),
        (rf"(?<![\d.,第])2(?=\s*{_COUNTED})", lambda _: "两"),
        # 3.2.1 is a version, 192.168.0.1 an address.
        (r"\d+(?:\.\d+){2,}", lambda m: "点".join(map(_one_by_one, m[0].split(".")))),
        (rf"(?<![\dA-Za-z年月日号时点分秒])[-−]({_NUMBER})", lambda m: f"负{_cardinal(m[1])}"),
        (_NUMBER, lambda m: _cardinal(m[0])),
        # A range of times, dates or amounts, which are written out by now.
        (rf"(?<=[{_NUMERALS}点分秒日月年度]){_TO}(?=[{_NUMERALS}上下])", lambda _: "到"),
    )
)
