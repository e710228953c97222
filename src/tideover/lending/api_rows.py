"""REST of the plain rows: holds, promises, disputes, complaints, help requests, notices. One shape for all: add, list, close."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from django.db.models import Model
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Problem
from tideover.core.rest import (
    ID_MAX,
    Amount,
    Code,
    Cursor,
    Day,
    Instant,
    Limit,
    Money,
    Strict,
    decimal,
    minor,
    one_of,
    page_of,
    route,
)
from tideover.lending import services_rows as services
from tideover.lending.models import Complaint, Dispute, HelpRequest, Hold, Notice, Promise
from tideover.lending.rules.holds import KINDS as HOLD_KINDS
from tideover.lending.scope import parties_reachable, rows_visible
from tideover.lending.selectors import contracts_visible
from tideover.lending.services_holds import hold_place, hold_review

# No `from __future__ import annotations` here: operations are made in a loop, so annotations must be the classes themselves.

router = Router(tags=["holds, promises, complaints, help, notices"])
RowId = Annotated[int, Field(ge=1, le=ID_MAX)]


class RowIn(Strict):
    party: str = Field(max_length=20, description="reference of the party")
    loan: str | None = Field(None, max_length=30, description="number of the loan it is about; null: the person as such")


class RowOut(Schema):
    id: int
    party: str
    loan: str | None
    actor: str
    recorded_at: datetime
    open: bool


class HoldIn(RowIn):
    kind: str = Field(max_length=30, description=f"{', '.join(HOLD_KINDS)}, or another of the pack")
    starts_at: Instant
    ends_at: Instant | None = Field(None, description="cut to the longest length of the kind")
    reason: str = Field("", max_length=200)


class HoldOut(RowOut):
    kind: str
    owner: str
    cause: str
    starts_at: datetime
    ends_at: datetime | None
    review_on: date | None
    reason: str
    lifted_at: datetime | None
    lifted_why: str


class PromiseIn(RowIn):
    amount: Money
    promised_on: Day
    due_on: Day


class PromiseOut(RowOut):
    amount: Amount
    promised_on: date
    due_on: date
    withdrawn_at: datetime | None
    kept_at: datetime | None


class DisputeIn(RowIn):
    opened_on: Day
    subject: str = Field(min_length=1, max_length=80)


class DisputeOut(RowOut):
    opened_on: date
    closed_on: date | None
    subject: str


class ComplaintIn(DisputeIn):
    source: Code


class ComplaintOut(DisputeOut):
    source: str


class HelpIn(RowIn):
    reason: str = Field("", max_length=40)


class HelpOut(RowOut):
    number: str
    opened_at: datetime
    closed_at: datetime | None
    reason: str


class NoticeIn(RowIn):
    kind: str = Field(max_length=30, description=", ".join(Notice.KINDS))
    received_on: Day
    until: Day | None = Field(None, description="last day of a breathing space")
    source: str = Field(min_length=1, max_length=40)
    reference: str = Field("", max_length=80)


class NoticeOut(RowOut):
    kind: str
    received_on: date
    until: date | None
    source: str
    reference: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of row: its address, what it is, how it is written and shown."""

    path: str
    words: str
    model: type[Model]
    add: Callable[..., Any]
    body: type[RowIn]
    out: type[RowOut]
    closed: str
    close: Callable[..., Any]


def _shape(path: str, words: str, model: Any, add: Callable[..., Any], body: type[RowIn], out: type[RowOut]) -> Kind:
    return Kind(path, words, model, add, body, out, services.CLOSED_BY[model], services.row_close)


KINDS = (
    _shape("holds", "a hold: a stop on unrequested contact", Hold, hold_place, HoldIn, HoldOut),
    _shape("promises", "a promise to pay, with the hold it causes", Promise, services.promise_make, PromiseIn, PromiseOut),
    _shape(
        "disputes", "a dispute of a debt or a figure, with the hold it causes", Dispute, services.dispute_open, DisputeIn,
        DisputeOut,
    ),
    _shape("complaints", "a complaint, with the hold it causes", Complaint, services.complaint_open, ComplaintIn, ComplaintOut),
    _shape(
        "help-requests", "a request for help, with the hold it causes", HelpRequest, services.help_request_open, HelpIn, HelpOut
    ),
    _shape(
        "notices", "a notice of death, incapacity, insolvency, a wish to be left alone or a breathing space, with its hold",
        Notice, services.notice_receive, NoticeIn, NoticeOut,
    ),
)  # fmt: skip


