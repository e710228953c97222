"""Writing to the book: one function a use case, one transaction each; every write is in the action log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_new
from tideover.core.models import User
from tideover.core.packs.load import NoRule
from tideover.core.packs.load import ladder as class_ladder
from tideover.core.packs.rules.fixings import MissingFixing
from tideover.core.packs.rules.price import price_findings
from tideover.core.problems import Problem, Refused, refuse
from tideover.core.sql import rows_insert
from tideover.engine.events import EventKind
from tideover.engine.replay import schedule
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import PRINCIPAL_MINOR_MAX, RATE_PPM_MAX
from tideover.lending import clock
from tideover.lending.contract_terms import calendar_pinned, ladder_of, reference_of, terms_for, terms_problems
from tideover.lending.debits.selectors import is_moving
from tideover.lending.held import standing_held
from tideover.lending.journal import OWN_KEYS, event_append
from tideover.lending.models import (
    Branch,
    Contract,
    Facility,
    LegalEntity,
    LoanEvent,
    LoanParty,
    Party,
    Product,
    Staff,
    StandingRow,
)
from tideover.lending.models.party import PartyKind
from tideover.lending.payments import Booking, NewPayment
from tideover.lending.rates import fixing, pack_here
from tideover.lending.receipts.selectors import late_for_money_here
from tideover.lending.rules.fees import fees_due, fees_read
from tideover.lending.selectors import facility_available, standing_fields

LOAN_NUMBER = re.compile(r"[A-Za-z0-9._-]{1,30}")


def party_register(
    *,
    kind: str,
    name: str,
    id_number: str,
    phone: str,
    branch: Branch,
    actor: str,
    address: str = "",
    region: str = "",
    industry: str = "",
    birth_year: int | None = None,
    language: str = "zh-hans",
    user: User | None = None,
) -> Party:
    """Register a person or an enterprise under a new random handle.

    Raises Refused, naming every field: unknown kind, empty name or number, or somebody with this number is registered.
    """
    problems = []
    if kind not in PartyKind.values:
        problems.append(Problem("unknown_kind", f"kind {kind} is not one of {', '.join(PartyKind.values)}", "kind"))
    for field, value in (("name", name), ("id_number", id_number)):
        if not value.strip():
            problems.append(Problem("missing", f"{field} is empty", field))
    if problems:
        raise Refused(*problems)
    party = Party(
        reference=handle_new("P"), kind=kind, name=name.strip(), id_number=id_number.strip(), phone=phone.strip(),
        address=address.strip(), region=region, industry=industry, birth_year=birth_year, language=language, branch=branch,
        user=user, created_at=now(),
    )  # fmt: skip
    party.hash_fields()
    with transaction.atomic():
        # The branch's row serialises registrations there, so that two clerks do not register one person twice at once.
        Branch.objects.select_for_update(no_key=True).get(pk=branch.pk)
        if Party.objects.filter(id_hash=party.id_hash).exists():
            raise refuse("already_registered", "somebody with this number is registered already", "id_number")
        party.save()
        log(actor, "party.register", "party", party.reference)
    return party


def facility_open(
    *, number: str, party: Party, entity: LegalEntity, limit_minor: int, opened_on: date, expires_on: date, actor: str
) -> Facility:
    """Grant a revolving limit 随借随还. Raises Refused: number taken, limit not positive, ends before it begins."""
    problems = []
    if not 0 < limit_minor <= PRINCIPAL_MINOR_MAX:
        problems.append(Problem("bad_limit", f"the limit must lie in 1..{PRINCIPAL_MINOR_MAX} minor units", "limit"))
    if expires_on <= opened_on:
        problems.append(Problem("bad_dates", "the facility must end after it begins", "expires_on"))
    if Facility.objects.filter(number=number).exists():
        problems.append(Problem("number_taken", f"facility {number} exists already", "number"))
    if problems:
        raise Refused(*problems)
    with transaction.atomic():
        facility = Facility.objects.create(
            number=number, party=party, entity=entity, limit_minor=limit_minor, opened_on=opened_on, expires_on=expires_on
        )
        log(actor, "facility.open", "facility", number)
    return facility


def contract_open(
    *,
    number: str,
    product: Product,
    borrower: Party,
    branch: Branch,
    principal_minor: int,
    annual_rate_ppm: int,
    signed_on: date,
    disbursed_on: date,
    actor: str,
    instalments: int = 0,
    first_due_on: date | None = None,
    due_day: int = 0,
    maturity_on: date | None = None,
    manager: Staff | None = None,
    facility: Facility | None = None,
    channel: str = "",
    purpose: str = "",
    overrides: Mapping[str, Any] | None = None,
    as_of: date | None = None,
) -> Contract:
    """Open a loan under a product version. `as_of`: the business day of the first standing (today when None).

    Raises Refused with every problem, each naming its field: number taken, product not on offer on the day of signing, over
    a limit of the product or the facility, impossible terms, a price or penalty that the jurisdiction's pack does not allow.
    """
    contract = contract_draft(
        number=number,
        branch=branch,
        manager=manager,
        product=product,
        facility=facility,
        borrower=borrower,
        channel=channel,
        purpose=purpose,
        signed_on=signed_on,
        disbursed_on=disbursed_on,
        principal_minor=principal_minor,
        annual_rate_ppm=annual_rate_ppm,
        instalments=instalments,
        first_due_on=first_due_on,
        due_day=due_day,
        maturity_on=maturity_on,
        overrides=overrides,
    )
    with transaction.atomic():
        contract.created_at = clock.stamp()  # a close with an earlier cut-off must never know this loan
        problems = [*_number_problems(number), *contract_problems(contract)]
        if facility is not None:
            problems += _facility_problems(contract, Facility.objects.select_for_update(no_key=True).get(pk=facility.pk))
        if problems:
            raise Refused(*problems)
        try:
            with transaction.atomic():
                contract.save()
        except IntegrityError as error:
            raise Refused(_taken(number)) from error
        LoanParty.objects.create(contract=contract, party=borrower, role="borrower", valid_from=signed_on)
        standing_refresh(contract, as_of=max(as_of or business_date(), disbursed_on))
        log(actor, "loan.open", "loan", number)
    return contract


def contract_draft(
    *,
    product: Product,
    borrower: Party,
    branch: Branch,
    overrides: Mapping[str, Any] | None = None,
    **columns: Any,
) -> Contract:
    """A contract that is not stored: what a preview shows, and what `contract_open` books."""
    return Contract(
        product=product, borrower=borrower, branch=branch, entity=branch.entity, overrides=dict(overrides or {}),
        created_at=now(), **columns,
    )  # fmt: skip


def contract_problems(contract: Contract) -> list[Problem]:
    """Everything that keeps a draft from being signed; each problem names its field. Empty when it can be.

    The draft's calendar is pinned to the version announced today. The law is asked only about terms that are possible.
    """
    impossible = calendar_pinned(contract) + terms_problems(contract)
    return [*_offer_problems(contract), *(impossible or _law_problems(contract))]


def _taken(number: str) -> Problem:
    return Problem("number_taken", f"loan {number} exists already", "number")


def _number_problems(number: str) -> list[Problem]:
    if not LOAN_NUMBER.fullmatch(number):
        return [Problem("bad_number", "a loan number has 1 to 30 letters, digits, hyphens, dots or underscores", "number")]
    return [_taken(number)] if Contract.objects.filter(number=number).exists() else []


def _offer_problems(c: Contract) -> list[Problem]:
    """What the product, its dates and the lender's own organisation do not allow."""
    out, product, limits = [], c.product, c.product.limits
    if c.disbursed_on < c.signed_on:
        out.append(Problem("bad_dates", "money cannot leave before the contract is signed", "disbursed_on"))
    if c.signed_on < product.valid_from or (product.valid_to is not None and c.signed_on >= product.valid_to):
        message = f"{product.code} version {product.version} is not on offer on {c.signed_on}"
        out.append(Problem("product_not_on_offer", message, "product"))
    if c.principal_minor > limits.get("principal_max_minor", PRINCIPAL_MINOR_MAX):
        message = f"{product.code} lends at most {limits['principal_max_minor']} minor units"
        out.append(Problem("over_product_limit", message, "principal"))
    if c.principal_minor < limits.get("principal_min_minor", 0):
        message = f"{product.code} lends at least {limits['principal_min_minor']} minor units"
        out.append(Problem("under_product_limit", message, "principal"))
    if c.annual_rate_ppm > limits.get("annual_rate_max_ppm", RATE_PPM_MAX):
        message = f"{product.code} costs at most {limits['annual_rate_max_ppm']} parts per million a year"
        out.append(Problem("over_product_rate", message, "annual_rate_ppm"))
    if c.instalments > limits.get("instalments_max", c.instalments):
        message = f"{product.code} has at most {limits['instalments_max']} instalments"
        out.append(Problem("over_product_term", message, "instalments"))
    for field, place in (("branch", c.branch), ("entity", c.entity), ("manager", c.manager)):
        if place is not None and not place.holds_on(c.signed_on):
            until = place.valid_to or "further notice"
            message = f"the {field} holds from {place.valid_from} until {until}, not on {c.signed_on}"
            out.append(Problem("outside_validity", message, field))
    if c.manager is not None and c.manager.entity_id not in (None, c.entity.pk):
        out.append(Problem("other_entity", "the customer manager belongs to another legal entity", "manager"))
    return out


