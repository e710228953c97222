"""Whether the name that money came with is somebody's: the one comparison for receipts, statements and watch lists. Pure.

Names are compared by a key: width, case, accents, spaces, punctuation, titles and the order of Latin words do not count. A
Chinese name fits its own pinyin. Banks mask names (李*明, *芳): a masked name fits every name that it can stand for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import islice, permutations, product
from typing import Literal

Fit = Literal["same", "pinyin", "masked", "near", ""]
RANK: dict[Fit, int] = {"same": 4, "pinyin": 3, "masked": 2, "near": 1, "": 0}
MASK = "*"
MASKS = str.maketrans(dict.fromkeys("＊*×✱●", MASK))
LATIN = re.compile(r"[A-Z0-9*]+")
TITLES = re.compile(r"(?<=\w)(先生|女士|小姐|同志)$")
LATIN_TITLES = frozenset({"MR", "MRS", "MS", "MISS"})
READINGS_MAX = 64
WORDS_MAX = 4
NEAR = 0.6


def name_key(name: str) -> str:
    """A name as it is compared: NFKC, upper case, letters, digits and masks only; Latin words in alphabetical order.

    (株) and the like stay letters: they are part of a company's name.
    """
    words = _words(name)
    return " ".join(sorted(words)) if _is_latin(words) else "".join(words)


def is_masked(key: str) -> bool:
    """Whether part of a name is hidden."""
    return MASK in key


def name_fit(payer: str, name: str) -> Fit:
    """How the payer's name fits somebody's: same; the same in pinyin (LI MING, MING LI, 李明); masked (李*); near; or not at all.

    Both may be masked (two lines of a bank). Only `same` and `pinyin` may place money; pinyin alone of a two-syllable name fits
    many people, so it is said apart.
    """
    given, known = name_key(payer), name_key(name)
    if not given or not known:
        return ""
    if given == known:
        return "masked" if is_masked(given) else "same"
    if is_masked(given):
        return "masked" if _mask_fits(given, known) else ""
    if _is_latin(given.split()) != _is_latin(known.split()) and _sounds_alike(payer, name):
        return "pinyin"
    return "near" if SequenceMatcher(None, given, known).ratio() >= NEAR else ""


def best_fit(payer: str, names: Iterable[str]) -> Fit:
    """The best fit among the names of several people."""
    return max((name_fit(payer, n) for n in names), key=RANK.__getitem__, default="")


def _words(name: str) -> list[str]:
    """The words of a name in their order, in upper case, without titles."""
    plain = unicodedata.normalize("NFKC", name).translate(MASKS).upper()
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    words = "".join(c if c.isalnum() or c == MASK else " " for c in plain).split()
    if _is_latin(words):
        return [w for w in words if w not in LATIN_TITLES] or words
    return [TITLES.sub("", "".join(words))]


def _is_latin(words: Sequence[str]) -> bool:
    return all(LATIN.fullmatch(w) for w in words)


def _mask_fits(given: str, known: str) -> bool:
    """What is shown stands where the name has it; at least one character is shown, and a mask stands for at least one."""
    if not given.replace(MASK, "").strip():
        return False
    words = given.split()
    orders = permutations(words) if 1 < len(words) <= WORDS_MAX else [words]
    patterns = (".+".join(re.escape(p) for p in re.split(r"\*+", " ".join(o))) for o in orders)
    return any(re.fullmatch(p, known) for p in patterns)


def _sounds_alike(a: str, b: str) -> bool:
    return bool(_letters(a) & _readings(name_key(b)) or _letters(b) & _readings(name_key(a)))


def _letters(name: str) -> frozenset[str]:
    """A name in Latin letters as one word: as it stands, and with the last or the first word moved (MING LI)."""
    words = _words(name)
    if not words or not all(w.isascii() and w.isalpha() for w in words):
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
