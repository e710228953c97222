"""What the demo lender does about its loans: plans, waivers, acceleration, write-off, guarantors, and the rows that people leave.

Chosen by the loan's own number, so that the same book gives the same acts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from tideover.core.business_time import micros, start_of_day
from tideover.engine.events import EventKind
from tideover.engine.standing import Standing
from tideover.engine.terms import day
from tideover.lending.imports.bulk import BulkEvent
from tideover.lending.models import (
    Collateral,
    Contract,
    Hold,
    LoanParty,
    StandingRow,
)
from tideover.lending.services_rows import complaint_open, dispute_open, help_request_open, notice_receive, promise_make


def event(
    kind: EventKind, on: date, at: datetime, amount_minor: int, key: str, actor: str, extra: dict[str, Any] | None = None
) -> BulkEvent:
    """One event for the bulk path."""
    return BulkEvent(int(kind), day(on), amount_minor, key, extra, micros(at), actor)


def acts(c: Contract, standing: Standing, as_of: date) -> Iterator[BulkEvent]:
    """What the lender did about one loan in arrears; nothing for most."""
    late, pick, at = standing.days_past_due, c.pk % 10, start_of_day(as_of)
    key = f"demo:{c.number}:after"

    def said(nr: int, kind: EventKind, days_ago: int, actor: str, amount: int = 0, **extra: Any) -> BulkEvent:
        return event(kind, as_of - timedelta(days=days_ago), at, amount, f"{key}{nr}", actor, extra or None)

    if late > 270 and pick < 5:
        yield said(1, EventKind.ACCELERATION, 30, "legal")
        yield said(2, EventKind.WRITE_OFF, 20, "finance")
        if pick < 2:
            yield said(3, EventKind.PAYMENT, 3, "payments", amount=max(100, standing.principal_minor // 20))
    elif late > 90 and _guaranteed(c):
        yield said(1, EventKind.GUARANTOR_PAYMENT, 5, "legal", shares=[["principal", 1, 2], ["interest", 1, 2]])
    elif late > 90 and pick == 6:
        yield said(1, EventKind.ACCELERATION, 10, "legal")
    elif 30 < late <= 180 and pick < 3 and c.instalments:
        yield said(1, EventKind.DEFER, 2, "counsellor", rows=3, defer_interest="spread")
        yield said(2, EventKind.WAIVER, 2, "counsellor", amount=-1, component="penalty")
    elif 30 < late <= 180 and pick < 7 and c.instalments:
        first = (as_of + timedelta(days=30)).isoformat()
        yield said(1, EventKind.REAMORTISE, 1, "counsellor", rows=18, from_day=first, components=["interest", "penalty"])
        yield said(2, EventKind.RESTRUCTURE, 1, "counsellor", class_min="special_mention")
    elif 10 < late <= 60 and pick == 8:
        yield said(1, EventKind.PAUSE, 1, "counsellor", until=(as_of + timedelta(days=20)).isoformat(), pause_what=2)


def _guaranteed(c: Contract) -> bool:
    return c.pk % 6 == 0 and c.borrower.kind == "enterprise"


def securities(contracts: list[Contract]) -> None:
    """A guarantor for every sixth loan of an enterprise, a shop or flat behind some of the others."""
    of_shops = [c for c in contracts if c.borrower.kind == "enterprise"]
    neighbours = {c.pk: of_shops[(i + 7) % len(of_shops)].borrower for i, c in enumerate(of_shops)}
    guarantors = [
        LoanParty(
            contract=c, party=neighbours[c.pk], role="guarantor_joint", cap_minor=c.principal_minor, valid_from=c.signed_on
        )
        for c in of_shops
        if _guaranteed(c) and neighbours[c.pk].pk != c.borrower_id
    ]  # fmt: skip
    LoanParty.objects.bulk_create(guarantors, batch_size=1000)
    things = [
        Collateral(contract=c, kind="shop", value_minor=c.principal_minor * 2, valued_on=c.signed_on)
        for c in of_shops
        if c.pk % 6 == 3
    ]
    Collateral.objects.bulk_create(things, batch_size=1000)


NOTICES = ("death", "incapacity", "cease_contact", "breathing_space")


def rows_left(as_of: date) -> None:
    """Promises, help requests, complaints, disputes and notices on loans in arrears, each with the hold it causes."""
    late = StandingRow.objects.filter(days_past_due__gt=0).order_by("contract_id")
    book = late.select_related("contract__borrower__branch__entity", "contract__entity")
    for n, row in enumerate(book):
        contract, who = row.contract, row.contract.borrower
        if n % 5 == 0:
            promise_make(
                who, contract, amount_minor=max(100, row.overdue_minor // 2), promised_on=as_of - timedelta(days=5),
                due_on=as_of + timedelta(days=n % 7 - 3), actor="collector",
            )  # fmt: skip
        if n % 11 == 0:
            help_request_open(who, contract, reason="", actor="borrower")
        if n % 17 == 3:
            opened_on = as_of - timedelta(days=n % 12)
            complaint_open(who, contract, source="phone", opened_on=opened_on, subject="tone", actor="borrower")
        if n % 19 == 5:
            dispute_open(who, contract, opened_on=as_of - timedelta(days=n % 9), subject="amount", actor="borrower")
        if n % 29 == 8:
            notice_receive(
                who, None, kind=NOTICES[n // 29 % len(NOTICES)], received_on=as_of, source="family", actor="counsellor",
                until=as_of + timedelta(days=30) if NOTICES[n // 29 % len(NOTICES)] == "breathing_space" else None,
            )  # fmt: skip
    for hold in Hold.objects.order_by("pk")[::7]:  # some have waited for their review
        hold.review_on = as_of - timedelta(days=hold.pk % 4)
        hold.starts_at -= timedelta(days=9)
        hold.save(update_fields=["review_on", "starts_at"])
