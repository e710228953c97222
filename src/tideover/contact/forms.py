"""Reading what people type on the pages of the gate."""

from __future__ import annotations

from collections.abc import Mapping

from tideover.contact.log import Asked
from tideover.contact.preferences import BANDS, OPTIONAL
from tideover.contact.rules.model import Channel
from tideover.lending.forms import date_read


def asked_read(given: Mapping[str, str]) -> tuple[Asked, list[str]]:
    """What somebody looks for, and the names of fields that cannot be read (they are left out of the search)."""
    wrong: list[str] = []

    def day(name: str):  # type: ignore[no-untyped-def]
        text = given.get(name, "").strip()
        if not text:
            return None
        try:
            return date_read(text)
        except ValueError:
            wrong.append(name)
            return None

    channel = given.get("channel", "")
    return (
        Asked(
            first=day("from"), last=day("to"), person=given.get("person", "").strip().upper()[:20],
            loan=given.get("loan", "").strip().upper()[:30],
            channel=channel if channel.upper() in Channel.__members__ else "", rule=given.get("rule", "").strip()[:60],
            allowed={"yes": True, "no": False}.get(given.get("allowed", "")),
        ),
        wrong,
    )  # fmt: skip


def quiet_of(good: list[str]) -> list[tuple[int, int]]:
    """The parts of the day at which a person does not want to be reached: those that they did not tick."""
    return [band for n, band in enumerate(BANDS) if str(n) not in good]


def bands_good(inconvenient: list[list[int]]) -> set[int]:
    """The parts of the day that suit, from stored spans."""
    return {n for n, (a, b) in enumerate(BANDS) if not any(x < b and a < y for x, y in inconvenient)}


def refused_of(good: list[str]) -> list[str]:
    """The ways that a person did not tick."""
    return [c.name.lower() for c in OPTIONAL if c.name.lower() not in good]
