"""The contact log: decisions of the gate and contacts that took place, by day, person, loan, channel and rule; its export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from tideover.contact.models import VerdictRow
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import User
from tideover.lending.models import ContactRecord, Contract
from tideover.lending.scope import rows_visible

COLUMNS = (
    "verdict", "at", "recorded_at", "person", "seq", "loans", "channel", "purpose", "recipient", "stage", "actor", "allowed",
    "rules", "sources", "next_at", "approval", "contact_at", "contact_outcome", "contact_seconds", "pack", "pack_on", "pack_hash",
    "hash",
)  # fmt: skip
"""Columns of the export, in order; JSON lines have `fired`, `facts` and `exempt` beside them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody looks for. first, last: business days of the contact; rule: its id; allowed: None for both."""

    first: date | None = None
    last: date | None = None
    person: str = ""
    loan: str = ""
    channel: str = ""
    rule: str = ""
    allowed: bool | None = None


def _common(rows: QuerySet[Any], asked: Asked) -> QuerySet[Any]:
    if asked.first:
        rows = rows.filter(at__gte=start_of_day(asked.first))
    if asked.last:
        rows = rows.filter(at__lt=start_of_day(asked.last + timedelta(days=1)))
    if asked.person:
        rows = rows.filter(party__reference=asked.person)
    if asked.channel:
        rows = rows.filter(channel=asked.channel)
    if asked.loan:
        contract = Contract.objects.filter(number=asked.loan).first()
        if contract is None:
            return rows.none()
        people = Q(party=contract.borrower_id) | Q(party__in=contract.parties.values("party"))
        rows = rows.filter(people).filter(
            Q(about="", contract=None) | Q(contract=contract) | Q(about__contains=f"|{contract.pk}|")
        )
    return rows


def verdicts_found(user: User, asked: Asked) -> QuerySet[VerdictRow]:
    """Decisions in the user's scope that fit, the newest first."""
    rows = _common(rows_visible(VerdictRow, user, business_date()), asked)
    if asked.rule:
        rows = rows.filter(fired_ids__contains=f"|{asked.rule}|")
    if asked.allowed is not None:
        rows = rows.filter(allowed=asked.allowed)
    return rows.select_related("party", "contract").order_by("-pk")


def contacts_found(user: User, asked: Asked) -> QuerySet[ContactRecord]:
    """Contacts in the user's scope that fit, the newest first."""
    rows = _common(rows_visible(ContactRecord, user, business_date()), asked)
    return rows.select_related("party", "contract").order_by("-at", "-pk")


def export_rows(verdicts: QuerySet[VerdictRow]) -> Iterator[dict[str, Any]]:
    """Each decision with its sources and the contact that followed, oldest first. Nothing personal but references."""
    batch: list[VerdictRow] = []
    for row in verdicts.order_by("pk").iterator(chunk_size=2000):
        batch.append(row)
        if len(batch) == 1000:
            yield from _export(batch)
            batch = []
    yield from _export(batch)


def _export(rows: list[VerdictRow]) -> Iterator[dict[str, Any]]:
    followed = {c.verdict_id: c for c in ContactRecord.objects.filter(verdict_id__in=[r.pk for r in rows])}
    for row in rows:
        contact = followed.get(row.pk)
        yield {
            "verdict": row.pk,
            "at": row.at.isoformat(),
            "recorded_at": row.recorded_at.isoformat(),
            "person": row.party.reference,
            "seq": row.seq,
            "loans": " ".join(row.facts["proposal"]["debts"] or []),
            "channel": row.channel,
            "purpose": row.purpose,
            "recipient": row.recipient,
            "stage": row.stage,
            "actor": row.actor,
            "allowed": row.allowed,
            "rules": " ".join(row.rules),
            "sources": "; ".join(f"{f['instrument']} {f['article']}" for f in row.fired),
            "next_at": row.next_at.isoformat() if row.next_at else "",
            "approval": row.approval,
            "contact_at": contact.at.isoformat() if contact else "",
            "contact_outcome": contact.outcome if contact else "",
            "contact_seconds": contact.seconds if contact and contact.seconds is not None else "",
            "pack": row.pack,
            "pack_on": row.pack_on.isoformat(),
            "pack_hash": bytes(row.pack_hash).hex(),
            "hash": bytes(row.hash).hex(),
            "fired": row.fired,
            "exempt": row.exempt,
            "facts": row.facts,
        }


def lines_csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The export as CSV (UTF-8, a header line)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    if out.getvalue():
        yield out.getvalue()


def lines_json(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The export as JSON lines, with facts."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


FORMATS = {"csv": (lines_csv, "text/csv"), "jsonl": (lines_json, "application/x-ndjson")}
