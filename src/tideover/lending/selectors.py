"""Reading the book: who sees which loans, and the standing of a loan on any day, as known at any time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Sum

from tideover.core.models import Document, Role, User
from tideover.core.packs.load import ladder
from tideover.core.problems import NotFound, Problem
from tideover.core.reach import Reach
from tideover.core.sql import rows_read
from tideover.engine.classify import classify
from tideover.engine.events import Event
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import NO_DAY, date_of
from tideover.lending.contract_terms import ladder_of
from tideover.lending.held import standing_held
from tideover.lending.models import Contract, Facility, Staff, StandingRow

BUCKETS = ((0, "current"), (30, "d1_30"), (60, "d31_60"), (90, "d61_90"), (180, "d91_180"))
BUCKET_ORDER = ("current", "d1_30", "d31_60", "d61_90", "d91_180", "d180p", "written_off", "closed")


def bucket_of(days_past_due: int) -> str:
    """The delinquency bucket of a live loan."""
    return next((code for upper, code in BUCKETS if days_past_due <= upper), "d180p")


POST = tuple(f.attname for f in Staff._meta.concrete_fields)


def post_of(user: User, on: date) -> Staff | None:
    """The staff member's post on a date; within one request it is read once."""
    if user.memo is None:
        return _post_of(user, on)
    if ("post", on) not in user.memo:
        user.memo["post", on] = _post_of(user, on)
    found: Staff | None = user.memo["post", on]
    return found


def _post_of(user: User, on: date) -> Staff | None:
    where = "user_id = %s AND valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)"
    day_ = connection.ops.adapt_datefield_value(on)
    found = next(rows_read(Staff, POST, where, [user.pk, day_, day_], "ORDER BY valid_from DESC, id DESC LIMIT 1"), None)
    return None if found is None else Staff.from_db(connection.alias, POST, found)


def reach_of(user: User, on: date) -> Reach | None:
    """The entity and branch of a person's post on a day, for the kit (core/reach.py)."""
    post = post_of(user, on)
    if post is None:
        return None
    entity = post.entity or (post.branch.entity if post.branch else None)
    return Reach(entity.code if entity else "", post.branch.code if post.branch else "")


def _scope(user: User, on: date) -> dict[str, Any] | None:
    """What a loan must be for a person to see it, as look-ups on Contract; None: they see none."""
    if user.role == Role.BORROWER:
        return {"borrower__user": user}
    post = post_of(user, on)
    if post is None:
        return None
    if user.role == Role.CUSTOMER_MANAGER:
        return {"manager": post.pk}
    if post.branch_id:
        return {"branch": post.branch_id}
    return {"entity": post.entity_id} if post.entity_id else {}


def contracts_visible(user: User, on: date) -> QuerySet[Contract]:
    """The loans that a person may see: borrowers their own, staff those of their post's scope."""
    scope = _scope(user, on)
    return Contract.objects.none() if scope is None else Contract.objects.filter(**scope)


COLUMN_OF = {
    "borrower__user": "borrower_id IN (SELECT id FROM lending_party WHERE user_id = %s)", "manager": "manager_id = %s",
    "branch": "branch_id = %s", "entity": "entity_id = %s",
}  # fmt: skip


def contracts_where(user: User, on: date) -> tuple[str, list[Any]]:
    """The loans that a person may see as an SQL condition on columns of a contract, with its parameters (core/sql.py)."""
    scope = _scope(user, on)
    if scope is None:
        return "1 = 0", []
    said = [COLUMN_OF[name] for name in scope]
    return " AND ".join(said) or "1 = 1", [v.pk if isinstance(v, User) else v for v in scope.values()]


def standings_visible(user: User, on: date) -> QuerySet[StandingRow]:
    """The standings of the visible loans; the scope is joined, so that a page of a large book reads no more than its rows."""
    scope = _scope(user, on)
    rows = StandingRow.objects.all()
    return rows.none() if scope is None else rows.filter(**{f"contract__{k}": v for k, v in scope.items()})


