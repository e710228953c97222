"""The language of message templates: text with named places, typed values, two languages. No code runs in a template.

A place is `{name}`, or `{name|day|days}` for a count with its word in the singular and the plural. Anything else in braces is an
error. Values are formatted by their declared type and the language; one that is missing or does not fit its type is a fault, and
a text with a fault is never sent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from tideover.contact.rules.local_time import offset_at
from tideover.contact.rules.model import Zone
from tideover.core.written import MONTHS_EN, day_text, money_text, percent_text

ZH, EN = "zh-hans", "en"
LANGUAGES = (ZH, EN)
PLACE = re.compile(r"\{([^{}]*)\}")
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
TEXT_MAX, NAME_MAX, MONEY_MAX, COUNT_MAX = 200, 60, 10**15, 10**9
TYPES = ("money", "date", "instant", "count", "rate", "text", "name", "number", "phone")
"""money: int minor units; date; instant: aware datetime; count: int; rate: int ppm a year; the others are texts.

number: a reference (letters, digits, hyphens); phone: digits and hyphens; name and text: one printable line.
"""
NUMBER_FORM, PHONE_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,39}\Z"), re.compile(r"\+?[0-9][0-9-]{2,19}\Z")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text cannot be made. `code`: bad_place, undeclared, missing or bad_value; `name`: of the place."""

    code: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text, or the faults that kept it from being made (then `text` is empty)."""

    text: str
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What formatting depends on besides the value: the language, the business date (a date of another year shows its year), and
    the zone in which instants are told; sign: of the currency."""

    language: str
    today: date
    zone: Zone
    sign: str = "¥"


def places(text: str) -> tuple[str, ...]:
    """Names of the places of a text, each once, in order; badly formed ones are left out (see place_faults)."""
    found = (p.split("|")[0] for p in PLACE.findall(text))
    return tuple(dict.fromkeys(n for n in found if NAME.match(n)))


def place_faults(text: str, types: Mapping[str, str]) -> tuple[Fault, ...]:
    """What is wrong with a text as such: loose braces, badly formed places, names that are not declared, words for no count.

    types: declared type by name (values of TYPES).
    """
    out = []
    if PLACE.sub("", text).strip("\n") != PLACE.sub("", text).replace("{", "").replace("}", "").strip("\n"):
        out.append(Fault("bad_place", "", "a brace stands alone; a place is written {name}"))
    for inner in PLACE.findall(text):
        name, *forms = inner.split("|")
        if not NAME.match(name):
            out.append(Fault("bad_place", inner, f"{{{inner}}} is not a place; a place is written {{name}}"))
        elif name not in types:
            out.append(Fault("undeclared", name, f"{{{name}}} is not among the declared variables"))
        elif forms and (len(forms) != 2 or types[name] != "count" or not all(forms)):
            out.append(Fault("bad_place", name, f"{{{inner}}}: a count takes two words, for one and for many"))
    return tuple(dict.fromkeys(out))


def render(text: str, types: Mapping[str, str], values: Mapping[str, object], setting: Setting) -> Rendered:
    """The text with every place filled. Any fault gives no text at all.

    types: declared type by name; values: by name, others than those in the text are not looked at.
    """
    faults = list(place_faults(text, types))
    filled: dict[str, str] = {}
    for name in places(text):
        if name not in types:
            continue
        if (value := values.get(name)) is None or value == "":
            faults.append(Fault("missing", name, f"{name} is missing"))
            continue
        try:
            filled[name] = formatted(types[name], value, setting)
        except ValueError as error:
            faults.append(Fault("bad_value", name, f"{name} {error}"))
    if faults:
        return Rendered("", tuple(faults))
    return Rendered(PLACE.sub(lambda m: _fill(m[1], filled, values), text))


def _fill(inner: str, filled: Mapping[str, str], values: Mapping[str, object]) -> str:
    name, *forms = inner.split("|")
    return filled[name] if not forms else f"{filled[name]} {forms[0] if values[name] == 1 else forms[1]}"


def formatted(kind: str, value: object, setting: Setting) -> str:
    """One value as its type is written in the language. Raises ValueError saying what it should have been."""
    zh = setting.language == ZH
    match kind:
        case "money":
            return money_text(_whole(value, -MONEY_MAX, MONEY_MAX, "an amount in minor units"), setting.sign)
        case "count":
            return f"{_whole(value, 0, COUNT_MAX, 'a whole number'):,}"
        case "rate":
            percent = percent_text(_whole(value, 0, 10**7, "a rate in parts per million"))
            return f"年化 {percent}" if zh else f"{percent} a year"
        case "date":
            if not isinstance(value, date) or isinstance(value, datetime):
                raise ValueError("must be a date")
            return _date(value, zh, setting.today)
        case "instant":
            if not isinstance(value, datetime) or value.tzinfo is None:
                raise ValueError("must be an instant with a time zone")
            return _instant(value, zh, setting)
    return _words(kind, value)


def _whole(value: object, low: int, high: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"must be {what}")
    return value


def _date(on: date, zh: bool, today: date) -> str:
    """With its year when that is not the current one."""
    if on.year != today.year:
        return day_text(on, ZH if zh else EN)
    return f"{on.month}月{on.day}日" if zh else f"{on.day} {MONTHS_EN[on.month - 1]}"


def _instant(at: datetime, zh: bool, setting: Setting) -> str:
    seconds = int(at.timestamp())
    local = seconds + offset_at(setting.zone, seconds)
    days, second = divmod(local, 86_400)
    on, clock = date.fromordinal(719_163 + days), f"{second // 3600:02}:{second // 60 % 60:02}"
    said = _date(on, zh, setting.today)
    return f"{said} {clock}" if zh else f"{clock} on {said}"


def _words(kind: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    said = value.strip()
    longest = NAME_MAX if kind == "name" else TEXT_MAX
    if kind == "number" and not NUMBER_FORM.match(said):
        raise ValueError("must be a reference of letters, digits and hyphens")
    if kind == "phone" and not PHONE_FORM.match(said):
        raise ValueError("must be a telephone number")
    if len(said) > longest or any(unicodedata.category(c)[0] == "C" for c in said):
        raise ValueError(f"must be one line of at most {longest} characters")
    if "{" in said or "}" in said or re.search(r"[a-z]+://|\bwww\.", said, re.I):
        raise ValueError("must hold no braces and no address")
    return said
