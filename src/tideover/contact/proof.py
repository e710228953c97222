"""How one person was contacted in a span of days, for whoever must prove it: each contact, and each rule kept or broken."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tideover.contact.facts import days_back, known_of, rows_of, seconds
from tideover.contact.gate import policy_for
from tideover.contact.models import VerdictRow
from tideover.contact.rules.local_time import local_day, local_second
from tideover.contact.rules.model import Channel, Zone
from tideover.contact.rules.policy import Policy
from tideover.contact.rules.proof import Kept, kept
from tideover.contact.words import cited, rule_words
from tideover.core.business_time import EPOCH, start_of_day
from tideover.core.cells import MARK, cell
from tideover.lending.models import ContactRecord, Contract, Party

SPAN_MAX = 366
COLUMNS = (
    "person", "at_local", "at_utc", "direction", "channel", "purpose", "recipient", "outcome", "seconds", "loans", "actor",
    "decision", "decision_allowed", "rules_broken",
)  # fmt: skip
"""Columns of the file, in order: one line a contact. Nothing personal but the person's reference."""


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule in words, where it is written, of how many contacts it speaks and how many broke it. seen: the hours or the
    largest number that occurred, as text; empty where it spoke of none. ways: the channels, empty for all of them."""

    rule: str
    says: str
    cited: str
    status: str
    spoke: int
    broken: int
    seen: str
    ways: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One contact: its row, the clock on the person's wall, whether the gate had allowed it (None: nobody asked), and the rules
    that it broke, in words."""

    row: ContactRecord
    local: str
    allowed: bool | None
    broken: tuple[str, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """All of it; first and last day inclusive; refused: decisions of the gate in the span that kept a contact from being made."""

    party: Party
    first: date
    last: date
    zone: str
    rules: tuple[RuleLine, ...]
    contacts: tuple[ContactLine, ...]
    refused: int
    pack: str

    @property
    def out(self) -> int:
        """How many contacts went out."""
        return sum(c.row.direction == "out" for c in self.contacts)

    @property
    def broken(self) -> int:
        """How many contacts broke at least one rule."""
        return sum(bool(c.rules) for c in self.contacts)

    @property
    def unasked(self) -> int:
        """How many contacts went out without a decision of the gate."""
        return sum(c.row.direction == "out" and c.allowed is None for c in self.contacts)


def proof_of(party: Party, contracts: list[Contract], first: date, last: date) -> Proof:
    """Every contact with a person from `first` to `last`, and the hours and numbers of the pack in force on the last day."""
    start, end = start_of_day(first), start_of_day(last + timedelta(days=1))
    policy = policy_for(party, contracts, end - timedelta(seconds=1))
    rows = rows_of([party.pk], end, days_back(policy) + (end - start).days)
    known = known_of(rows, party.pk, policy, {c.pk: c.number for c in contracts})
    past = rows.contacts.get(party.pk, [])
    span = [n for n, c in enumerate(past) if start <= c[1] < end]
    told = kept(policy, known.facts, known.history, span)
    broken: dict[int, list[str]] = {}
    for k in told:
        for n in k.broken:
            broken.setdefault(n, []).append(k.rule)
    stored = list(
        ContactRecord.objects.filter(party=party, at__gte=start, at__lt=end).select_related("contract").order_by("at", "pk")
    )
    answers = dict(VerdictRow.objects.filter(pk__in=[r.verdict_id for r in stored if r.verdict_id]).values_list("pk", "allowed"))
    lines = [
        ContactLine(
            row, _clock(known.facts.zone, row.at), answers.get(row.verdict_id) if row.verdict_id else None,
            tuple(rule_words(policy, rule) for rule in broken.get(n, ())), tuple(broken.get(n, ())),
        )
        for n, row in zip(span, stored, strict=True)
    ]  # fmt: skip
    refused = VerdictRow.objects.filter(party=party, at__gte=start, at__lt=end, allowed=False).count()
    return Proof(
        party, first, last, known.zone_name, tuple(_line(policy, k) for k in told), tuple(lines), refused, policy.pack
    )  # fmt: skip


def _line(policy: Policy, k: Kept) -> RuleLine:
    written = policy.citations.get(k.rule)
    seen = ""
    if k.first is not None and k.last is not None:
        seen = f"{_hours(k.first)}–{_hours(k.last)}"
    elif k.highest is not None and k.spoke:
        seen = f"{k.highest} / {k.most}"
    source = "" if written is None or written.instrument == "house rule" else cited(str(written))
    return RuleLine(
        k.rule,
        rule_words(policy, k.rule),
        source,
        policy.statuses.get(k.rule, "house"),
        len(k.spoke),
        len(k.broken),
        seen,
        _ways(policy, k.rule),
    )


def _ways(policy: Policy, rule: str) -> tuple[str, ...]:
    rules = (*policy.windows, *policy.caps, *policy.waits)
    channels = next(r.scope.channels for r in rules if r.id == rule)
    return () if len(channels) == len(Channel) else tuple(c.name.lower() for c in sorted(channels))


def _hours(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}"


def _clock(zone: Zone, at: datetime) -> str:
    second = seconds(at)
    return f"{EPOCH.date() + timedelta(days=local_day(zone, second))} {_hours(local_second(zone, second))}"


def proof_csv(proof: Proof) -> Iterator[str]:
    """The contacts as CSV (UTF-8 with a byte order mark, so that spreadsheets read it), a header line first."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for c in proof.contacts:
        r = c.row
        loans = "" if r.contract is None else r.contract.number
        row = [
            proof.party.reference, c.local, r.at.isoformat(), r.direction, r.channel, r.purpose, r.recipient, r.outcome,
            "" if r.seconds is None else r.seconds, loans, r.actor, r.verdict_id or "",
            "" if c.allowed is None else c.allowed, " ".join(c.rules),
        ]  # fmt: skip
        writer.writerow([cell(x) for x in row])
    yield MARK + out.getvalue()
