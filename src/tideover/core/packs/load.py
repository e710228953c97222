"""Packs from the files beside this module, read once a process."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from tideover.core.packs.rules import calendars, fixings, ladders
from tideover.core.packs.rules.pack import NoRule, Pack, PackError, Rule, pack_read
from tideover.core.packs.rules.pack import rule as rule_of
from tideover.engine.terms import Calendar

FOLDER = Path(__file__).parent


def pack_names() -> list[str]:
    """Names of the packs: the folders with YAML in them."""
    return sorted({p.parent.name for p in FOLDER.glob("*/*.yaml")})


@cache
def pack(name: str) -> Pack:
    """The pack of a jurisdiction. Raises NoRule for an unknown name, PackError when its files are not sound."""
    if name not in pack_names():
        raise NoRule(f"there is no pack {name}; packs are {', '.join(pack_names())}")
    return folder_read(FOLDER / name)


def folder_read(folder: Path) -> Pack:
    """The pack in a folder, named like it. Raises PackError."""
    return pack_read(folder.name, [(f"{folder.name}/{p.name}", p.read_text("utf-8")) for p in sorted(folder.glob("*.yaml"))])


def rule(name: str, id: str, on: date) -> Rule:
    """Rule `id` of a pack on a day. Raises NoRule."""
    return rule_of(pack(name), id, on)


@cache
def ladder(name: str, lender: str, on: date, product: str = "") -> ladders.Ladder:
    """The ladder that classes a loan of a kind of lender (and of product, where it names one) on a day. Raises NoRule."""
    return ladders.ladder(pack(name), lender, on, product)


def fixing(index: str, on: date) -> int:
    """Rate (ppm a year) of a Chinese reference index on a day. Raises MissingFixing or NoRule."""
    return fixings.fixing(pack("cn"), index, on)


@cache
def calendar(name: str) -> Calendar:
    """The calendar of a name like `cn@2026` (bare `cn`: the newest version), from whichever pack has it. Raises NoRule."""
    return calendars.calendar(_owner(name), name)


def calendar_pin(name: str) -> str:
    """The version that a contract signed now keeps: `cn` becomes `cn@2026`. Raises NoRule."""
    return calendars.calendar_newest(_owner(name), name)


def _owner(name: str) -> Pack:
    bare = name.split("@")[0]
    for p in map(pack, pack_names()):
        if any(v == name or v.split("@")[0] == bare == name for v in calendars.calendar_versions(p)):
            return p
    known = [v for p in map(pack, pack_names()) for v in calendars.calendar_versions(p)]
    raise NoRule(f"there is no calendar {name}; calendars are {', '.join(known)}")


__all__ = [
    "NoRule",
    "PackError",
    "calendar",
    "calendar_pin",
    "fixing",
    "folder_read",
    "ladder",
    "pack",
    "pack_names",
    "rule",
]
