"""The form of a wording: texts in both languages, variables and gateway codes a line each; what is wrong is said beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tideover.contact.message_templates import VARIANTS
from tideover.contact.models import MessageTemplate
from tideover.contact.rules.model import Purpose, Recipient
from tideover.contact.rules.wording import LANGUAGES, TYPES
from tideover.core.problems import Problem

UNTITLED = ("sms", "call")
"""Variants that are said or sent without a subject."""
WHOLE_TYPES = ("money", "count", "rate")
TEXT_LONG = 4000
PLAIN = ("name_zh", "name_en", "hours", "note")
LINES = ("variables", "gateway_codes")
FLAGS = ("is_demand", "is_adverse_notice")


@dataclass(slots=True)
class TemplateForm:
    """What was typed (`shown`), what it means (`given`), and what is wrong."""

    shown: dict[str, Any]
    given: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, t: MessageTemplate | None) -> TemplateForm:
        """The form filled from a version."""
        if t is None:
            return cls({"purpose": "service", "recipient": "debtor", "hours": 72, "texts": _rows({}), "discloses": True})
        variables = "\n".join(f"{n} {v['type']} {v.get('example', '')}" for n, v in t.variables.items())
        codes = "\n".join(f"{k} {v}" for k, v in t.gateway_codes.items())
        shown = {name: getattr(t, name) for name in (*PLAIN, *FLAGS, "discloses")}
        if t.state != "draft":
            shown["note"] = ""  # it told of that version, not of the next one
        shown |= {"purpose": Purpose(t.purpose).name.lower(), "recipient": Recipient(t.recipient).name.lower()}
        return cls({**shown, "variables": variables, "gateway_codes": codes, "texts": _rows(t.texts)})

    @classmethod
    def read(cls, post: Mapping[str, str], *, may_flag: bool) -> TemplateForm:
        """The form as it was sent."""
        texts = {
            language: {
                v: {"subject": subject, "body": body} if subject else {"body": body}
                for v in VARIANTS
                for subject, body in [(_text(post, f"{language}.{v}.subject"), _text(post, f"{language}.{v}.body"))]
                if body or subject
            }
            for language in LANGUAGES
        }
        form = cls({k: _text(post, k) for k in (*PLAIN, *LINES, "purpose", "recipient")})
        form.shown |= {"texts": _rows(texts), "discloses": "discloses" in post}
        form.given = {"texts": texts, "discloses": "discloses" in post}
        if may_flag:
            flags = {f: f in post for f in FLAGS}
            form.shown |= flags
            form.given |= flags
        form._plain()
        form._variables()
        form._codes()
        return form

    def _plain(self) -> None:
        for name in ("name_zh", "name_en"):
            self.given[name] = self.shown[name][:60]
        hours = self.shown["hours"]
        if hours.isascii() and hours.isdecimal() and len(hours) < 6:
            self.given["hours"] = int(hours)
        else:
            self.problems.append(Problem("bad_hours", "hours are a whole number, like 72", "hours"))
        for name, kind in (("purpose", Purpose), ("recipient", Recipient)):
            word = self.shown[name].upper()
            if word in kind.__members__:
                self.given[name] = int(kind[word])
            else:
                self.problems.append(Problem("unknown", f"choose one: {', '.join(kind.__members__).lower()}", name))

    def _variables(self) -> None:
        out: dict[str, dict[str, Any]] = {}
        for line in filter(None, map(str.strip, self.shown["variables"].splitlines())):
            name, kind, example = [*line.split(None, 2), "", ""][:3]
            if kind not in TYPES or not example:
                words = f"{line!r}: a line is a name, a type ({', '.join(TYPES)}) and an example"
                self.problems.append(Problem("bad_variable", words, "variables"))
                continue
            whole = kind in WHOLE_TYPES
            if whole and not example.lstrip("-").isdecimal():
                self.problems.append(
                    Problem("bad_variable", f"{name}: the example of {kind} is a whole number (fen for money)", "variables")
                )
                continue
            out[name] = {"type": kind, "example": int(example) if whole else example}
        self.given["variables"] = out

    def _codes(self) -> None:
        out = {}
        for line in filter(None, map(str.strip, self.shown["gateway_codes"].splitlines())):
            name, _, code = line.partition(" ")
            if not code.strip():
                self.problems.append(
                    Problem("bad_code", f"{line!r}: a line is a gateway and its code, like aliyun SMS_1234", "gateway_codes")
                )
                continue
            out[name] = code.strip()[:60]
        self.given["gateway_codes"] = out


def _text(post: Mapping[str, str], key: str) -> str:
    return post.get(key, "").replace("\r\n", "\n").replace("\0", "").strip()[:TEXT_LONG]


def _rows(texts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a variant, both languages side by side."""

    def side(language: str, variant: str) -> dict[str, str]:
        said = texts.get(language, {}).get(variant, {})
        return {"language": language, "subject": said.get("subject", ""), "body": said.get("body", "")}

    return [{"variant": v, "titled": v not in UNTITLED, "sides": [side(language, v) for language in LANGUAGES]} for v in VARIANTS]
