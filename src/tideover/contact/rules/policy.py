"""The contact rules of a pack on one day, read into typed records; anything unclear in the data is refused with the rule's id.

Kinds of rule, by the first words of their id: contact.window.* (local hours), contact.cap.* (how often), contact.wait.* (days
after a conversation), contact.third_person, contact.consent.*, contact.hold.* (what an open hold stops), contact.zone (whose
clock counts in a region), contact.recording (how long a call's recording is kept).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Any, TypeVar

from tideover.contact.rules.model import Channel, Outcome, Purpose, Recipient
from tideover.core.packs.rules.calendars import calendar
from tideover.core.packs.rules.pack import Citation, NoRule, Pack, PackError, Rule
from tideover.engine.terms import Calendar
from tideover.lending.rules.holds import PREFIX as HOLD_PREFIX
from tideover.lending.rules.holds import TERM_KEYS, term_read

E = TypeVar("E", bound=IntEnum)
DAY_MINUTES = 1440
NO_HOLIDAYS = Calendar("none", frozenset(), frozenset(), frozenset())
RECORDING_DAYS = 5 * 366
"""How long a recording is kept where the pack does not say."""
COUNTS: Mapping[str, frozenset[Outcome]] = {
    "every": frozenset(Outcome),
    "connected": frozenset({Outcome.UNANSWERED, Outcome.MESSAGE_LEFT, Outcome.CONVERSATION}),
    "conversation": frozenset({Outcome.CONVERSATION}),
    "unanswered": frozenset({Outcome.UNANSWERED, Outcome.MESSAGE_LEFT, Outcome.FAILED}),
    "delivered": frozenset({Outcome.DELIVERED}),
}
"""What a cap counts. connected: the call reached the number, answered or not; unanswered: nobody took it."""


class Per(IntEnum):
    """Whose contacts a cap adds up."""

    PERSON = 0
    NUMBER = 1
    DEBT = 2


class Days(IntEnum):
    """On which days a window speaks: every day, public holidays, or all days off (weekends too, but for make-up workdays)."""

    EVERY = 0
    HOLIDAYS = 1
    DAYS_OFF = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """Which proposals a rule speaks of."""

    channels: frozenset[Channel]
    purposes: frozenset[Purpose]
    recipients: frozenset[Recipient]

    def covers(self, channel: Channel, purpose: Purpose, recipient: Recipient) -> bool:
        """Whether a contact of this kind falls under the rule."""
        return channel in self.channels and purpose in self.purposes and recipient in self.recipients


@dataclass(frozen=True, slots=True)
class Window:
    """Allowed from minute `opens` to minute `closes` of the recipient's day; closes_included: its first second too.

    On days that are not of its kind the window forbids nothing.
    """

    id: str
    scope: Scope
    opens: int
    closes: int
    closes_included: bool
    lifted_by_agreement: bool
    days: Days = Days.EVERY
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` counted contacts within `days` of the recipient's calendar days, the day of the proposal among them."""

    id: str
    scope: Scope
    counts: frozenset[Outcome]
    per: Per
    days: int
    most: int
    skips_consented: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """No contact about a debt for `days` calendar days from a conversation about it, whose day is the first."""

    id: str
    scope: Scope
    days: int
    skips_consented: bool


@dataclass(frozen=True, slots=True)
class ThirdPerson:
    """When somebody who owes nothing may be asked where the debtor is: after `failed` vain attempts in a row, or an invalid
    number, or when the debtor is dead or incapable; never after a refusal; never so that the debt becomes known."""

    id: str
    recipients: frozenset[Recipient]
    failed: int


@dataclass(frozen=True, slots=True)
class NeedsConsent:
    id: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class HoldRule:
    """What an open hold of one kind stops. How long it may stand is read in lending/rules/holds.py."""

    id: str
    kind: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Places:
    """Time zone of a region; `default` for a region that is not named, or for none."""

    default: str
    regions: Mapping[str, str]

    def zone_of(self, region: str) -> str:
        """Name of the time zone of a region."""
        return self.regions.get(region.strip().lower(), self.default)


