"""REST of the gate: ask it, read what it answered, write contacts down, and how a person wants to be reached."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Any

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Path, Router, Schema
from pydantic import Field

from tideover.contact import log as contact_log
from tideover.contact.gate import contact_outcome, contact_record, verdict_ask
from tideover.contact.models import VerdictRow
from tideover.contact.now import allowed_now
from tideover.contact.preferences import preference_of, preferences_set
from tideover.contact.reach import KINDS, address_end, address_set, address_verified, broken_of, masked_of, number_dead
from tideover.contact.rules.model import Channel, Outcome, Purpose, Recipient
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import NotFound, Problem, refuse
from tideover.core.rest import ID_MAX, Cursor, Day, Instant, Limit, Strict, one_of, page_of, route
from tideover.lending.models import ContactRecord, Contract, Party
from tideover.lending.scope import parties_reachable, party_get, rows_visible
from tideover.lending.selectors import contracts_visible

Span = Annotated[list[int], Field(min_length=2, max_length=2)]
router = Router(tags=["contact"])
RowId = Annotated[int, Field(ge=1, le=ID_MAX)]


def _names(kind: Any) -> Any:
    return Annotated[str, Field(pattern=f"^({'|'.join(m.name.lower() for m in kind)})$", description="one of the names listed")]


ChannelName, PurposeName, RecipientName, OutcomeName = map(_names, (Channel, Purpose, Recipient, Outcome))


class AskIn(Strict):
    party: str = Field(max_length=20, description="reference of the person")
    loans: list[str] = Field([], max_length=60, description="numbers of the loans that it is about; empty: the person as such")
    channel: ChannelName
    purpose: PurposeName = "collection"
    recipient: RecipientName = "debtor"
    number: str = Field("", max_length=80, description="the number or address to be reached; empty: the person's own")
    discloses: bool = Field(True, description="whether what is said lets the other side know of a debt")
    saves_clock: bool = Field(False, description="a demand by legal that keeps a right from lapsing; needs a granted approval")
    at: Instant | None = Field(None, description="the instant asked about; now when left out")


class FiredOut(Schema):
    rule: str
    instrument: str
    article: str
    status: str


class VerdictOut(Schema):
    id: int
    party: str
    loans: list[str]
    at: datetime
    recorded_at: datetime
    stage: str
    actor: str
    channel: str
    purpose: str
    recipient: str
    allowed: bool
    next_at: datetime | None
    fired: list[FiredOut]
    pack: str
    pack_on: date


class VerdictFull(VerdictOut):
    facts: dict[str, Any]
    exempt: list[str]
    approval: str
    hash: str


class VerdictPage(Schema):
    items: list[VerdictOut]
    next_cursor: int | None


class ContactIn(Strict):
    party: str = Field(max_length=20)
    loans: list[str] = Field([], max_length=60)
    channel: ChannelName
    purpose: PurposeName = "collection"
    recipient: RecipientName = "debtor"
    number: str = Field("", max_length=80)
    direction: str = Field("out", pattern="^(in|out)$")
    outcome: OutcomeName
    at: Instant | None = None
    seconds: int | None = Field(None, ge=0, le=86_400)
    verdict: int | None = Field(
        None, ge=1, le=ID_MAX, description="the decision that allowed it; every contact we make needs one"
    )
    note: str = Field("", max_length=1000)
    third_refused: bool = Field(False, description="the third person asked not to be contacted again")


class ContactOut(Schema):
    id: int
    party: str
    at: datetime
    direction: str
    channel: str
    purpose: str
    recipient: str
    outcome: str
    seconds: int | None
    actor: str
    verdict: int | None


class ContactPage(Schema):
    items: list[ContactOut]
    next_cursor: int | None


class OutcomeIn(Strict):
    outcome: OutcomeName
    seconds: int | None = Field(None, ge=0, le=86_400)


class WhyOut(Schema):
    rule: str
    says: str
    cited: str
    status: str
    until: datetime | None


class ChannelOut(Schema):
    channel: str
    allowed: bool
    next_at: datetime | None
    whys: list[WhyOut]


class NowOut(Schema):
    at: datetime
    zone: str
    channels: list[ChannelOut]


class PreferencesIn(Strict):
    refused: list[str] = Field([], max_length=9, description="channels that the person does not want")
    inconvenient: list[Span] = Field([], max_length=20, description="from and to, minutes of the day")
    zone: str = Field("", max_length=40, description="time zone where they live; empty: that of their region")
    language: str | None = Field(None, max_length=10)


class PreferencesOut(Schema):
    refused: list[str]
    inconvenient: list[Span]
    zone: str
    language: str


class AddressIn(Strict):
    address: str = Field(min_length=1, max_length=300, description="number, postal address, mail, external_userid or openid")
    given_how: str = Field("", max_length=20, description="how the person agreed to be written to there (mail and messengers)")
    evidence: str = Field("", max_length=200)


class AddressOut(Schema):
    kind: str
    address: str
    refusals: int
    refused_since: datetime | None
    closed_until: datetime | None


class AddressesOut(Schema):
    items: list[AddressOut]


def verdict_out(row: VerdictRow) -> dict[str, Any]:
    """A decision as the API shows it."""
    names = (
        "at",
        "recorded_at",
        "stage",
        "actor",
        "channel",
        "purpose",
        "recipient",
        "allowed",
        "next_at",
        "fired",
        "pack",
        "pack_on",
    )
    shown = {n: getattr(row, n) for n in names}
    return {"id": row.pk, "party": row.party.reference, "loans": row.facts["proposal"]["debts"] or [], **shown}


def contact_out(row: ContactRecord) -> dict[str, Any]:
    """A contact as the API shows it."""
    names = ("at", "direction", "channel", "purpose", "recipient", "outcome", "seconds", "actor")
    return {"id": row.pk, "party": row.party.reference, "verdict": row.verdict_id, **{n: getattr(row, n) for n in names}}


def _who(request: HttpRequest, reference: str, numbers: Iterable[str]) -> tuple[Party, list[Contract]]:
    user, today = request.user, business_date()
    reached = parties_reachable(user, today).select_related("branch__entity")
    party = one_of(reached, "party", "party", reference=reference)
    visible = contracts_visible(user, today).select_related("entity")
    loans = [one_of(visible, "loan", "loans", number=n) for n in dict.fromkeys(numbers)]
    for c in loans:
        if c.borrower_id != party.pk and not c.parties.filter(party=party).exists():
            raise refuse("not_their_loan", f"{party.reference} has no part in {c.number}", "loans")
    return party, loans


def _verdict(request: HttpRequest, pk: int) -> VerdictRow:
    rows = rows_visible(VerdictRow, request.user, business_date()).select_related("party")
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound(Problem("no_such_verdict", f"there is no decision {pk} in your scope", "verdict_id"))
    return row


@route(router.post, "/verdicts", "verdicts-ask", VerdictOut)
def ask(request: HttpRequest, body: AskIn) -> Any:
    """Ask the gate whether a contact may be made; the answer is stored, whatever it is."""
    party, loans = _who(request, body.party, body.loans)
    row = verdict_ask(
        party=party, contracts=loans, channel=Channel[body.channel.upper()], purpose=Purpose[body.purpose.upper()],
        recipient=Recipient[body.recipient.upper()], number=body.number, discloses=body.discloses, saves_clock=body.saves_clock,
        approved=body.saves_clock, at=body.at or now(), actor=request.user.username,
    )  # fmt: skip
    return verdict_out(row)


@route(router.get, "/verdicts", "verdicts-list", VerdictPage)
def listed(
    request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "", loan: str = "", channel: str = "", rule: str = "",
    allowed: bool | None = None, first: Day | None = None, last: Day | None = None,
) -> Any:  # fmt: skip
    """Decisions of the gate, oldest first, by person, loan, channel, rule that fired, answer and business days. Logged."""
    asked = contact_log.Asked(first, last, party, loan, channel, rule, allowed)
    page = page_of(contact_log.verdicts_found(request.user, asked), cursor, limit, verdict_out)
    log(request.user.username, "contact.log", "", "", {"show": "decisions", "found": len(page["items"])})
    return page


@route(router.get, "/verdicts/{verdict_id}", "verdict-get", VerdictFull)
def one(request: HttpRequest, verdict_id: RowId) -> Any:
    """One decision with what was known, enough to give it again."""
    row = _verdict(request, verdict_id)
    log(request.user.username, "verdict.read", "party", row.party.reference, {"id": row.pk})
    return verdict_out(row) | {"facts": row.facts, "exempt": row.exempt, "approval": row.approval, "hash": bytes(row.hash).hex()}


@route(router.get, "/contact-export", "verdicts-export", None)
def export(request: HttpRequest, first: Day | None = None, last: Day | None = None, format: str = "csv") -> Any:
    """All decisions, or those of some business days, with the contacts that followed: `csv`, or `jsonl` with facts. Logged."""
    if format not in contact_log.FORMATS:
        raise refuse("unknown_format", f"formats are {', '.join(contact_log.FORMATS)}", "format")
    lines, mime = contact_log.FORMATS[format]
    log(request.user.username, "contact.export", "", "", {"format": format, "from": str(first), "to": str(last)})
    rows = contact_log.verdicts_found(request.user, contact_log.Asked(first, last))
    return StreamingHttpResponse(lines(contact_log.export_rows(rows)), content_type=f"{mime}; charset=utf-8")


@route(router.post, "/contacts", "contacts-add", ContactOut)
def added(request: HttpRequest, body: ContactIn) -> Any:
    """Write a contact down; one that we made names the decision that allowed it."""
    party, loans = _who(request, body.party, body.loans)
    if body.direction == "out" and body.verdict is None:
        raise refuse("missing", "ask the gate first and name its decision", "verdict")
    verdict = None if body.verdict is None else _verdict(request, body.verdict)
    row = contact_record(
        party=party, contracts=loans, channel=Channel[body.channel.upper()], purpose=Purpose[body.purpose.upper()],
        recipient=Recipient[body.recipient.upper()], number=body.number, direction=body.direction,
        outcome=Outcome[body.outcome.upper()], at=body.at or now(), seconds=body.seconds, verdict=verdict,
        actor=request.user.username, note=body.note, refused=body.third_refused,
    )  # fmt: skip
    if (body.direction, body.channel, body.outcome) == ("out", "call", "failed"):
        number_dead(party, "no_such_number", row.at, body.number)
    return contact_out(row)


@route(router.get, "/contacts", "contacts-list", ContactPage)
def contacts(
    request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "", loan: str = "", channel: str = "",
    first: Day | None = None, last: Day | None = None,
) -> Any:  # fmt: skip
    """Contacts that took place, oldest first. Logged."""
    asked = contact_log.Asked(first, last, party, loan, channel)
    page = page_of(contact_log.contacts_found(request.user, asked), cursor, limit, contact_out)
    log(request.user.username, "contact.log", "", "", {"show": "contacts", "found": len(page["items"])})
    return page


@route(router.post, "/contacts/{row_id}/outcome", "contact-outcome", ContactOut)
def outcome(request: HttpRequest, row_id: RowId, body: OutcomeIn) -> Any:
    """Say how a contact ended, when that is known later."""
    row = rows_visible(ContactRecord, request.user, business_date()).filter(pk=row_id).first()
    if row is None:
        raise NotFound(Problem("no_such_row", f"there is no contact {row_id} in your scope", "row_id"))
    done = contact_outcome(row, Outcome[body.outcome.upper()], now(), seconds=body.seconds, actor=request.user.username)
    return contact_out(done)


@route(router.get, "/parties/{reference}/contact", "contact-now", NowOut)
def contact_now(request: HttpRequest, reference: str, at: Instant | None = None, purpose: PurposeName = "collection") -> Any:
    """What is allowed with a person, channel by channel: open, or when it opens and why. Nothing is stored."""
    party = party_get(request.user, reference, business_date())
    loans = list(contracts_visible(request.user, business_date()).filter(borrower=party).select_related("entity").order_by("pk"))
    return allowed_now(party, loans, at=at or now(), purpose=Purpose[purpose.upper()])


def _preferences(party: Party) -> dict[str, Any]:
    return preference_of(party).values() | {"language": party.language}


@route(router.get, "/parties/{reference}/contact-preferences", "contact-preferences-get", PreferencesOut)
def preferences(request: HttpRequest, reference: str) -> Any:
    """How a person wants to be reached."""
    return _preferences(party_get(request.user, reference, business_date()))


@route(router.post, "/parties/{reference}/contact-preferences", "contact-preferences-set", PreferencesOut)
def preferences_put(request: HttpRequest, reference: str, body: PreferencesIn) -> Any:
    """Write down what a person said about how to reach them; it replaces what they said before and binds the gate at once."""
    party = party_get(request.user, reference, business_date())
    preferences_set(
        party, refused=body.refused, inconvenient=body.inconvenient, zone_name=body.zone, language=body.language,
        actor=request.user.username,
    )  # fmt: skip
    return _preferences(party)


KindName = Annotated[str, Path(pattern=f"^({'|'.join(KINDS)})$", description="one of the kinds listed")]


def _addresses(party: Party) -> dict[str, Any]:
    broken, out = {b.kind: b for b in broken_of(party, now())}, []
    for kind in KINDS:
        b = broken.get(kind)
        shown = {"refusals": b.refusals if b else 0, "refused_since": b and b.since, "closed_until": b and b.ends_at}
        if masked := masked_of(party, kind):
            out.append({"kind": kind, "address": masked, **shown})
    return {"items": out}


@route(router.get, "/parties/{reference}/addresses", "addresses-list", AddressesOut)
def addresses(request: HttpRequest, reference: str) -> Any:
    """Where a person is reached, masked, and which of these addresses carriers refuse (`closed_until` empty: without end)."""
    return _addresses(party_get(request.user, reference, business_date()))


@route(router.post, "/parties/{reference}/addresses/{kind}", "address-set", AddressesOut)
def address_put(request: HttpRequest, reference: str, kind: KindName, body: AddressIn) -> Any:
    """A person's address of a kind from now on: phone, address, email, wecom (external_userid) or mini_program (openid)."""
    party = party_get(request.user, reference, business_date())
    address_set(
        party, kind, body.address, source="staff", actor=request.user.username, given_how=body.given_how, evidence=body.evidence
    )  # fmt: skip
    return _addresses(party)


@route(router.post, "/parties/{reference}/addresses/{kind}/verified", "address-verify", AddressesOut)
def address_right(request: HttpRequest, reference: str, kind: KindName) -> Any:
    """Somebody has looked: the address is right, and messages go there again."""
    party = party_get(request.user, reference, business_date())
    address_verified(party, kind, actor=request.user.username)
    return _addresses(party)


@route(router.post, "/parties/{reference}/addresses/{kind}/end", "address-end", AddressesOut)
def address_gone(request: HttpRequest, reference: str, kind: KindName) -> Any:
    """The person is no longer reached there (mail and messengers)."""
    party = party_get(request.user, reference, business_date())
    address_end(party, kind, actor=request.user.username)
    return _addresses(party)
