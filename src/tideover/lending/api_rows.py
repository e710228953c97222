"""REST of the plain rows: holds, promises, disputes, complaints, help requests, consents. One shape for all: add, list, close."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

from django.db.models import Model
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AwareDatetime, Field

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.problems import NotFound, Problem
from tideover.core.rest import ID_MAX, Amount, Code, Cursor, Day, Limit, Money, Strict, decimal, minor, one_of, page_of, route
from tideover.lending import services_rows as services
from tideover.lending.models import Complaint, Consent, Dispute, HelpRequest, Hold, Promise
from tideover.lending.scope import parties_reachable, rows_visible
from tideover.lending.selectors import contracts_visible

# No `from __future__ import annotations` here: operations are made in a loop, so annotations must be the classes themselves.

router = Router(tags=["holds, promises, complaints, help, consents"])
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
    kind: Code
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    review_on: Day | None = None
    reason: str = Field("", max_length=200)


class HoldOut(RowOut):
    kind: str
    starts_at: datetime
    ends_at: datetime | None
    review_on: date | None
    reason: str
    lifted_at: datetime | None


class PromiseIn(RowIn):
    amount: Money
    promised_on: Day
    due_on: Day


class PromiseOut(RowOut):
    amount: Amount
    promised_on: date
    due_on: date
    withdrawn_at: datetime | None


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


class ConsentIn(RowIn):
    purpose: Code
    channel: str = Field("", max_length=20)
    given_at: AwareDatetime
    expires_at: AwareDatetime | None = None


class ConsentOut(RowOut):
    purpose: str
    channel: str
    given_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of row: its address, what it is, how it is written and shown."""

    path: str
    words: str
    model: type[Model]
    add: Callable[..., Any]
    body: type[RowIn]
    out: type[RowOut]


KINDS = (
    Kind("holds", "a hold: a stop on unrequested contact or another act", Hold, services.hold_place, HoldIn, HoldOut),
    Kind("promises", "a promise to pay", Promise, services.promise_make, PromiseIn, PromiseOut),
    Kind("disputes", "a dispute of a debt or a figure", Dispute, services.dispute_open, DisputeIn, DisputeOut),
    Kind("complaints", "a complaint", Complaint, services.complaint_open, ComplaintIn, ComplaintOut),
    Kind(
        "help-requests", "a request for help, with the hold it causes", HelpRequest, services.help_request_open, HelpIn, HelpOut
    ),
    Kind("consents", "a consent for one purpose", Consent, services.consent_give, ConsentIn, ConsentOut),
)


def _out(kind: Kind) -> Callable[[Any], dict[str, Any]]:
    closed = services.CLOSED_BY[kind.model]  # type: ignore[index]
    own = [f for f in kind.out.model_fields if f not in RowOut.model_fields]

    def show(row: Any) -> dict[str, Any]:
        shown = {f: decimal(row.amount_minor) if f == "amount" else getattr(row, f) for f in own}
        common = {
            "id": row.pk,
            "party": row.party.reference,
            "loan": row.contract.number if row.contract else None,
            "actor": row.actor,
            "recorded_at": row.recorded_at,
            "open": getattr(row, closed) is None,
        }
        return {**common, **shown}

    return show


def _register(kind: Kind) -> None:
    show, closed = _out(kind), services.CLOSED_BY[kind.model]  # type: ignore[index]
    page = type(
        f"{kind.model.__name__}Page", (Schema,), {"__annotations__": {"items": list[kind.out], "next_cursor": int | None}}
    )

    def listed(
        request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "", loan: str = "", open: bool | None = None
    ) -> Any:
        rows = rows_visible(kind.model, request.user, business_date()).select_related("party", "contract")
        rows = rows.filter(party__reference=party) if party else rows
        rows = rows.filter(contract__number=loan) if loan else rows
        rows = rows.filter(**{f"{closed}__isnull": open}) if open is not None else rows
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
        return show(services.row_close(row, on=business_date(), actor=request.user.username))

    listed.__doc__ = f"List: {kind.words}. `open`: only what still counts, or only what does not. Logged."
    added.__doc__ = f"Add {kind.words}."
    closes.__doc__ = f"Close, lift or withdraw {kind.words}; twice changes nothing."
    route(router.get, f"/{kind.path}", f"{kind.path}-list", page)(listed)
    route(router.post, f"/{kind.path}", f"{kind.path}-add", kind.out)(added)
    route(router.post, f"/{kind.path}/{{row_id}}/close", f"{kind.path}-close", kind.out)(closes)


for one in KINDS:
    _register(one)
