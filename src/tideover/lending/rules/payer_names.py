"""Whether the name that money came with is somebody's name: width, spaces, case and titles apart, also in pinyin or masked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice, product
from typing import Literal

Fit = Literal["same", "pinyin", "masked", "near", ""]
TITLES = re.compile(r"(先生|女士|小姐|同志)$")
APART = re.compile(r"[\s·•・.,，。()（）\-_'\"]+")
READINGS_MAX = 64
NEAR = 0.6
RANK: dict[Fit, int] = {"same": 4, "pinyin": 3, "masked": 2, "near": 1, "": 0}


def name_plain(name: str) -> str:
    """A name without what banks change: full width, case, spaces, dots, brackets, titles. (株) and the like stay letters."""
    folded = unicodedata.normalize("NFKC", name).upper()
    return TITLES.sub("", APART.sub("", folded))


def name_fit(payer: str, name: str) -> Fit:
    """How the payer's name fits somebody's: same; the same in pinyin (LI MING, MING LI, 李明); masked (李*); near; or not at all.

    Only `same` and `pinyin` may place money; pinyin alone of a two-syllable name fits many people, so it is said apart.
    """
    a, b = name_plain(payer), name_plain(name)
    if not a or not b:
        return ""
    if a == b:
        return "same"
    if "*" in a or "＊" in a:
        return "masked" if _masked(a, b) else ""
    if a.isascii() != b.isascii() and (_letters(payer) & _readings(b) or _letters(name) & _readings(a)):
        return "pinyin"
    ratio = SequenceMatcher(None, a, b).ratio()
    return "near" if ratio >= NEAR else ""


def best_fit(payer: str, names: Sequence[str]) -> Fit:
    """The best fit among the names of several people."""
    return max((name_fit(payer, n) for n in names), key=RANK.__getitem__, default="")


def _masked(pattern: str, name: str) -> bool:
    """李* or 示***公司: what is shown stands where the name has it, and at least one character is shown."""
    shown = pattern.replace("*", "")
    said = "".join(re.escape(c) if c != "*" else "." for c in re.sub(r"\*+", "*", pattern))
    return bool(shown) and bool(re.fullmatch(said.replace(".", ".+"), name))


def _letters(name: str) -> frozenset[str]:
    """A name in Latin letters as one word: as it stands, and with the last word first (MING LI)."""
    words = re.findall(r"[A-Z]+", unicodedata.normalize("NFKC", name).upper())
    if not words:
        return frozenset()
    return frozenset({"".join(words), "".join([words[-1], *words[:-1]]), "".join([*words[1:], words[0]])})


@lru_cache(maxsize=4096)
def _readings(name: str) -> frozenset[str]:
    """Every way to read a Chinese name aloud, without tones (some characters have several); ü also as V, YU and U."""
    if name.isascii():
        return frozenset()
    from pypinyin import Style, pinyin

    each = [_ways(r) for r in pinyin(name, style=Style.NORMAL, heteronym=True, errors="ignore")]
    return frozenset("".join(p) for p in islice(product(*each), READINGS_MAX)) if each else frozenset()


def _ways(readings: Sequence[str]) -> list[str]:
    out: list[str] = []
    for r in readings:
        upper = r.upper()
        out += [upper] if "Ü" not in upper and "V" not in upper else [re.sub("[ÜV]", x, upper) for x in ("V", "YU", "U")]
    return list(dict.fromkeys(out))