def contract_get(user: User, number: str, on: date) -> Contract:
    """One visible loan by number. Raises NotFound for others, so that numbers cannot be probed."""
    found = contracts_visible(user, on).select_related("product", "borrower", "branch", "entity", "manager").filter(number=number)
    contract = found.first()
    if contract is None:
        raise NotFound(Problem("no_such_loan", f"there is no loan {number} in your scope", "number"))
    return contract


def facility_available(facility: Facility) -> int:
    """What can still be drawn: limit less unpaid principal of the drawdowns (minor), 0 when frozen; never negative.

    A list annotates `drawn_minor`, so that it does not ask once a row.
    """
    if hasattr(facility, "drawn_minor"):
        drawn = facility.drawn_minor or 0
    else:
        drawn = StandingRow.objects.filter(contract__facility=facility).aggregate(sum=Sum("principal_minor"))["sum"] or 0
    return 0 if facility.frozen else max(0, facility.limit_minor - drawn)


def loan_standing(
    contract: Contract,
    as_of: date,
    known_at: datetime | None = None,
    *,
    what_if: list[Event] | None = None,
    depth: Depth = Depth.TRACE,
) -> Standing:
    """The standing on a day by whoever's figures hold (held.py), from what was recorded by `known_at` (everything when None),
    plus hypothetical events."""
    return standing_held(contract, as_of, known_at, what_if=what_if or (), depth=depth).standing


def documents_visible(user: User, on: date) -> QuerySet[Document]:
    """The documents about loans that a person may see."""
    numbers = contracts_visible(user, on).values("number")
    return Document.objects.filter(subject_type="loan", subject_id__in=numbers).select_related("superseded_by")


def document_get(user: User, number: str, on: date) -> Document:
    """One visible document by number. Raises NotFound for others, so that numbers cannot be probed."""
    found = documents_visible(user, on).filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_document", f"there is no document {number} in your scope", "number"))
    return found


def loan_status(standing: Standing) -> str:
    """active, overdue, paid_off or written_off."""
    if standing.payoff_minor <= 0 and not standing.row_outstanding_minor:
        return "paid_off"
    if standing.is_written_off:
        return "written_off"
    return "overdue" if standing.days_past_due > 0 else "active"


def five_category(standing: Standing, contract: Contract) -> str:
    """The class by the ladder of the contract's lender (and product) in force on the day of the standing."""
    lender = contract.entity
    over = ladder(lender.jurisdiction, lender.lender_type, date_of(standing.as_of), ladder_of(contract))
    return classify(standing.days_past_due, over, standing.class_min)


def standing_fields(standing: Standing, contract: Contract) -> dict[str, Any]:
    """Columns of the standing cache (StandingRow without its contract); reads the contract's entity and product."""
    status = loan_status(standing)
    bucket = {"paid_off": "closed", "written_off": "written_off"}.get(status, bucket_of(standing.days_past_due))
    return {
        "as_of": date_of(standing.as_of),
        "loan_status": status,
        "five_category": "normal" if status == "paid_off" else five_category(standing, contract),
        "bucket": bucket,
        "days_past_due": standing.days_past_due,
        "principal_minor": standing.principal_minor,
        "interest_minor": standing.interest_minor,
        "accrued_minor": standing.accrued_minor,
        "penalty_minor": standing.penalty_minor,
        "compound_minor": standing.compound_minor,
        "fee_minor": standing.fee_minor + standing.third_party_fee_minor,
        "recovery_cost_minor": standing.recovery_cost_minor,
        "surplus_minor": standing.surplus_minor,
        "payoff_minor": standing.payoff_minor,
        "overdue_minor": standing.total_overdue_minor,
        "oldest_due_on": None if standing.oldest_due_on == NO_DAY else date_of(standing.oldest_due_on),
        "next_due_on": None if standing.next_due_on == NO_DAY else date_of(standing.next_due_on),
        "next_due_minor": standing.next_due_minor,
    }
