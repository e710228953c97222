"""What is installed; whether packs can be read, the action log's chain is whole, approvals hold what was asked."""

from __future__ import annotations

import ctypes.util
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from django.db import connection

from tideover.core import action_log, approvals, keys
from tideover.core.documents.keep import document_faults
from tideover.core.documents.render import font_problem
from tideover.core.models import Approval
from tideover.core.packs.load import FOLDER, PackError, folder_read, pack_names

LIBRARIES = ("django", "numba", "numpy", "pyarrow", "duckdb")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be true: its name, whether it is, and in a sentence what was seen."""

    name: str
    ok: bool
    detail: str


def checks() -> list[Check]:
    """The checks that need no loan."""
    return [_installed(), _packs(), _actions(), _keys(), _approvals(), _documents()]


def _installed() -> Check:
    """Versions; what a slim system lacks is said, but only a missing library is a fault."""
    seen, missing = [f"Python {platform.python_version()}", connection.vendor], []
    for name in LIBRARIES:
        try:
            seen.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if ctypes.util.find_library("gomp") is None:
        seen.append("libgomp1 is not installed (only LightGBM needs it)")
    said = ", ".join(seen)
    return Check("installed", not missing, f"missing: {', '.join(missing)}; {said}" if missing else said)


def _packs() -> Check:
    problems, rules = [], 0
    for name in pack_names():
        try:
            rules += sum(1 for _ in folder_read(FOLDER / name))
        except PackError as error:
            problems += error.problems
    said = "; ".join(problems[:10]) if problems else f"{rules} rules of {', '.join(pack_names())}"
    return Check("packs", not problems, said)


def _actions() -> Check:
    broken = action_log.first_break()
    return Check("action log chain", broken is None, "whole" if broken is None else f"broken at entry {broken}")


def _keys() -> Check:
    """Whether every sealed value is under a secret of this installation; how many wait for `keys rotate`."""
    old, unknown = keys.old_and_unknown(keys.status())
    waits = f"; {old} values are under an older key: tideover keys rotate" if old else ""
    if unknown:
        return Check("field keys", False, f"{unknown} values are under a key that is not set here{waits}")
    return Check("field keys", True, f"all readable{waits}")


def _approvals() -> Check:
    """Each holds what was asked for, and none was granted without as many other people as it needed."""
    broken = approvals.broken()
    said = f"broken: {', '.join(broken[:10])}" if broken else f"{Approval.objects.count()} hold what was asked and who decided"
    return Check("approvals", not broken, said)


def _documents() -> Check:
    """The font, the numbers without gaps, and the newest documents as they were handed out."""
    found = [font_problem(), *document_faults()]
    faults = [f for f in found if f]
    return Check("documents", not faults, "; ".join(faults[:5]) or "font there, numbers without gaps, bytes as handed out")