@dataclass(frozen=True, slots=True)
class Policy:
    """The contact rules of one pack in force on one day, in the order of their ids; citations and statuses by rule id.

    calendar: whose public holidays count. recording_days: how long the recording of a call is kept. hash: SHA-256
    over the rules as read, so that a verdict can name the text that it was given under.
    """

    pack: str
    on: date
    windows: tuple[Window, ...]
    caps: tuple[Cap, ...]
    waits: tuple[Wait, ...]
    third: ThirdPerson | None
    consents: tuple[NeedsConsent, ...]
    holds: Mapping[str, HoldRule]
    citations: Mapping[str, Citation]
    statuses: Mapping[str, str]
    places: Places
    recording_days: int
    hash: bytes
    calendar: Calendar = NO_HOLIDAYS

    def window_on(self, window: Window, day: int) -> bool:
        """Whether a window speaks on a local day."""
        if window.days == Days.EVERY:
            return True
        return day in self.calendar.holidays or (window.days == Days.DAYS_OFF and not self.calendar.is_business_day(day))


def policy_read(pack: Pack, on: date) -> Policy:
    """The contact policy of a pack on a day. Raises PackError naming rule and key for values that cannot be read."""
    problems: list[str] = []
    made: dict[str, list[Any]] = {}
    used: list[Rule] = []
    for rule in pack:
        kind = next((k for k in _READERS if rule.id == k or rule.id.startswith(k + ".")), None)
        if kind is None or not rule.in_force(on):
            continue
        try:
            made.setdefault(kind, []).append(_READERS[kind](rule, Values(rule)))
            used.append(rule)
        except ValueError as error:
            problems.append(f"{rule.file}:{rule.line}: {rule.id}: {error}")
    if problems:
        raise PackError(problems)
    of = {kind: tuple(made.get(kind, ())) for kind in _READERS}
    days = _calendar(pack, of["contact.window"])
    texts = [days.name, *((r.id, r.valid_from, r.valid_to, _plain(r.values)) for r in used)]
    return Policy(
        pack=pack.name,
        on=on,
        windows=of["contact.window"],
        caps=of["contact.cap"],
        waits=of["contact.wait"],
        third=next(iter(of["contact.third_person"]), None),
        consents=of["contact.consent"],
        holds={h.kind: h for h in of["contact.hold"]},
        citations={r.id: r.citation for r in used},
        statuses={r.id: r.status for r in used},
        places=next(iter(of["contact.zone"]), Places("UTC", {})),
        calendar=days,
        recording_days=next(iter(of["contact.recording"]), RECORDING_DAYS),
        hash=hashlib.sha256(repr(texts).encode()).digest(),
    )


def _calendar(pack: Pack, windows: tuple[Window, ...]) -> Calendar:
    """The newest version of the calendar that the windows name (the pack's own name where they name none)."""
    telling = [w for w in windows if w.days != Days.EVERY]
    names = {w.calendar or pack.name for w in telling}
    if not names:
        return NO_HOLIDAYS
    if len(names) > 1:
        raise PackError([f"{telling[0].id}: windows of one pack share one calendar, not {', '.join(sorted(names))}"])
    try:
        return calendar(pack, names.pop())
    except NoRule as error:
        raise PackError([f"{w.id}: {error}" for w in telling]) from error


def _plain(value: Any) -> Any:
    """A value as text that is always the same: tables by key."""
    if isinstance(value, Mapping):
        return [(k, _plain(value[k])) for k in sorted(value)]
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