def _out(kind: Kind) -> Callable[[Any], dict[str, Any]]:
    own = [f for f in kind.out.model_fields if f not in RowOut.model_fields]

    def show(row: Any) -> dict[str, Any]:
        shown = {f: decimal(row.amount_minor) if f == "amount" else getattr(row, f) for f in own}
        common = {
            "id": row.pk,
            "party": row.party.reference,
            "loan": row.contract.number if row.contract else None,
            "actor": row.actor,
            "recorded_at": row.recorded_at,
            "open": getattr(row, kind.closed) is None,
        }
        return {**common, **shown}

    return show


def rows_register(router: Router, kind: Kind) -> None:
    """Put the addresses of a kind of row into a router."""
    show = _out(kind)
    page = type(
        f"{kind.model.__name__}Page", (Schema,), {"__annotations__": {"items": list[kind.out], "next_cursor": int | None}}
    )

    def listed(
        request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "", loan: str = "", open: bool | None = None
    ) -> Any:
        rows = rows_visible(kind.model, request.user, business_date()).select_related("party", "contract")
        rows = rows.filter(party__reference=party) if party else rows
        rows = rows.filter(contract__number=loan) if loan else rows
        rows = rows.filter(**{f"{kind.closed}__isnull": open}) if open is not None else rows
        page = page_of(rows, cursor, limit, show)
        named = ("loan", loan) if loan else ("party", party)
        log(request.user.username, f"{kind.model._meta.model_name}.list", *named, {"found": len(page["items"])})
        return page

    def added(request: HttpRequest, body: kind.body) -> Any:  # type: ignore[name-defined]
        user, today, values = request.user, business_date(), body.dict()
        party = one_of(parties_reachable(user, today), "party", "party", reference=values.pop("party"))
        number = values.pop("loan")
        loan = None if number is None else one_of(contracts_visible(user, today), "loan", "loan", number=number)
        if "amount" in values:
            values["amount_minor"] = minor(values.pop("amount"))
        return show(kind.add(party, loan, **values, actor=user.username))

    def closes(request: HttpRequest, row_id: RowId) -> Any:
        row = rows_visible(kind.model, request.user, business_date()).filter(pk=row_id).first()
        if row is None:
            raise NotFound(Problem("no_such_row", f"there is no {kind.path} {row_id} in your scope", "row_id"))
        return show(kind.close(row, on=business_date(), actor=request.user.username))

    listed.__doc__ = f"List: {kind.words}. `open`: only what still counts, or only what does not. Logged."
    added.__doc__ = f"Add {kind.words}."
    closes.__doc__ = f"Close, lift or withdraw {kind.words}; twice changes nothing."
    route(router.get, f"/{kind.path}", f"{kind.path}-list", page)(listed)
    route(router.post, f"/{kind.path}", f"{kind.path}-add", kind.out)(added)
    if kind.model is not Hold:  # a hold by itself is lifted by a review, which says why
        route(router.post, f"/{kind.path}/{{row_id}}/close", f"{kind.path}-close", kind.out)(closes)


for one in KINDS:
    rows_register(router, one)


class ReviewIn(Strict):
    act: str = Field(max_length=10, description="keep, extend or lift")
    reason: str = Field(min_length=1, max_length=200)
    ends_at: Instant | None = Field(None, description="the new end, to extend")


def reviewed(request: HttpRequest, row_id: RowId, body: ReviewIn) -> Any:
    """Look at a hold: keep it, extend it within the longest length of its kind, or lift it."""
    row = rows_visible(Hold, request.user, business_date()).filter(pk=row_id).first()
    if row is None:
        raise NotFound(Problem("no_such_row", f"there is no holds {row_id} in your scope", "row_id"))
    found = hold_review(row, act=body.act, reason=body.reason, ends_at=body.ends_at, actor=request.user.username)
    return _out(KINDS[0])(found)


route(router.post, "/holds/{row_id}/review", "holds-review", HoldOut)(reviewed)
