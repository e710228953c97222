"""REST beside a core: breaks, files of the core by day, instructions."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import refuse
from tideover.core.rest import Amount, Cursor, Limit, Strict, decimal, page_of, route
from tideover.engine.events import EventKind
from tideover.lending.beside.breaks import age_days
from tideover.lending.beside.selectors import (
    Broken,
    break_get,
    breaks_visible,
    entities_overlay,
    file_days,
    instructions_visible,
)
from tideover.lending.beside.services import break_accept, break_mend, broken_get
from tideover.lending.models import Break, Instruction
from tideover.lending.models.beside import BREAK_STATES, CAUSES, INSTRUCTION_STATES

router = Router(tags=["beside a core"])


class BreakOut(Schema):
    """A component that differs. Figures are money, but for `days_past_due`, where they are days; null: that side has none."""

    id: int
    loan_id: str
    component: str
    first_day: date
    last_day: date
    age_days: int
    core: Amount | None
    replay: Amount | None
    amount: Amount
    cause: str
    cause_day: date | None
    mend: str
    mend_with: dict[str, Any]
    state: str
    reason: str


class BreakPage(Schema):
    items: list[BreakOut]
    next_cursor: int | None


def break_out(b: Break) -> dict[str, Any]:
    """A break as JSON."""
    figure = str if b.component == "days_past_due" else decimal
    return {
        "id": b.pk, "loan_id": b.number, "component": b.component, "first_day": b.first_on, "last_day": b.last_on,
        "age_days": age_days(b, business_date()), "core": None if b.core_minor is None else figure(b.core_minor),
        "replay": None if b.replay_minor is None else figure(b.replay_minor), "amount": figure(b.amount_minor),
        "cause": b.cause, "cause_day": b.cause_on, "mend": b.mend, "mend_with": b.mend_with, "state": b.state,
        "reason": b.reason,
    }  # fmt: skip


@route(router.get, "/breaks", "breaks-list", BreakPage)
def breaks_list(
    request: HttpRequest, cursor: Cursor, limit: Limit, state: str = "open", cause: str = "", loan: str = "",
    age_days: Annotated[int, Query(ge=0, le=36_500)] = 0,
) -> Any:  # fmt: skip
    """Differences between the core and replay in your scope; `age_days`: that began so many days ago, or earlier."""
    if state not in BREAK_STATES:
        raise refuse("unknown_state", f"state {state} is not one of {', '.join(BREAK_STATES)}", "state")
    if cause and cause not in CAUSES:
        raise refuse("unknown_cause", f"cause {cause} is not one of {', '.join(CAUSES)}", "cause")
    rows = breaks_visible(request.user, business_date()).filter(state=state)
    rows = rows.filter(cause=cause) if cause else rows
    rows = rows.filter(number=loan) if loan else rows
    rows = rows.filter(first_on__lte=business_date() - timedelta(days=age_days)) if age_days else rows
    return page_of(rows, cursor, limit, break_out, by="pk")


class AcceptIn(Strict):
    reason: str = Field(max_length=300)


class AcceptOut(Schema):
    loan_id: str
    accepted: int


def _broken(request: HttpRequest, pk: int) -> Broken:
    one, today = break_get(request.user, pk, business_date()), business_date()
    return broken_get(list(breaks_visible(request.user, today).filter(number=one.number, closed_at=None)))


@route(router.post, "/breaks/{pk}/accept", "break-accept", {200: AcceptOut, 202: WaitingOut})
def accept(request: HttpRequest, pk: int, body: AcceptIn) -> Any:
    """Accept every difference of this break's loan with a reason. 202: above what one person accepts, a second must decide."""
    broken = _broken(request, pk)
    done = break_accept(broken, reason=body.reason, actor=request.user)
    if isinstance(done, Approval):
        return 202, waiting_out(done)
    return {"loan_id": broken.number, "accepted": len(broken.rows)}


class MendOut(Schema):
    loan_id: str
    agrees: bool


@route(router.post, "/breaks/{pk}/mend", "break-mend", MendOut)
def mend(request: HttpRequest, pk: int) -> Any:
    """Let the journal follow the core where the cause says how, or tell the core of money that it lacks."""
    broken = _broken(request, pk)
    return {"loan_id": broken.number, "agrees": break_mend(broken, actor=request.user)}


class FileOut(Schema):
    """`state`: taken, late, running, waiting (not due yet) or missing."""

    entity: str
    kind: str
    day: date
    due_at: datetime
    state: str
    file_name: str
    rows: int
    compared: int
    open_breaks: int


@route(router.get, "/core-files", "core-files-list", list[FileOut])
def core_files(request: HttpRequest) -> Any:
    """The files that the core owes for the last days, and what came of them."""
    today = business_date()
    return [
        {
            "entity": e.code, "kind": d.kind, "day": d.day, "due_at": d.due_at, "state": d.state,
            "file_name": d.file.file_name if d.file else "", "rows": d.file.row_count if d.file else 0,
            "compared": d.file.compared_count if d.file else 0, "open_breaks": d.file.break_count if d.file else 0,
        }
        for e in entities_overlay(request.user, today)
        for d in file_days(e, today)
    ]  # fmt: skip


class InstructionOut(Schema):
    """A change that the core was asked for. `event_seq`: the entry of the journal that its confirmation wrote."""

    reference: str
    loan_id: str
    kind: str
    effective_on: date
    amount: Amount
    state: str
    attempts: int
    requested_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    confirmed_on: date | None
    reflected_on: date | None
    core_reference: str
    answer: str
    problem: str
    event_seq: int | None


class InstructionPage(Schema):
    items: list[InstructionOut]
    next_cursor: int | None


PLAIN = (
    "reference", "effective_on", "state", "attempts", "requested_at", "sent_at", "answered_at", "confirmed_on", "reflected_on",
    "core_reference", "answer", "problem",
)  # fmt: skip


def instruction_out(i: Instruction) -> dict[str, Any]:
    """An instruction as JSON."""
    return {
        **{n: getattr(i, n) for n in PLAIN}, "loan_id": i.contract.number, "kind": EventKind(i.kind).name.lower(),
        "amount": decimal(i.amount_minor), "event_seq": i.event.seq if i.event else None,
    }  # fmt: skip


@route(router.get, "/instructions", "instructions-list", InstructionPage)
def instructions_list(request: HttpRequest, cursor: Cursor, limit: Limit, state: str = "", loan: str = "") -> Any:
    """Instructions to the core in your scope."""
    if state and state not in INSTRUCTION_STATES:
        raise refuse("unknown_state", f"state {state} is not one of {', '.join(INSTRUCTION_STATES)}", "state")
    rows = instructions_visible(request.user, business_date())
    rows = rows.filter(state=state) if state else rows
    rows = rows.filter(contract__number=loan) if loan else rows
    return page_of(rows, cursor, limit, instruction_out, by="pk")