class Values:
    """The values of one rule, read by key: every key must be asked for, or it is unknown. Raises ValueError naming the key."""

    def __init__(self, rule: Rule) -> None:
        self.given: Mapping[str, Any] = rule.values
        self.asked: set[str] = set()

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        found = self._get(key, default)
        if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
            raise ValueError(f"{key} must be a whole number in {low}..{high}, not {found!r}")
        return found

    def truth(self, key: str) -> bool:
        """True or false; false when it is not there."""
        found = self._get(key, False)
        if not isinstance(found, bool):
            raise ValueError(f"{key} must be true or false, not {found!r}")
        return found

    def word(self, key: str, known: Mapping[str, Any]) -> Any:
        """What a known word stands for."""
        found = self._get(key, None)
        if found not in known:
            raise ValueError(f"{key} cannot be {found!r}; it is one of {', '.join(known)}")
        return known[found]

    def members(self, key: str, kind: type[E], default: frozenset[E]) -> frozenset[E]:
        """The named members of an enumeration; `default` when it is not there."""
        found = self._get(key, None) if key in self.given else None
        self.asked.add(key)
        if found is None:
            return default
        known = {m.name.lower(): m for m in kind}
        if not isinstance(found, tuple) or not found or any(f not in known for f in found):
            raise ValueError(f"{key} must be a list of {', '.join(known)}, not {found!r}")
        return frozenset(known[f] for f in found)

    def minute(self, key: str) -> int:
        """A clock time like "08:00", as minutes of the day."""
        found = self._get(key, None)
        parts = found.split(":") if isinstance(found, str) else []
        if len(parts) != 2 or not all(p.isdecimal() and len(p) == 2 for p in parts):
            raise ValueError(f'{key} must be a clock time like "08:00", not {found!r}')
        value = int(parts[0]) * 60 + int(parts[1])
        if value > DAY_MINUTES or int(parts[1]) > 59:
            raise ValueError(f"{key} must lie in 00:00..24:00, not {found}")
        return value

    def text(self, key: str) -> str:
        """A word that must be there."""
        found = self._get(key, None)
        if not isinstance(found, str) or not found:
            raise ValueError(f"{key} must be a word, not {found!r}")
        return found

    def table(self, key: str) -> Mapping[str, str]:
        """A table of words by word; empty when it is not there."""
        self.asked.add(key)
        found = self.given.get(key, {})
        if not isinstance(found, Mapping) or not all(isinstance(v, str) for v in found.values()):
            raise ValueError(f"{key} must be a table of words, not {found!r}")
        return {str(k).lower(): v for k, v in found.items()}

    def done(self) -> None:
        """Refuse a key that nobody asked for."""
        unknown = sorted(set(self.given) - self.asked)
        if unknown:
            raise ValueError(f"unknown key {unknown[0]}; keys are {', '.join(sorted(self.asked))}")

    def _get(self, key: str, default: Any) -> Any:
        self.asked.add(key)
        if key in self.given:
            return self.given[key]
        if default is None:
            raise ValueError(f"{key} is missing")
        return default

    def scope(self, purposes: frozenset[Purpose], recipients: frozenset[Recipient] = frozenset(Recipient)) -> Scope:
        """Channels, purposes and recipients that the rule speaks of."""
        return Scope(
            self.members("channels", Channel, frozenset(Channel)),
            self.members("purposes", Purpose, purposes),
            self.members("recipients", Recipient, recipients),
        )


COLLECTS = frozenset({Purpose.COLLECTION})


def _window(rule: Rule, v: Values) -> Window:
    opens, closes = v.minute("opens"), v.minute("closes")
    if opens >= closes:
        raise ValueError(f"opens must lie before closes, not {opens} and {closes} minutes")
    days = v.word("days", {d.name.lower(): d for d in Days}) if "days" in v.given else Days.EVERY
    included, lifted = v.truth("closes_included"), v.truth("lifted_by_agreement")
    named = v.text("calendar") if "calendar" in v.given else ""
    v.asked |= {"days", "calendar"}
    out = Window(rule.id, v.scope(COLLECTS), opens, closes, included, lifted, days, named)
    v.done()
    return out


def _cap(rule: Rule, v: Values) -> Cap:
    out = Cap(
        rule.id, v.scope(COLLECTS), v.word("counts", COUNTS), v.word("per", {p.name.lower(): p for p in Per}),
        v.whole("days", 1, 366), v.whole("most", 0, 1000), v.truth("skips_consented"),
    )  # fmt: skip
    v.done()
    return out


def _wait(rule: Rule, v: Values) -> Wait:
    out = Wait(rule.id, v.scope(COLLECTS), v.whole("days", 1, 366), v.truth("skips_consented"))
    v.done()
    return out


def _third(rule: Rule, v: Values) -> ThirdPerson:
    out = ThirdPerson(
        rule.id,
        v.members("recipients", Recipient, frozenset({Recipient.RELATED, Recipient.UNRELATED})),
        v.whole("failed", 1, 100),
    )
    v.done()
    return out


def _consent(rule: Rule, v: Values) -> NeedsConsent:
    out = NeedsConsent(rule.id, v.scope(COLLECTS))
    v.done()
    return out


def _hold(rule: Rule, v: Values) -> HoldRule:
    scope = v.scope(COLLECTS)
    if scope.purposes & {Purpose.STATUTORY, Purpose.REPLY}:
        raise ValueError("a hold never stops statutory notices or replies; leave them out of purposes")
    term = term_read(rule.id.removeprefix(HOLD_PREFIX), rule.values)
    v.asked.update(TERM_KEYS)
    v.done()
    return HoldRule(rule.id, term.kind, scope)


def _zone(rule: Rule, v: Values) -> Places:
    default, regions = v.text("default"), v.table("regions")
    v.done()
    return Places(default, regions)


def _recording(rule: Rule, v: Values) -> int:
    days = v.whole("days", 1, 36_600)
    v.done()
    return days


_READERS = {
    "contact.window": _window, "contact.cap": _cap, "contact.wait": _wait, "contact.third_person": _third,
    "contact.consent": _consent, "contact.hold": _hold, "contact.zone": _zone, "contact.recording": _recording,
}  # fmt: skip
