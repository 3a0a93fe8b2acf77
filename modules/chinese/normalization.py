"""Rewrites Chinese text, as translators write it, with the characters that a Chinese voice can speak."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modules.chinese.latin_words import LATIN_WORD, respell
from modules.chinese.numerals import spell_numbers
from modules.contract.notes import Note

HAN = "一-鿿"
SPOKEN = f"{HAN}A-Z"
SENTENCE_ENDS = "。！？…"
PHRASE_ENDS = f"{SENTENCE_ENDS}；，、：—"
# Marks that the voice hears as intonation or a pause.
_MARKS = f"{PHRASE_ENDS}（）“”"

# Full-width ASCII becomes ordinary ASCII, so that the rules below need one form only.
_HALF_WIDTH = str.maketrans({chr(0xFF01 + i): chr(0x21 + i) for i in range(0x5E)} | {"\u3000": " ", "〇": "零"})
# Half-width marks become Chinese ones; brackets and quotes become those that the voice knows.
_FULL_WIDTH = str.maketrans(",?!;:()[]{}.「」『』《》〈〉【】„‟–", "，？！；：（）（）（）。“”“”“”“”（）“”—")
# Marks that are not heard.
_SILENT = re.compile(r"[·•‧・'’‘`´\"_~～*^|<>\\-]")
_SPOKEN_SYMBOLS = {
    "+": "加",
    "=": "等于",
    "×": "乘",
    "÷": "除以",
    "&": "和",
    "@": "艾特",
    "#": "井号",
    "%": "百分号",
    "‰": "千分号",
    "°": "度",
    "℃": "摄氏度",
    "$": "美元",
    "€": "欧元",
    "£": "英镑",
    "¥": "元",
    "©": "版权",
    "®": "注册商标",
    "™": "商标",
    "": "节",
    "№": "号",
    "/": "、",
}


@dataclass(frozen=True, slots=True)
class SpeakableText:
    """Text of Han characters, capitals to be spelled and Chinese marks, with notes on what was changed or left out."""

    text: str
    notes: tuple[Note, ...] = ()


def make_speakable(text: str) -> SpeakableText:
    """Rewrites ``text`` in characters that a Chinese voice has a sound for.

    Numbers become numerals, Latin words become letters or Han syllables (see ``latin_words``), half-width marks become
    Chinese ones. A space between Han characters becomes a comma, because translators separate clauses with spaces.
    Symbols with a Chinese name are named. Latin words and symbols that were rewritten are noted ``respelled``.
    Characters without a sound, such as other scripts and emoji, are left out and noted ``unspoken``.
    """
    notes: list[Note] = []
    text = re.sub(r"\s+", " ", text.translate(_HALF_WIDTH)).strip()
    text = re.sub(r"(?i)(?<![a-z])wi-fi(?![a-z])", "WiFi", text)
    text = re.sub(r"(?<![A-Za-z])(?:[A-Z]\.){2,}", lambda match: match[0].replace(".", ""), text)
    text = spell_numbers(text)
    text = re.sub(r"\.{2,}|。{2,}|…+", "…", text)
    text = re.sub(rf"(?<=[{HAN}]) (?=[{HAN}])", "，", text)
    text = re.sub(r"(?<=[A-Za-z])\.(?=[A-Za-z])", "点", text)
    text = LATIN_WORD.sub(lambda match: _respelled(match[0], notes), text)
    text = text.translate(_FULL_WIDTH)
    text = "".join(_symbol(c, notes) for c in _SILENT.sub("", text))
    text = _tidy_marks(re.sub(rf"[^{SPOKEN}{_MARKS}]+", lambda match: _dropped(match[0], notes), text))
    return SpeakableText(text, tuple(dict.fromkeys(notes)))


def _respelled(word: str, notes: list[Note]) -> str:
    spoken = respell(word)
    if not spoken:
        notes.append(Note("unspoken", word))
    elif spoken.isascii():
        notes.append(Note("respelled", f"{word} letter by letter"))
    else:
        notes.append(Note("respelled", f"{word} as {spoken}"))
    return spoken


def _symbol(char: str, notes: list[Note]) -> str:
    name = _SPOKEN_SYMBOLS.get(char)
    if name is None:
        return char
    if name not in _MARKS:
        notes.append(Note("respelled", f"{char} as {name}"))
    return name


def _dropped(run: str, notes: list[Note]) -> str:
    if run.strip():
        notes.append(Note("unspoken", run.strip()))
    return ""


def _tidy_marks(text: str) -> str:
    text = re.sub(rf"([{PHRASE_ENDS}])\1+", r"\1", text)
    text = re.sub(rf"([{PHRASE_ENDS}])[，、；：—]+", r"\1", text)
    return text.lstrip(PHRASE_ENDS)