def _law_problems(c: Contract) -> list[Problem]:
    """What the rules of the lender's jurisdiction do not allow on the day of signing; each names its article."""
    terms = terms_for(c)
    try:
        rules = pack_here(c.entity.jurisdiction)
    except NoRule as error:
        return [Problem("no_pack", str(error), "jurisdiction")]
    try:
        class_ladder(c.entity.jurisdiction, c.entity.lender_type, c.signed_on, ladder_of(c))
    except NoRule as error:
        return [Problem("no_ladder", str(error), "ladder")]
    rows = schedule(terms)
    fees_minor = sum(d.amount_minor for d in fees_due(fees_read(c.product.fees), terms, rows))
    found = price_findings(rules, c.entity.lender_type, terms, rows, c.signed_on, fees_minor)
    out = [Problem(f.code, str(f), f.field) for f in found]
    reference = reference_of(c)
    if reference is None:
        return out
    try:
        agreed = fixing(reference.index, c.signed_on) + reference.spread_ppm
    except (NoRule, MissingFixing) as error:
        return [*out, Problem("missing_fixing", str(error), "reference")]
    if agreed != c.annual_rate_ppm:
        message = f"{reference.index} plus spread is {agreed} on {c.signed_on}, not {c.annual_rate_ppm}"
        out.append(Problem("rate_not_reference", message, "annual_rate_ppm"))
    return out


