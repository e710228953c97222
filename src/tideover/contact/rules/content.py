"""What a message may not say and must say: content rules of a pack, checked on a text. Each finding names its instrument.

Kinds of rule, by the first words of their id: contact.content.forbidden.* (phrases), contact.content.required.* (one of some
phrases, or the lender's name, within the first characters), contact.content.no_amount.* (no figure of money),
contact.content.no_link_data.* (an address on the web says nothing about a person).

Chinese is compared without spaces and in half width, so that a blank between characters hides nothing; English by whole words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.contact.rules.policy import Scope, Values
from tideover.contact.rules.wording import EN, ZH
from tideover.core.packs.rules.pack import Citation, Pack, PackError, Rule

ALL_PURPOSES = frozenset(Purpose)
KINDS = ("forbidden", "required", "no_amount", "no_link_data")
PREFIX = "contact.content."
FLAGS = ("demand", "adverse_notice", "validation", "initial")
"""What a text is: legal's flags, a validation notice, the first communication about a debt."""
AMOUNT = re.compile(
    r"[¥$€£]\s*\d|\d[\d,]*\.\d{2}(?!\d)|\d[\d,.]*\s*(?:元|块钱|万|rmb\b|cny\b|yuan\b)|(?:人民币|rmb|cny)\s*\d|"
    r"[零壹贰叁肆伍陆柒捌玖拾佰仟一二三四五六七八九十百千万]+元",
    re.I,
)
"""Money in figures or words, as it is written here."""
LINK = re.compile(r"(?:https?://|www\.)[^\s，。；）)]+|\b[\w-]+\.(?:cn|com|net|org|io)(?:/[^\s，。；）)]*)?", re.I)
CAPITALS = re.compile(r"\b[A-Z]{4,}\b")


@dataclass(frozen=True, slots=True)
class Text:
    """One text as somebody will get it. `lender`: names by which the lender introduces itself; `flags`: values of FLAGS.

    A short message's signature 【…】 belongs to its body here.
    """

    channel: Channel
    purpose: Purpose
    language: str
    body: str
    subject: str = ""
    recipient: Recipient = Recipient.DEBTOR
    lender: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a text breaks: the rule's id, where it is written, and the words that break it (or that are missing)."""

    rule: str
    citation: str
    words: str

    def __str__(self) -> str:
        return f"{self.words} ({self.rule}: {self.citation})"


@dataclass(frozen=True, slots=True)
class ContentRule:
    """One rule of content. phrases and spared: by language; spared ones are taken out of the text before it is looked through.

    within: characters from the start in which a required phrase must stand (0: anywhere). lender: the lender's own name is what
    is required. capitals: English words in capitals are forbidden too. flag: only texts with this flag (empty: all).
    """

    id: str
    kind: str
    scope: Scope
    citation: Citation
    phrases: Mapping[str, tuple[str, ...]]
    spared: Mapping[str, tuple[str, ...]]
    within: int = 0
    lender: bool = False
    capitals: bool = False
    flag: str = ""


def content_read(pack: Pack, on: date) -> tuple[ContentRule, ...]:
    """The content rules of a pack in force on a day, by id. Raises PackError naming file, line and rule."""
    out, problems = [], []
    for rule in pack:
        if rule.id.startswith(PREFIX) and rule.in_force(on):
            try:
                out.append(_rule(rule))
            except ValueError as error:
                problems.append(f"{rule.file}:{rule.line}: {rule.id}: {error}")
    if problems:
        raise PackError(problems)
    return tuple(out)


def _rule(rule: Rule) -> ContentRule:
    kind = rule.id.removeprefix(PREFIX).split(".")[0]
    if kind not in KINDS:
        raise ValueError(f"kinds of content rule are {', '.join(KINDS)}")
    values = Values(rule)
    scope = values.scope(ALL_PURPOSES)
    made: dict[str, Any] = {"phrases": {}, "spared": {}}
    if kind in ("forbidden", "required"):
        made = {"phrases": _phrases(values, "phrases"), "spared": _phrases(values, "spared")}
        made["flag"] = values.given.get("flag", "")
        values.asked.add("flag")
        if made["flag"] not in ("", *FLAGS):
            raise ValueError(f"flag is one of {', '.join(FLAGS)}")
    if kind == "forbidden":
        made["capitals"] = values.truth("capitals")
    if kind == "required":
        made["lender"], made["within"] = values.truth("lender"), values.whole("within", 0, 1000, 0)
    values.done()
    if kind == "forbidden" and not made["phrases"] and not made["capitals"]:
        raise ValueError("phrases are missing")
    if kind == "required" and bool(made["phrases"]) == made["lender"]:
        raise ValueError("either phrases or lender: true")
    return ContentRule(rule.id, kind, scope, rule.citation, **made)


