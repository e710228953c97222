"""REST of messages: queue, list, one with its life, take back, send anew; wordings; demands delivered; call records; answers."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.contact.addresses import lender_of
from tideover.contact.call_records import MAY, NEEDS, BadFile, calls_import
from tideover.contact.loan_values import LOAN_NEEDS
from tideover.contact.message_templates import newest_of_each, template_in_force, value_read, versions_of
from tideover.contact.models import CallRecord, InboundMessage, Message, MessageTemplate
from tideover.contact.outbox import message_cancel, message_queue, message_resend
from tideover.contact.panels_messages import life_lines
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.contact.selectors_messages import (
    demands_delivered,
    inbound_visible,
    message_get,
    messages_filtered,
    messages_visible,
)
from tideover.core.access import can
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import NotFound, Problem, refuse
from tideover.core.rest import Cursor, Day, Forbidden, Instant, Key, Limit, Strict, one_of, page_of, route
from tideover.lending.scope import parties_reachable
from tideover.lending.selectors import contract_get, contracts_visible

router = Router(tags=["messages"])
CHANNELS = "|".join(c.name.lower() for c in Channel)
BY_LEGAL = ("is_demand", "is_adverse_notice")


class MessageIn(Strict):
    party: str = Field(max_length=20)
    loans: list[Annotated[str, Field(max_length=30)]] = Field([], max_length=20)
    channel: str = Field(pattern=f"^({CHANNELS})$")
    template: str = Field(max_length=40)
    values: dict[str, str | int] = Field({}, description="by variable; money in fen, dates and instants in ISO 8601")
    not_before: Instant | None = None


class MessageOut(Schema):
    reference: str
    party: str
    channel: str
    purpose: str
    template: str
    version: int
    language: str
    state: str
    reason: str
    is_demand: bool
    next_at: datetime | None
    created_at: datetime
    sent_at: datetime | None
    delivered_on: date | None
    read_at: datetime | None
    tries: int


class LifeOut(Schema):
    at: datetime
    what: str
    state: str
    reason: str
    source: str
    actor: str


class MessageDetail(MessageOut):
    loans: list[str]
    subject: str | None
    body: str | None
    names_claim: bool
    life: list[LifeOut]


class MessagePage(Schema):
    items: list[MessageOut]
    next_cursor: int | None


class WordingOut(Schema):
    code: str
    version: int
    state: str
    name_zh: str
    name_en: str
    purpose: str
    recipient: str
    variables: dict[str, Any]
    is_demand: bool
    is_adverse_notice: bool
    valid_from: date | None
    valid_to: date | None


class WordingDetail(WordingOut):
    texts: dict[str, Any]
    gateway_codes: dict[str, str]


class WordingList(Schema):
    items: list[WordingOut]


class WordingVersions(Schema):
    items: list[WordingDetail]


class CancelIn(Strict):
    reason: str = Field(min_length=1, max_length=200)


class CallIn(Strict):
    call_id: str = Field(max_length=60)
    number: str = Field(max_length=30)
    direction: str = Field(max_length=3)
    started_at: Instant
    seconds: int
    talked: bool
    recording_sha256: str = Field("", max_length=64)
    retention_until: Day | None = None


class CallsIn(Strict):
    calls: list[CallIn] = Field(min_length=1, max_length=2000)


class CallRejectOut(Schema):
    row: int
    column: str
    reason: str


class CallsOut(Schema):
    stored: int
    already: int
    unmatched: int
    settled: int
    rejected: list[CallRejectOut]


class CallOut(Schema):
    call_id: str
    party: str | None
    direction: str
    started_at: datetime
    seconds: int
    talked: bool
    recording_sha256: str
    retention_until: date | None


class CallPage(Schema):
    items: list[CallOut]
    next_cursor: int | None


class AnswerOut(Schema):
    id: int
    party: str | None
    channel: str
    meaning: str
    text: str
    at: datetime
    answered_by: str


class AnswerPage(Schema):
    items: list[AnswerOut]
    next_cursor: int | None


def _out(m: Message) -> dict[str, Any]:
    plain = (
        "reference", "language", "state", "reason", "is_demand", "next_at", "created_at", "sent_at", "delivered_on", "read_at",
        "tries",
    )  # fmt: skip
    return {
        **{f: getattr(m, f) for f in plain}, "party": m.party.reference, "channel": m.channel_name, "purpose": m.purpose_name,
        "template": m.template.code, "version": m.template.version,
    }  # fmt: skip


def _detail(m: Message, request: HttpRequest) -> dict[str, Any]:
    says = can(request.user, "message-body")
    return {
        **_out(m), "loans": [c.number for c in m.contracts.all()], "names_claim": m.names_claim,
        "subject": m.subject if says else None, "body": m.body if says else None, "life": life_lines(m),
    }  # fmt: skip


def _wording(t: MessageTemplate) -> dict[str, Any]:
    plain = (
        "code", "version", "state", "name_zh", "name_en", "variables", "is_demand", "is_adverse_notice", "valid_from", "valid_to",
        "texts", "gateway_codes",
    )  # fmt: skip
    words = {"purpose": Purpose(t.purpose).name.lower(), "recipient": Recipient(t.recipient).name.lower()}
    return {**{f: getattr(t, f) for f in plain}, **words}


@route(router.get, "/messages", "messages-list", MessagePage)
def messages_list(
    request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "", state: str = "", channel: str = "", template: str = "",
    day: Day | None = None,
) -> Any:  # fmt: skip
    """Messages in scope, without their text. `state` may also be `open`: everything that has not ended. Logged."""
    rows = messages_visible(request.user, business_date()).select_related("party", "template")
    page = page_of(
        messages_filtered(rows, state=state, channel=channel, template=template, day=day, party=party), cursor, limit, _out
    )
    log(request.user.username, "message.list", "party", party, {"found": len(page["items"])})
    return page


@route(router.get, "/messages/{reference}", "message-get", MessageDetail)
def message_one(request: HttpRequest, reference: str) -> Any:
    """One message with its text and its life. Logged."""
    m = message_get(request.user, reference, business_date())
    log(request.user.username, "message.read", "party", m.party.reference, {"message": m.reference})
    return _detail(m, request)


@route(router.post, "/messages", "messages-queue", MessageDetail)
def messages_queue(request: HttpRequest, body: MessageIn, key: Key) -> Any:
    """Queue a message. The gate is asked now and again at the moment of sending; `state` blocked and `reason` say why not."""
    user, today = request.user, business_date()
    party = one_of(
        parties_reachable(user, today).select_related("user", "branch__entity"), "party", "party", reference=body.party
    )
    visible = contracts_visible(user, today).select_related(*LOAN_NEEDS)
    loans = [one_of(visible, "loan", "loans", number=number) for number in body.loans]
    t = template_in_force(body.template, today, lender_of(party, loans).jurisdiction)
    if any(getattr(t, flag) for flag in BY_LEGAL) and not can(user, "message-template-flag"):
        raise Forbidden(Problem("legal_only", "demands and notices before a negative record are sent by legal", "template"))
    if t.recipient != Recipient.DEBTOR:
        raise refuse("third_person", "what goes to somebody else needs its own number: use the desk", "template")
    m = message_queue(
        party=party, contracts=loans, channel=Channel[body.channel.upper()], purpose=Purpose(t.purpose), template=t.code,
        values=_values(t, body.values), at=now(), not_before=body.not_before, key=f"rest:{user.pk}:{key}"[:100],
        actor=user.username,
    )  # fmt: skip
    log(user.username, "message.queue", "party", party.reference, {"message": m.reference, "state": m.state})
    return _detail(m, request)


def _values(t: MessageTemplate, given: dict[str, str | int]) -> dict[str, object]:
    """Values in the types of the template. Raises Refused for a date that is none, or a name that the template lacks."""
    out: dict[str, object] = {}
    for name, value in given.items():
        if name not in t.variables:
            raise refuse("unknown_variable", f"{t.code} has no variable {name}", f"values.{name}")
        try:
            out[name] = value_read(t.variables[name]["type"], value)
        except ValueError as error:
            raise refuse("bad_value", f"{name} is not a {t.variables[name]['type']}", f"values.{name}") from error
    return out


@route(router.post, "/messages/{reference}/cancel", "message-cancel", MessageDetail)
def cancel(request: HttpRequest, reference: str, body: CancelIn) -> Any:
    """Take a message back that has not been handed over."""
    m = message_get(request.user, reference, business_date())
    return _detail(message_cancel(m, reason=body.reason, actor=request.user.username), request)


@route(router.post, "/messages/{reference}/resend", "message-resend", MessageDetail)
def resend(request: HttpRequest, reference: str) -> Any:
    """Send anew what certainly did not arrive; answers the new message. What may have arrived is refused."""
    m = message_get(request.user, reference, business_date())
    return _detail(message_resend(m, actor=request.user.username, at=now()), request)


@route(router.get, "/loans/{number}/demands", "loan-demands", MessagePage)
def loan_demands(request: HttpRequest, number: str) -> Any:
    """Demands about a loan that were delivered and name creditor, loan and sum: what restarts limitation. Logged."""
    contract = contract_get(request.user, number, business_date())
    log(request.user.username, "loan.demands", "loan", number)
    return {"items": [_out(m) for m in demands_delivered(contract).select_related("party", "template")], "next_cursor": None}


@route(router.get, "/message-templates", "message-templates-list", WordingList)
def wordings(request: HttpRequest) -> Any:
    """The newest version of every wording, without its texts."""
    return {"items": [_wording(t) for t in newest_of_each()]}


@route(router.get, "/message-templates/{code}", "message-template-versions", WordingVersions)
def wording(request: HttpRequest, code: str) -> Any:
    """Every version of a wording with its texts, the newest first."""
    found = versions_of(code)
    if not found:
        raise NotFound(Problem("no_such_template", f"there is no template {code}", "code"))
    return {"items": [_wording(t) for t in found]}


@route(router.get, "/inbound-messages", "inbound-messages-list", AnswerPage)
def inbound(request: HttpRequest, cursor: Cursor, limit: Limit, open: bool | None = None) -> Any:
    """What people sent to us. `open`: only what nobody has dealt with, or only what somebody has. Logged."""
    rows = inbound_visible(request.user, business_date())
    rows = rows.filter(answered_at__isnull=open) if open is not None else rows
    page = page_of(rows, cursor, limit, _answer)
    log(request.user.username, "answers.read", "inbound", "", {"rows": len(page["items"])})
    return page


def _answer(r: InboundMessage) -> dict[str, Any]:
    return {
        "id": r.pk, "party": r.party.reference if r.party else None, "channel": Channel(r.channel).name.lower(),
        "meaning": r.meaning, "text": r.text, "at": r.at, "answered_by": r.answered_by,
    }  # fmt: skip


@route(router.get, "/call-records", "call-records-list", CallPage)
def call_records(request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "") -> Any:
    """Calls of people in scope. Logged."""
    reached = parties_reachable(request.user, business_date())
    rows = CallRecord.objects.filter(party__in=reached.values("pk")).select_related("party")
    page = page_of(rows.filter(party__reference=party) if party else rows, cursor, limit, _call)
    log(request.user.username, "calls.read", "party", party, {"found": len(page["items"])})
    return page


def _call(r: CallRecord) -> dict[str, Any]:
    plain = ("call_id", "direction", "started_at", "seconds", "talked", "recording_sha256", "retention_until")
    return {**{f: getattr(r, f) for f in plain}, "party": r.party.reference if r.party else None}


@route(router.post, "/call-records", "call-records-add", CallsOut)
def call_records_add(request: HttpRequest, body: CallsIn) -> Any:
    """Take in call records of the telephone system; the same call id again changes nothing. `rejected.row` counts from 2."""
    out = io.StringIO(newline="")
    rows = csv.DictWriter(out, [*NEEDS, *MAY])
    rows.writeheader()
    for call in body.calls:
        given = call.model_dump(mode="json")
        rows.writerow({**given, "talked": "yes" if call.talked else "no", "retention_until": given["retention_until"] or ""})
    try:
        result = calls_import(out.getvalue().encode(), file_name="rest", actor=request.user.username)
    except BadFile as bad:
        raise refuse("bad_calls", str(bad), "calls") from bad
    rejected = [{"row": r.row, "column": r.column, "reason": r.reason} for r in result.rejects]
    return {**{n: getattr(result, n) for n in ("stored", "already", "unmatched", "settled")}, "rejected": rejected}
