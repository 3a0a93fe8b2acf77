"""Latin words for a Chinese voice: spelled letter by letter, or written with the Han syllables that sound like them.

A Chinese voice has no sound for Latin words. A Chinese newsreader reads initials as letters, and transliterates names
and words syllable by syllable; so does this file. The table follows the Xinhua transliterations of Spanish, where they
have a syllable for the sound.
"""

from __future__ import annotations

import re
import unicodedata

LATIN_WORD = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏ][A-Za-zÀ-ÖØ-öø-ɏ\u0300-\u036f]*")

_MAX_INITIALS = 4
_VOWELS = "aeiou"

# Each row has the consonant alone, then before a, e, i, o, u, then before an, en, in, on, un.
_ROWS = {
    "": "- 阿 埃 伊 奥 乌 安 恩 因 翁 温",
    "b": "布 巴 贝 比 博 布 班 本 宾 邦 本",
    "ch": "奇 查 切 奇 乔 丘 钱 琴 钦 琼 春",
    "d": "德 达 德 迪 多 杜 丹 登 丁 东 敦",
    "f": "弗 法 费 菲 福 富 凡 芬 芬 丰 丰",
    "g": "格 加 格 吉 戈 古 甘 根 金 贡 贡",
    "h": "赫 哈 赫 希 霍 胡 汉 亨 欣 洪 洪",
    "k": "克 卡 凯 基 科 库 坎 肯 金 孔 昆",
    "l": "尔 拉 莱 利 洛 卢 兰 伦 林 隆 伦",
    "m": "姆 马 梅 米 莫 穆 曼 门 明 蒙 蒙",
    "n": "恩 纳 内 尼 诺 努 南 嫩 宁 农 农",
    "ñ": "尼 尼亚 涅 尼 尼奥 纽 尼安 年 宁 尼翁 尼温",
    "p": "普 帕 佩 皮 波 普 潘 彭 平 蓬 蓬",
    "r": "尔 拉 雷 里 罗 鲁 兰 伦 林 龙 伦",
    "s": "斯 萨 塞 西 索 苏 桑 森 辛 松 孙",
    "sh": "什 沙 谢 希 肖 舒 尚 申 辛 雄 顺",
    "t": "特 塔 特 蒂 托 图 坦 滕 廷 通 通",
    "v": "夫 瓦 韦 维 沃 武 万 文 温 翁 文",
    "w": "乌 瓦 韦 威 沃 伍 万 文 温 翁 文",
    "y": "伊 亚 耶 伊 约 尤 扬 延 因 永 云",
}
_SYLLABLES = {
    consonant + rhyme: han
    for consonant, row in _ROWS.items()
    for rhyme, han in zip(("", *_VOWELS, *(f"{v}n" for v in _VOWELS)), row.split(), strict=True)
    if han != "-"
}
# From spelling to the sounds of _ROWS, with the rules of Spanish first. They are applied in this order.
_SPELLING = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"qu(?=[ei])", "k"),
        (r"j|g(?=[eiy])", "h"),
        (r"gu(?=[ei])", "g"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"sh", "S"),
        (r"ch", "C"),
        (r"c(?=[eiy])", "s"),
        (r"c?k|c|q", "k"),
        (r"z", "s"),
        (r"x", "ks"),
        (r"ng(?![aeiou])", "n"),
        (r"(.)\1", r"\1"),
        (r"y(?![aeiou])", "i"),
        (r"i(?=[aeou])", "iy"),
        (r"S", "sh"),
        (r"C", "ch"),
    )
)
_SYLLABLE = re.compile(r"(?:ch|sh|[bdfghklmnñprstvwy])?[aeiou](?:n(?![aeiouy]))?|ch|sh|[bdfghklmnñprstvwy]")
# Words that have a Chinese name, although they are spelled like names.
_KNOWN = {"wifi": "无线网络", "www": "万维网"}
# Names of the letters A to Z, as Chinese speakers say them.
_LETTERS = "诶 必 西 地 伊 艾福 吉 艾尺 艾 杰 开 艾勒 艾姆 恩 欧 批 丘 阿尔 艾斯 提 优 维 达布留 艾克斯 歪 贼德"


def spell_capitals(text: str) -> str:
    """Writes each capital A-Z as the Han characters that sound like its name, for voices that have no letters."""
    return text.translate({ord("A") + i: name for i, name in enumerate(_LETTERS.split())})


def respell(word: str) -> str:
    """Writes one Latin word as the letters or Han characters that a Chinese speaker would say.

    Initials (a single letter, up to four capitals, or no vowel at all) become capitals to be spelled: tv becomes TV.
    Other words are transliterated: Villidalgo becomes 维利达尔戈. Accents are dropped, but ñ is a sound of its own.

    Returns:
        Letters A-Z, or Han characters; empty if the word has a letter that cannot be written so.
    """
    plain = _without_accents(word)
    if not re.fullmatch(r"[A-Za-zñÑ]+", plain):
        return ""
    if known := _KNOWN.get(plain.lower()):
        return known
    if (
        len(plain) == 1
        or (plain.isupper() and len(plain) <= _MAX_INITIALS)
        or not re.search(r"[aeiouy]", plain.lower())
    ):
        return plain.upper().replace("Ñ", "N")
    sound = plain.lower()
    for pattern, replacement in _SPELLING:
        sound = pattern.sub(replacement, sound)
    return "".join(_SYLLABLES[s] for s in _SYLLABLE.findall(sound))


def _without_accents(word: str) -> str:
    """Replaces letters with accents by ASCII letters. It keeps ñ, which is a sound of its own."""
    kept = unicodedata.normalize("NFC", word)
    folded = "".join(c if c in "ñÑ" else unicodedata.normalize("NFD", c)[0] for c in kept)
    return folded.translate(
        {ord("ß"): "ss", ord("ø"): "o", ord("Ø"): "O", ord("æ"): "ae", ord("œ"): "oe", ord("ł"): "l"}
    )
