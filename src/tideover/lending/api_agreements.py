"""REST of people and what is agreed with them: parties, contracts and their preview, loan parties, facilities, collateral."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.crypto import search_hash
from tideover.core.problems import Problem, Refused
from tideover.core.rest import Amount, Code, Cursor, Day, Limit, Money, Strict, decimal, minor, one_of, page_of, route
from tideover.engine.replay import replay
from tideover.engine.terms import RATE_PPM_MAX, day
from tideover.lending import services_agreements as more
from tideover.lending.api import LoanOut, ScheduleOut, known_read, loan_get, schedule_out
from tideover.lending.contract_terms import terms_for
from tideover.lending.models import Collateral, Contract, Facility, LoanParty, Party, Product, Staff, StandingRow
from tideover.lending.scope import (
    branches_visible,
    entities_visible,
    facilities_visible,
    facility_get,
    parties_reachable,
    party_get,
)
from tideover.lending.selectors import contract_get, facility_available
from tideover.lending.services import contract_draft, contract_open, contract_problems, facility_open, party_register

router = Router(tags=["people and agreements"])
INT_MAX = 2**31 - 1


class PartyIn(Strict):
    kind: Literal["person", "enterprise"]
    name: str = Field(min_length=1, max_length=120)
    id_number: str = Field(min_length=1, max_length=40)
    phone: str = Field("", max_length=30)
    address: str = Field("", max_length=200)
    branch: Code
    region: str = Field("", max_length=40)
    industry: str = Field("", max_length=40)
    birth_year: int | None = Field(None, ge=1900, le=2100)
    language: Literal["zh-hans", "en"] = "zh-hans"


class PartyOut(Schema):
    """A party, masked: the whole name, number and telephone are had by `reveal`, which is logged."""

    reference: str
    kind: str
    name: str
    id_number: str
    phone: str
    region: str
    industry: str
    birth_year: int | None
    language: str
    branch: str


class PartyFull(PartyOut):
    address: str


class PartyPage(Schema):
    items: list[PartyOut]
    next_cursor: int | None


class SearchIn(Strict):
    """Whole values only: they are compared by keyed hash. In the body, so that they stand in no address and no log."""

    text: str = Field(min_length=1, max_length=120, description="a whole name, number or telephone")


class RevealIn(Strict):
    reason: Literal["customer_asked", "identity_check", "contact", "legal_service", "complaint", "correction"]


class ContractTermsIn(Strict):
    product: str = Field(max_length=40)
    product_version: int | None = Field(None, ge=1, le=INT_MAX, description="the newest on offer when null")
    borrower: str = Field(max_length=20, description="reference of the party")
    branch: Code
    principal: Money
    annual_rate_ppm: int = Field(ge=0, le=RATE_PPM_MAX)
    signed_on: Day
    disbursed_on: Day
    instalments: int = Field(0, ge=0, le=INT_MAX)
    first_due_on: Day | None = None
    due_day: int = Field(0, ge=0, le=INT_MAX)
    maturity_on: Day | None = None
    overrides: dict[str, Any] = Field(default_factory=dict, description="engine terms by name, where they differ")


class ContractIn(ContractTermsIn):
    number: Annotated[str, Field(min_length=1, max_length=30)]
    manager: Code | None = Field(None, description="number of the customer manager's post")
    facility: str | None = Field(None, max_length=30, description="a drawdown under this facility")
    channel: str = Field("", max_length=20)
    purpose: str = Field("", max_length=40)


class LoanPartyIn(Strict):
    party: str = Field(max_length=20)
    role: str = Field(max_length=20)
    valid_from: Day
    valid_to: Day | None = None
    cap: Money | None = None
    share_ppm: int | None = Field(None, ge=1, le=INT_MAX)


class LoanPartyOut(Schema):
    id: int
    party: str
    role: str
    valid_from: date
    valid_to: date | None
    cap: Amount | None
    share_ppm: int | None


class LoanPartyPage(Schema):
    items: list[LoanPartyOut]
    next_cursor: int | None


class CollateralIn(Strict):
    kind: str = Field(min_length=1, max_length=30)
    value: Money
    valued_on: Day


class CollateralOut(Schema):
    id: int
    kind: str
    value: Amount
    valued_on: date


class CollateralPage(Schema):
    items: list[CollateralOut]
    next_cursor: int | None


class FacilityIn(Strict):
    number: Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[A-Za-z0-9._-]+$")]
    party: str = Field(max_length=20)
    entity: Code
    limit: Money
    opened_on: Day
    expires_on: Day


class FacilityOut(Schema):
    """A revolving limit. `undrawn`: what can still be drawn; never negative, nothing while frozen."""

    number: str
    party: str
    entity: str
    limit: Amount
    undrawn: Amount
    frozen: bool
    opened_on: date
    expires_on: date


class FacilityPage(Schema):
    items: list[FacilityOut]
    next_cursor: int | None


class LimitIn(Strict):
    limit: Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)]


class FreezeIn(Strict):
    frozen: bool


def _party(p: Party) -> dict[str, Any]:
    return {
        "reference": p.reference,
        "kind": p.kind,
        "name": p.masked_name,
        "id_number": p.masked_id_number,
        "phone": p.masked_phone,
        "region": p.region,
        "industry": p.industry,
        "birth_year": p.birth_year,
        "language": p.language,
        "branch": p.branch.code,
    }


@route(router.post, "/parties", "parties-create", PartyOut)
def party_create(request: HttpRequest, body: PartyIn) -> Any:
    """Register a person or an enterprise under a new reference; somebody known already is refused."""
    branch = one_of(branches_visible(request.user, business_date()), "branch", "branch", code=body.branch)
    return _party(party_register(**body.dict() | {"branch": branch}, actor=request.user.username))


@route(router.post, "/parties/search", "parties-search", PartyPage, keyed=False)
def parties_search(request: HttpRequest, body: SearchIn, cursor: Cursor, limit: Limit) -> Any:
    """Parties in your scope with this name, number or telephone; masked, and logged without what was searched."""
    h = search_hash(body.text)
    rows = parties_reachable(request.user, business_date()).filter(Q(name_hash=h) | Q(id_hash=h) | Q(phone_hash=h))
    page = page_of(rows.select_related("branch"), cursor, limit, _party)
    log(request.user.username, "person.search", "party", "", {"found": len(page["items"])})
    return page


@route(router.get, "/parties/{reference}", "party-get", PartyOut)
def party_read(request: HttpRequest, reference: str) -> Any:
    """One party, masked; logged."""
    party = party_get(request.user, reference, business_date())
    log(request.user.username, "person.read", "party", party.reference)
    return _party(party)


@route(router.post, "/parties/{reference}/reveal", "party-reveal", PartyFull, keyed=False)
def party_reveal(request: HttpRequest, reference: str, body: RevealIn) -> Any:
    """One party in full, for a stated reason; logged with it."""
    p = party_get(request.user, reference, business_date())
    log(request.user.username, "person.reveal", "party", p.reference, {"reason": body.reason})
    return {**_party(p), "name": p.name, "id_number": p.id_number, "phone": p.phone, "address": p.address}


def _terms(request: HttpRequest, body: ContractTermsIn) -> dict[str, Any]:
    """What a contract is made of; every reference that leads nowhere is named."""
    user, today, problems = request.user, business_date(), []
    found: dict[str, Any] = {}
    versions = Product.objects.filter(code=body.product, valid_from__lte=body.signed_on).order_by("-version")
    if body.product_version is not None:
        versions = Product.objects.filter(code=body.product, version=body.product_version)
    for field, rows in (
        ("product", versions),
        ("borrower", parties_reachable(user, today).filter(reference=body.borrower)),
        ("branch", branches_visible(user, today).select_related("entity").filter(code=body.branch)),
    ):
        found[field] = rows.first()
        if found[field] is None:
            problems.append(Problem(f"no_such_{field}", f"there is no {field} {getattr(body, field)} for you", field))
    if problems:
        raise Refused(*problems)
    names = ("annual_rate_ppm", "signed_on", "disbursed_on", "instalments", "first_due_on", "due_day", "maturity_on", "overrides")
    return {**found, "principal_minor": minor(body.principal), **{n: getattr(body, n) for n in names}}


@route(router.post, "/contracts/preview", "contracts-preview", ScheduleOut, keyed=False)
def contract_preview(request: HttpRequest, body: ContractTermsIn) -> Any:
    """The schedule before signing: byte for byte what `/loans/{number}/schedule` answers for the day of payout."""
    draft = contract_draft(**_terms(request, body))
    if problems := contract_problems(draft):
        raise Refused(*problems)
    return schedule_out(replay(terms_for(draft), [], day(draft.disbursed_on)))


@route(router.post, "/contracts", "contracts-open", LoanOut)
def contract_create(request: HttpRequest, body: ContractIn) -> Any:
    """Open a loan, or a drawdown under a facility; refused with every impossible term named."""
    user, today, values = request.user, business_date(), _terms(request, body)
    posts = Staff.objects.filter(branch__in=branches_visible(user, today))
    manager = body.manager and one_of(posts, "post", "manager", number=body.manager)
    facility = body.facility and one_of(facilities_visible(user, today), "facility", "facility", number=body.facility)
    contract_open(
        **values, number=body.number, manager=manager or None, facility=facility or None, channel=body.channel,
        purpose=body.purpose, actor=user.username,
    )  # fmt: skip
    return loan_get(request, body.number)


@route(router.get, "/loans/{number}/parties", "loan-parties", LoanPartyPage)
def loan_parties(
    request: HttpRequest,
    number: str,
    cursor: Cursor,
    limit: Limit,
    as_of: Day | None = None,
    known_at: datetime | None = None,
) -> Any:
    """Who stands in a loan, and how; `as_of` leaves out who does not on that day. Logged."""
    contract = contract_get(request.user, number, business_date())
    rows = known_by(contract.parties.select_related("party"), contract, known_at)
    rows = rows.filter(valid_from__lte=as_of).filter(Q(valid_to=None) | Q(valid_to__gt=as_of)) if as_of else rows
    log(request.user.username, "loan.read", "loan", number)
    return page_of(rows, cursor, limit, _loan_party)


def known_by(rows: QuerySet[Any], contract: Contract, known_at: datetime | None) -> QuerySet[Any]:
    """The rows of a loan that had been recorded by an instant; a row without one came with the contract."""
    known = known_read(known_at)
    if known is None:
        return rows
    with_contract = Q(recorded_at=None) if contract.created_at <= known else Q(pk__in=())
    return rows.filter(with_contract | Q(recorded_at__lte=known))


@route(router.post, "/loans/{number}/parties", "loan-parties-add", LoanPartyOut)
def loan_party_add(request: HttpRequest, number: str, body: LoanPartyIn) -> Any:
    """Let a co-borrower, guarantor, insurer … stand in a loan."""
    contract = contract_get(request.user, number, business_date())
    party = one_of(parties_reachable(request.user, business_date()), "party", "party", reference=body.party)
    row = more.loan_party_add(
        contract, party, role=body.role, valid_from=body.valid_from, valid_to=body.valid_to, share_ppm=body.share_ppm,
        cap_minor=None if body.cap is None else minor(body.cap), actor=request.user.username,
    )  # fmt: skip
    return _loan_party(row)


def _loan_party(row: LoanParty) -> dict[str, Any]:
    return {
        "id": row.pk,
        "party": row.party.reference,
        "role": row.role,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
        "cap": None if row.cap_minor is None else decimal(row.cap_minor),
        "share_ppm": row.share_ppm,
    }


@route(router.get, "/loans/{number}/collateral", "loan-collateral", CollateralPage)
def loan_collateral(
    request: HttpRequest,
    number: str,
    cursor: Cursor,
    limit: Limit,
    as_of: Day | None = None,
    known_at: datetime | None = None,
) -> Any:
    """What secures a loan; `as_of` leaves out what was valued later. Logged."""
    contract = contract_get(request.user, number, business_date())
    rows = known_by(contract.collateral.all(), contract, known_at)
    log(request.user.username, "loan.read", "loan", number)
    return page_of(rows.filter(valued_on__lte=as_of) if as_of else rows, cursor, limit, _collateral)


@route(router.post, "/loans/{number}/collateral", "loan-collateral-add", CollateralOut)
def loan_collateral_add(request: HttpRequest, number: str, body: CollateralIn) -> Any:
    """Record one thing that secures a loan."""
    contract = contract_get(request.user, number, business_date())
    row = more.collateral_add(
        contract, kind=body.kind, value_minor=minor(body.value), valued_on=body.valued_on, actor=request.user.username
    )
    return _collateral(row)


def _collateral(row: Collateral) -> dict[str, Any]:
    return {"id": row.pk, "kind": row.kind, "value": decimal(row.value_minor), "valued_on": row.valued_on}


@route(router.get, "/facilities", "facilities-list", FacilityPage)
def facilities_list(request: HttpRequest, cursor: Cursor, limit: Limit, party: str = "") -> Any:
    """Facilities in your scope; `party` filters. Logged."""
    rows = facilities_visible(request.user, business_date()).select_related("party", "entity")
    drawn = StandingRow.objects.filter(contract__facility=OuterRef("pk")).order_by().values("contract__facility")
    rows = rows.annotate(drawn_minor=Subquery(drawn.annotate(sum=Sum("principal_minor")).values("sum")))
    page = page_of(rows.filter(party__reference=party) if party else rows, cursor, limit, _facility)
    log(request.user.username, "facility.list", "party", party, {"found": len(page["items"])})
    return page


@route(router.post, "/facilities", "facilities-open", FacilityOut)
def facility_create(request: HttpRequest, body: FacilityIn) -> Any:
    """Grant a revolving limit; each drawdown is a contract that names it."""
    user, today = request.user, business_date()
    facility = facility_open(
        number=body.number,
        party=one_of(parties_reachable(user, today), "party", "party", reference=body.party),
        entity=one_of(entities_visible(user, today), "entity", "entity", code=body.entity),
        limit_minor=minor(body.limit),
        opened_on=body.opened_on,
        expires_on=body.expires_on,
        actor=user.username,
    )
    return _facility(facility)


@route(router.get, "/facilities/{number}", "facility-get", FacilityOut)
def facility_read(request: HttpRequest, number: str) -> Any:
    """One facility and what can still be drawn; logged."""
    facility = facility_get(request.user, number, business_date())
    log(request.user.username, "facility.read", "facility", facility.number)
    return _facility(facility)


@route(router.post, "/facilities/{number}/limit", "facility-limit", FacilityOut)
def facility_limit(request: HttpRequest, number: str, body: LimitIn) -> Any:
    """Cut or raise the limit; what is drawn stays drawn."""
    facility = facility_get(request.user, number, business_date())
    return _facility(more.facility_limit_set(facility, limit_minor=minor(body.limit), actor=request.user.username))


@route(router.post, "/facilities/{number}/freeze", "facility-freeze", FacilityOut)
def facility_freeze(request: HttpRequest, number: str, body: FreezeIn) -> Any:
    """Stop new drawdowns, or allow them again."""
    facility = facility_get(request.user, number, business_date())
    return _facility(more.facility_freeze(facility, frozen=body.frozen, actor=request.user.username))


def _facility(f: Facility) -> dict[str, Any]:
    return {
        "number": f.number,
        "party": f.party.reference,
        "entity": f.entity.code,
        "limit": decimal(f.limit_minor),
        "undrawn": decimal(facility_available(f)),
        "frozen": f.frozen,
        "opened_on": f.opened_on,
        "expires_on": f.expires_on,
    }
