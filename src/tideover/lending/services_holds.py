"""Holds: placed with what causes them, lifted with what ends them, reviewed by their owner within their longest length."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from tideover.core.action_log import Entry, log_many
from tideover.core.business_time import business_date, now
from tideover.core.packs.load import NoRule, pack
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import Contract, Hold, HoldReview, Party
from tideover.lending.rules.holds import HoldTerm, hold_end, hold_kinds, hold_term, review_day

REASON_MAX = 200


def jurisdiction_of(party: Party, contract: Contract | None) -> str:
    """The pack that speaks for a person: that of the loan's lender, else of the branch that keeps them."""
    return str(contract.entity.jurisdiction if contract is not None else party.branch.entity.jurisdiction)


def term_of(party: Party, contract: Contract | None, kind: str, at: datetime) -> HoldTerm:
    """Longest length, review and owner of a kind of hold. Raises Refused for a kind that neither house nor pack knows."""
    name, on = jurisdiction_of(party, contract), business_date(at)
    try:
        rules = pack(name)
    except NoRule:
        return HoldTerm(kind)
    known = hold_kinds(rules, on)
    if kind not in known:
        raise refuse("unknown_hold", f"there is no hold {kind}; holds are {', '.join(known)}", "kind")
    return hold_term(rules, kind, on)


def open_now(at: datetime) -> Q:
    """Holds in force at an instant."""
    return Q(lifted_at=None, starts_at__lte=at) & (Q(ends_at=None) | Q(ends_at__gt=at))


def hold_place(
    party: Party, contract: Contract | None, *, kind: str, starts_at: datetime, ends_at: datetime | None = None,
    reason: str = "", cause: str = "", actor: str,
) -> Hold:  # fmt: skip
    """Stop unrequested contact about a loan, or with the person. An open hold of the same kind, scope and cause is returned.

    The end is cut to the longest length of the kind; the review day follows from the kind. Raises Refused: unknown kind, it
    would end before it starts, or the party has no part in the loan.
    """
    if contract is not None and contract.borrower_id != party.pk and not contract.parties.filter(party=party).exists():
        raise refuse("not_their_loan", f"{party.reference} has no part in {contract.number}", "loan")
    term = term_of(party, contract, kind, starts_at)
    end = hold_end(term, starts_at, ends_at)
    if end is not None and end <= starts_at:
        raise refuse("bad_dates", "a hold must end after it starts", "ends_at")
    with transaction.atomic():
        clock.writing()
        if cause:
            before = Hold.objects.filter(open_now(starts_at), party=party, contract=contract, kind=kind, cause=cause).first()
            if before is not None:
                return before
        hold = Hold.objects.create(
            party=party, contract=contract, kind=kind, owner=term.owner, cause=cause, starts_at=starts_at, ends_at=end,
            review_on=review_day(term, business_date(starts_at)), reason=reason[:REASON_MAX], actor=actor,
            recorded_at=clock.stamp(joined=True),
        )  # fmt: skip
        _log(actor, "hold.add", [hold])
    return hold


def _log(actor: str, action: str, holds: Iterable[Hold]) -> None:
    entries = [Entry(action, "party", h.party.reference, {"id": h.pk, "kind": h.kind}) for h in holds]
    if entries:
        log_many(actor, entries)


def holds_lift(holds: QuerySet[Hold], *, why: str, actor: str, at: datetime | None = None) -> int:
    """Lift the open ones among these; how many. Lifting twice changes nothing."""
    with transaction.atomic():
        clock.writing()
        rows = list(holds.filter(lifted_at=None).select_for_update(of=("self",), no_key=True).select_related("party"))
        stamp = at or now()
        for hold in rows:
            hold.lifted_at, hold.lifted_by, hold.lifted_why = stamp, actor, why[:REASON_MAX]
            hold.save(update_fields=["lifted_at", "lifted_by", "lifted_why"])
        _log(actor, "hold.close", rows)
    return len(rows)


def cause_ends(cause: str, *, why: str, actor: str, at: datetime | None = None) -> int:
    """Lift what one cause (`promise:12`) placed; how many."""
    return holds_lift(Hold.objects.filter(cause=cause), why=why, actor=actor, at=at)


def hold_review(hold: Hold, *, act: str, reason: str, actor: str, ends_at: datetime | None = None) -> Hold:
    """Look at a hold: `keep` it as it is, `extend` it to `ends_at`, or `lift` it. Each review sets the next one.

    Raises Refused: no reason, an unknown act, it is lifted or has ended, or the new end is not later or lies beyond the longest
    length of its kind, counted from its start.
    """
    if not reason.strip():
        raise refuse("missing", "say why: whoever reads the hold later must understand it", "reason")
    if act not in dict(HoldReview.ACTS):
        raise refuse("bad_act", f"{act!r} is not one of keep, extend, lift", "act")
    with transaction.atomic():
        clock.writing()
        row = Hold.objects.select_for_update(of=("self",), no_key=True).select_related("party", "contract").get(pk=hold.pk)
        at = now()
        if row.lifted_at is not None or (row.ends_at is not None and row.ends_at <= at):
            raise refuse("not_open", "this hold no longer stands")
        term = term_of(row.party, row.contract, row.kind, at)
        if act == "extend":
            row.ends_at = _extended(row, term, ends_at)
        row.review_on = review_day(term, business_date(at))
        HoldReview.objects.create(
            hold=row, act=act, reason=reason.strip()[:REASON_MAX], ends_at=row.ends_at, review_on=row.review_on, at=at,
            actor=actor,
        )  # fmt: skip
        row.save(update_fields=["ends_at", "review_on"])
        if act == "lift":
            holds_lift(Hold.objects.filter(pk=row.pk), why=reason.strip(), actor=actor, at=at)
            row.refresh_from_db()
        else:
            _log(actor, f"hold.{act}", [row])
    return row


def _extended(row: Hold, term: HoldTerm, wanted: datetime | None) -> Any:
    if wanted is None or row.ends_at is None or wanted <= row.ends_at:
        raise refuse("bad_dates", "the new end must be later than the end it has", "ends_at")
    longest = hold_end(term, row.starts_at, wanted)
    if longest is not None and longest < wanted:
        days = term.days_max
        raise refuse("over_longest", f"a hold of this kind may stand {days} days, until {business_date(longest)}", "ends_at")
    return wanted
