"""Kinds of documents: each brings its templates and a checker of its data; the kit knows none of them by name.

A template is a typst file, one a language: `<kind>.zh-hans.typ`, `<kind>.en.typ`. A lender's own stands before ours: the same
file name in the folder of TIDEOVER_TEMPLATES (docs/documents.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext

from tideover.core.problems import Problem, refuse

LANGUAGES = ("zh-hans", "en")
Check = Callable[[Mapping[str, object]], Sequence[Problem]]


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document.

    `prefix`: starts its numbers (PL-2026-000001); its own. `label`: English msgid. `templates`: folder of its typst files.
    `check(data)`: what is missing or wrong. `keep_years`: how long its bytes are kept. `supersedes`: whether one with other data
    about the same subject and day takes the place of the one before (a statement does, a letter does not).
    """

    code: str
    prefix: str
    label: str
    templates: Path
    check: Check
    keep_years: int = 10
    supersedes: bool = True


_kinds: dict[str, DocumentKind] = {}
_labels: dict[str, str] = {}


def register(kind: DocumentKind) -> None:
    """Make a kind known; from the `ready` of a feature's app. The same code again replaces it."""
    assert re.fullmatch(r"[A-Z]{2,4}", kind.prefix), kind.prefix
    assert all(k.prefix != kind.prefix for k in _kinds.values() if k.code != kind.code), f"{kind.prefix} is taken"
    _kinds[kind.code] = kind


def forget(code: str) -> None:
    """Take a kind out of the registry (tests)."""
    _kinds.pop(code, None)


def kinds() -> Sequence[DocumentKind]:
    """Every registered kind, by code."""
    return [_kinds[code] for code in sorted(_kinds)]


def kind_of(code: str) -> DocumentKind:
    """A registered kind. Raises Refused for an unknown one."""
    if code not in _kinds:
        raise refuse("unknown_kind", f"there is no kind of document {code}", "kind")
    return _kinds[code]


def label_register(code: str, label: str) -> None:
    """Name papers with a code of their own that are no document of this kit (`verify.code_register`). `label`: English msgid."""
    _labels[code] = label


def label_of(code: str) -> str:
    """The words of a kind in the page's language; the code of one that nobody registers any more."""
    label = _kinds[code].label if code in _kinds else _labels.get(code, "")
    return gettext(label) if label else code


def template_of(kind: DocumentKind, language: str) -> bytes:
    """The typst source of a kind in a language: the lender's own, else ours. Raises Refused for a language without one."""
    name = f"{kind.code}.{language}.typ"
    folders = [Path(settings.TEMPLATE_DIR)] if settings.TEMPLATE_DIR else []
    for folder in [*folders, kind.templates]:
        if language in LANGUAGES and (folder / name).is_file():
            return (folder / name).read_bytes()
    raise refuse("no_template", f"{kind.code} cannot be written in {language}", "language")


def missing(data: Mapping[str, object], *names: str) -> list[Problem]:
    """A problem for each name that the data lacks or holds nothing for: the common part of a checker."""
    return [Problem("missing", f"the document needs {n}", n) for n in names if data.get(n) in (None, "")]