def _facility_problems(c: Contract, facility: Facility) -> list[Problem]:
    """Why a drawdown cannot be made; call under the facility row's lock."""
    out = []
    if facility.party_id != c.borrower.pk or facility.entity_id != c.entity.pk:
        out.append(Problem("not_their_facility", f"facility {facility.number} belongs to somebody else", "facility"))
    if facility.frozen:
        out.append(Problem("facility_frozen", f"facility {facility.number} is frozen", "facility"))
    if not facility.opened_on <= c.disbursed_on < facility.expires_on:
        message = f"facility {facility.number} runs from {facility.opened_on} to the day before {facility.expires_on}"
        out.append(Problem("facility_not_open", message, "disbursed_on"))
    available = facility_available(facility)
    if c.principal_minor > available:
        out.append(Problem("over_facility_limit", f"{available} minor units of the limit are available", "principal"))
    return out


def event_record(
    contract: Contract,
    *,
    kind: EventKind,
    effective_on: date,
    idempotency_key: str,
    actor: str,
    amount_minor: int = 0,
    extra: Mapping[str, Any] | None = None,
    as_of: date | None = None,
) -> LoanEvent:
    """Append one event and rewrite the standing cache (as of `as_of`, today when None) in the same transaction.

    The same key and body again return the first event and write nothing. Raises Refused for a change of a loan whose ledger is
    a core's: that leaves as an instruction (lending/beside).
    """
    if idempotency_key.startswith(OWN_KEYS):
        raise refuse("reserved_key", f"keys that begin with {OWN_KEYS} are the lender's own", "idempotency_key")
    if kind == EventKind.CHARGE and (extra or {}).get("component") == "penalty" and is_moving(contract):
        raise refuse("debit_in_flight", "money of this loan is on its way from the bank: nothing is charged for its absence")
    if kind == EventKind.CHARGE and (extra or {}).get("component") == "penalty" and late_for_money_here([contract.pk]):
        raise refuse("money_here", "money for this loan is here and waits for a decision: nothing is charged for its absence")
    with transaction.atomic():
        count = contract.event_count
        event = event_append(
            contract,
            kind=kind,
            effective_on=effective_on,
            amount_minor=amount_minor,
            extra=dict(extra) if extra else None,
            idempotency_key=idempotency_key,
            actor=actor,
        )
        if event.seq > count:
            standing_refresh(contract, as_of=as_of or business_date())
            log(actor, f"event.{kind.name.lower()}", "loan", contract.number, {"seq": event.seq})
    return event


def payments_record(
    user: User, payments: Sequence[NewPayment], *, as_of: date | None = None, all_or_nothing: bool = False
) -> list[LoanEvent | Refused]:
    """Book many payments in one transaction, in the order given; each stands or falls alone, or none stands where one falls.

    What is shared is done once: the loans in scope, their journals, the keys already used, the replay, the log (payments.py).
    With `all_or_nothing` it raises Refused with every problem of every payment, its place in front of the field
    (`payments.3.loan`), and books nothing.
    """
    today = as_of or business_date()
    try:
        return _payments_record(user, payments, today, all_or_nothing)
    except IntegrityError:
        # A writer on another loan used one of the keys between our look and our insert; now it can be seen.
        return _payments_record(user, payments, today, all_or_nothing)


def _payments_record(user: User, payments: Sequence[NewPayment], today: date, whole: bool) -> list[LoanEvent | Refused]:
    with transaction.atomic():
        done = Booking(user, payments, today).book()
        problems = [
            Problem(p.code, f"payment {at}: {p.message}", f"payments.{at}.{p.field}".rstrip("."))
            for at, said in enumerate(done)
            if whole and isinstance(said, Refused)
            for p in said.problems
        ]
        if problems:
            raise Refused(*problems)  # takes back what was booked of the others
        return done


def standing_refresh(contract: Contract, *, as_of: date) -> Standing:
    """Recompute the cached standing of a loan, by whoever's figures hold."""
    held = standing_held(contract, as_of, depth=Depth.ROWS)
    row = StandingRow(contract=contract, source=held.source, **standing_fields(held.standing, contract))
    rows_insert(StandingRow, [row], replace_on="contract")
    return held.standing
