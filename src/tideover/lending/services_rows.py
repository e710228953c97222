"""Plain rows that every feature reads: holds, promises, disputes, complaints, help requests, consents.

Texts stay in their rows; the action log gets codes and numbers only.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.ids import handle_new
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import Complaint, Consent, Contract, Dispute, HelpRequest, Hold, Party, Promise
from tideover.lending.models.plain import OfParty

HELP_HOLD = "help_request"


def _add(model: Any, party: Party, contract: Contract | None, actor: str, **values: Any) -> Any:
    """Write a row and its log entry. Raises Refused when the party has no part in the loan."""
    if contract is not None and contract.borrower_id != party.pk and not contract.parties.filter(party=party).exists():
        raise refuse("not_their_loan", f"{party.reference} has no part in {contract.number}", "loan")
    what = model._meta.model_name
    with transaction.atomic():
        row = model.objects.create(party=party, contract=contract, actor=actor, recorded_at=clock.stamp(), **values)
        log(actor, f"{what}.add", "party", party.reference, {"id": row.pk})
    return row


def hold_place(
    party: Party, contract: Contract | None, *, kind: str, starts_at: datetime, ends_at: datetime | None = None,
    review_on: date | None = None, reason: str = "", actor: str,
) -> Hold:  # fmt: skip
    """Stop unrequested contact or another act. Raises Refused when it ends before it starts."""
    if ends_at is not None and ends_at <= starts_at:
        raise refuse("bad_dates", "a hold must end after it starts", "ends_at")
    return _add(Hold, party, contract, actor, kind=kind, starts_at=starts_at, ends_at=ends_at, review_on=review_on, reason=reason)


def promise_make(
    party: Party, contract: Contract | None, *, amount_minor: int, promised_on: date, due_on: date, actor: str
) -> Promise:
    """Record what somebody promised to pay and by when. Raises Refused when it is due before it was made."""
    if due_on < promised_on:
        raise refuse("bad_dates", "a promise cannot be due before it was made", "due_on")
    return _add(Promise, party, contract, actor, amount_minor=amount_minor, promised_on=promised_on, due_on=due_on)


def dispute_open(party: Party, contract: Contract | None, *, opened_on: date, subject: str, actor: str) -> Dispute:
    """Record that somebody contests a debt or a figure."""
    return _add(Dispute, party, contract, actor, opened_on=opened_on, subject=subject)


def complaint_open(
    party: Party, contract: Contract | None, *, source: str, opened_on: date, subject: str, actor: str
) -> Complaint:
    """Record a complaint and where it came from."""
    return _add(Complaint, party, contract, actor, source=source, opened_on=opened_on, subject=subject)


def help_request_open(party: Party, contract: Contract | None, *, reason: str, actor: str) -> HelpRequest:
    """Somebody asks for help: the request and the hold that it causes are written together or not at all."""
    with transaction.atomic():
        at = now()
        request = _add(HelpRequest, party, contract, actor, number=handle_new("H"), opened_at=at, reason=reason)
        hold_place(party, contract, kind=HELP_HOLD, starts_at=at, reason=request.number, actor=actor)
    return request


def consent_give(
    party: Party, contract: Contract | None, *, purpose: str, channel: str, given_at: datetime,
    expires_at: datetime | None, actor: str,
) -> Consent:  # fmt: skip
    """Record a consent for one purpose. Raises Refused when it expires before it is given."""
    if expires_at is not None and expires_at <= given_at:
        raise refuse("bad_dates", "a consent must expire after it is given", "expires_at")
    return _add(Consent, party, contract, actor, purpose=purpose, channel=channel, given_at=given_at, expires_at=expires_at)


CLOSED_BY = {
    Hold: "lifted_at", Promise: "withdrawn_at", Dispute: "closed_on", Complaint: "closed_on", HelpRequest: "closed_at",
    Consent: "withdrawn_at",
}  # fmt: skip
"""The column that says that a row no longer counts."""


def row_close(row: OfParty, *, on: date, actor: str) -> Any:
    """Lift, withdraw or close a row; closing a help request lifts the hold that it caused. Twice changes nothing.

    `on`: the business date, for rows that keep a date.
    """
    field = CLOSED_BY[type(row)]  # type: ignore[index]
    with transaction.atomic():
        locked = type(row).objects.select_for_update(of=("self",), no_key=True).get(pk=row.pk)
        if getattr(locked, field) is not None:
            return locked
        at = now()
        setattr(locked, field, on if field == "closed_on" else at)
        locked.save(update_fields=[field])
        if isinstance(locked, HelpRequest):
            Hold.objects.filter(party=locked.party_id, kind=HELP_HOLD, reason=locked.number, lifted_at=None).update(lifted_at=at)
        log(actor, f"{locked._meta.model_name}.close", "party", locked.party.reference, {"id": locked.pk})
    return locked