def _phrases(values: Values, key: str) -> dict[str, tuple[str, ...]]:
    given = values.given.get(key, {})
    values.asked.add(key)
    words = {"zh": ZH, "en": EN}
    if not isinstance(given, Mapping) or not set(given) <= set(words):
        raise ValueError(f"{key} is a table with the languages zh and en")
    out = {}
    for language, listed in given.items():
        if not isinstance(listed, tuple) or not listed or not all(isinstance(p, str) and p.strip() for p in listed):
            raise ValueError(f"{key}.{language} must be a list of phrases")
        out[words[language]] = tuple(listed)
    return out


def content_check(rules: tuple[ContentRule, ...], text: Text) -> tuple[Finding, ...]:
    """Everything that the text breaks, in the order of the rules; empty: it may go out."""
    out = []
    for rule in rules:
        if rule.scope.covers(text.channel, text.purpose, text.recipient) and rule.flag in ("", *text.flags):
            out += [Finding(rule.id, str(rule.citation), words) for words in _CHECKS[rule.kind](rule, text)]
    return tuple(out)


def plain(text: str, language: str) -> str:
    """A text as it is compared: half width, lower case; Chinese without spaces and marks that do not show, English with single
    blanks."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    shown = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return "".join(shown.split()) if language == ZH else " ".join(shown.split())


def _holds(text: str, phrase: str, language: str) -> bool:
    wanted = plain(phrase, language)
    if language == ZH or not (wanted[0].isalnum() and wanted[-1].isalnum()):
        return wanted in text
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None


def _whole(text: Text) -> str:
    return f"{text.subject}\n{text.body}" if text.subject else text.body


def _forbidden(rule: ContentRule, text: Text) -> list[str]:
    """Phrases of both languages are looked for: a Chinese text may hold an English word.

    The lender's own name is spared (it may hold 贷款), but not to third persons.
    """
    found = []
    names = () if text.recipient in (Recipient.RELATED, Recipient.UNRELATED) else text.lender
    for language, phrases in rule.phrases.items():
        shown = plain(_whole(text), language)
        for spared in (*names, *rule.spared.get(language, ())):
            shown = shown.replace(plain(spared, language), "·")
        found += [p for p in phrases if _holds(shown, p, language)]
    if rule.capitals:
        found += [w for w in CAPITALS.findall(_whole(text)) if not any(w in name for name in text.lender)]
    return list(dict.fromkeys(found))


def _required(rule: ContentRule, text: Text) -> list[str]:
    shown = plain(_whole(text), text.language)
    shown = shown[: rule.within] if rule.within else shown
    wanted = text.lender if rule.lender else rule.phrases.get(text.language, ())
    if not wanted and not rule.lender:
        return []
    if any(plain(w, text.language) in shown for w in wanted if w):
        return []
    return ["the lender's name" if rule.lender else " / ".join(wanted)]


def _no_amount(rule: ContentRule, text: Text) -> list[str]:
    return [m[0] for m in AMOUNT.finditer(unicodedata.normalize("NFKC", _whole(text)))][:3]


def _no_link_data(rule: ContentRule, text: Text) -> list[str]:
    """An address with a query, a name before an @, a figure of money, or a long number tells somebody's business."""
    links = (m[0] for m in LINK.finditer(unicodedata.normalize("NFKC", _whole(text))))
    return [a for a in links if re.search(r"[?#@]|\d{5,}|\d+\.\d{2}(?!\d)", a.partition("://")[2] or a)]


_CHECKS = {"forbidden": _forbidden, "required": _required, "no_amount": _no_amount, "no_link_data": _no_link_data}
