"""Plain rows that every feature reads: promises, disputes, complaints, help requests, notices; each with the hold it causes.

Texts stay in their rows; the action log gets codes and numbers only.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import now, start_of_day
from tideover.core.ids import handle_new
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import Complaint, Contract, Dispute, HelpRequest, Hold, Notice, Party, Promise
from tideover.lending.models.plain import OfParty
from tideover.lending.services_holds import cause_ends, hold_place


def _add(model: Any, party: Party, contract: Contract | None, actor: str, **values: Any) -> Any:
    """Write a row and its log entry. Raises Refused when the party has no part in the loan."""
    if contract is not None and contract.borrower_id != party.pk and not contract.parties.filter(party=party).exists():
        raise refuse("not_their_loan", f"{party.reference} has no part in {contract.number}", "loan")
    what = model._meta.model_name
    with transaction.atomic():
        row = model.objects.create(party=party, contract=contract, actor=actor, recorded_at=clock.stamp(), **values)
        log(actor, f"{what}.add", "party", party.reference, {"id": row.pk})
    return row


def cause_of(row: OfParty) -> str:
    """How a hold names the row behind it."""
    return f"{row._meta.model_name}:{row.pk}"


def _hold(row: OfParty, kind: str, starts_at: datetime, *, ends_at: datetime | None = None, reason: str = "") -> None:
    hold_place(
        row.party, row.contract, kind=kind, starts_at=starts_at, ends_at=ends_at, reason=reason, cause=cause_of(row),
        actor=row.actor,
    )  # fmt: skip


def promise_make(
    party: Party, contract: Contract | None, *, amount_minor: int, promised_on: date, due_on: date, actor: str
) -> Promise:
    """Record what somebody promised to pay and by when, with the hold to the end of that day.

    Raises Refused when it is due before it was made.
    """
    if due_on < promised_on:
        raise refuse("bad_dates", "a promise cannot be due before it was made", "due_on")
    with transaction.atomic():
        promise = _add(Promise, party, contract, actor, amount_minor=amount_minor, promised_on=promised_on, due_on=due_on)
        promise_hold(promise)
    return promise


def promise_hold(promise: Promise) -> None:
    """The hold of a live promise, from now to the end of its day; none for one that is past."""
    at, end = now(), start_of_day(promise.due_on + timedelta(days=1))
    if promise.withdrawn_at is None and promise.kept_at is None and at < end:
        _hold(promise, "live_promise", at, ends_at=end)


def imported_hold(row: Promise | Complaint) -> None:
    """The hold of a promise or a complaint that came in a file, in the transaction that stores it: none for one that is over."""
    if isinstance(row, Promise):
        promise_hold(row)
    elif row.closed_on is None:
        _hold(row, "complaint", now())


def dispute_open(party: Party, contract: Contract | None, *, opened_on: date, subject: str, actor: str) -> Dispute:
    """Record that somebody contests a debt or a figure, with the hold that it causes."""
    with transaction.atomic():
        dispute = _add(Dispute, party, contract, actor, opened_on=opened_on, subject=subject)
        _hold(dispute, "dispute", now())
    return dispute


def complaint_open(
    party: Party, contract: Contract | None, *, source: str, opened_on: date, subject: str, actor: str
) -> Complaint:
    """Record a complaint and where it came from, with the hold that it causes."""
    with transaction.atomic():
        complaint = _add(Complaint, party, contract, actor, source=source, opened_on=opened_on, subject=subject)
        _hold(complaint, "complaint", now())
    return complaint


def help_request_open(party: Party, contract: Contract | None, *, reason: str, actor: str) -> HelpRequest:
    """Somebody asks for help: the request and the hold that it causes are written together or not at all.

    The hold is about the person: who cannot pay one loan is not asked for another while they wait for an answer.
    """
    with transaction.atomic():
        at = now()
        request = _add(HelpRequest, party, contract, actor, number=handle_new("H"), opened_at=at, reason=reason)
        hold_place(
            party, None, kind="hardship_request", starts_at=at, reason=request.number, cause=cause_of(request), actor=actor
        )
    return request


def notice_receive(
    party: Party, contract: Contract | None, *, kind: str, received_on: date, source: str, reference: str = "",
    until: date | None = None, actor: str,
) -> Notice:  # fmt: skip
    """Record a death, lost capacity, insolvency, a request to be left alone or a breathing space, with the hold of that kind.

    `until`: the last day of a breathing space. Raises Refused for an unknown kind or an end before the start.
    """
    if kind not in Notice.KINDS:
        raise refuse("unknown_notice", f"there is no notice of {kind}; notices are of {', '.join(Notice.KINDS)}", "kind")
    if until is not None and until < received_on:
        raise refuse("bad_dates", "a notice cannot end before it was received", "until")
    with transaction.atomic():
        values = {"kind": kind, "received_on": received_on, "source": source, "reference": reference, "until": until}
        notice = _add(Notice, party, contract, actor, **values)
        _hold(notice, kind, now(), ends_at=None if until is None else start_of_day(until + timedelta(days=1)))
    return notice


CLOSED_BY = {
    Hold: "lifted_at", Promise: "withdrawn_at", Dispute: "closed_on", Complaint: "closed_on", HelpRequest: "closed_at",
    Notice: "closed_at",
}  # fmt: skip
"""The column that says that a row no longer counts."""


def row_close(row: OfParty, *, on: date, actor: str) -> Any:
    """Withdraw or close a row and lift the hold that it caused. Twice changes nothing.

    `on`: the business date, for rows that keep a date.
    """
    field = CLOSED_BY[type(row)]  # type: ignore[index]
    with transaction.atomic():
        clock.writing()
        locked = type(row).objects.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
        if getattr(locked, field) is not None:
            return locked
        setattr(locked, field, on if field == "closed_on" else now())
        locked.save(update_fields=[field])
        cause_ends(cause_of(locked), why="its cause is closed", actor=actor)
        log(actor, f"{locked._meta.model_name}.close", "party", locked.party.reference, {"id": locked.pk})
    return locked
