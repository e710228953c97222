"""Every act that the code writes into the action log has words on its pages, so that no code shows there."""

from __future__ import annotations

import re

from tests.databases import ROOT
from tideover.core.act_words import ACTS
from tideover.core.models import SignatureState
from tideover.lending.api_rows import KINDS as ROWS
from tideover.lending.imports.targets import KINDS as IMPORTS

LITERAL = re.compile(r"""\b(?:log\([^"\n]*|Entry\(\s*)"([a-z_]+\.[a-z_.]+)\"""")
"""An act as a literal: the first text with a dot in a call of log, or of an entry."""


def test_every_act_has_words() -> None:
    said = {a for path in (ROOT / "src").rglob("*.py") for a in LITERAL.findall(path.read_text(encoding="utf-8"))}
    assert len(said) > 60, "the pattern finds no acts any more"
    said |= {f"import.{kind}" for kind in IMPORTS}
    rows = {kind.model._meta.model_name for kind in ROWS}
    said |= {f"{row}.{act}" for row in rows for act in ("list", "add", "close")}
    said |= {f"document.sign.{s}" for s in SignatureState if s not in (SignatureState.DRAFTED, SignatureState.SENT)}
    assert sorted(a for a in said if a not in ACTS and not a.startswith("event.")) == []
