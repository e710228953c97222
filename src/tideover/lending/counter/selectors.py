"""Reading the counter: who sees which tills and slips, what a person owes today, where a slip's money went, cash to report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q, QuerySet

from tideover.core.business_time import business_date, now
from tideover.core.crypto import search_hash
from tideover.core.models import Approval, ApprovalState, User
from tideover.core.problems import NotFound, Problem
from tideover.lending.counter.policy import cash_rule
from tideover.lending.debits.planning import is_business
from tideover.lending.debits.selectors import money_in_flight
from tideover.lending.models import Contract, LegalEntity, Party, Slip, Till
from tideover.lending.panels_loan import payment_trail
from tideover.lending.receipts.debts import claims_due
from tideover.lending.rules.counter import CashSlip, LargeCash, large_cash, working_day_after
from tideover.lending.scope import branches_visible, entities_visible, parties_reachable
from tideover.lending.selectors import contracts_visible, loan_standing

FOUND_MAX = 20
GIVEN_BACK = ("cancelled", "returned")


def tills_visible(user: User, on: date) -> QuerySet[Till]:
    """The tills of the branches of a post."""
    rows = Till.objects.filter(branch__in=branches_visible(user, on))
    return rows.select_related("branch__entity", "teller", "count")


def slips_visible(user: User, on: date) -> QuerySet[Slip]:
    """The slips of the branches of a post."""
    rows = Slip.objects.filter(till__branch__in=branches_visible(user, on))
    return rows.select_related("till__branch__entity", "till__teller", "party", "receipt")


def till_get(user: User, number: str, on: date) -> Till:
    """One visible till. Raises NotFound for others, so that numbers cannot be probed."""
    found = tills_visible(user, on).filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_till", f"there is no till {number} in your scope", "number"))
    return found


def slip_get(user: User, number: str, on: date) -> Slip:
    """One visible slip. Raises NotFound for others."""
    found = slips_visible(user, on).filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_slip", f"there is no slip {number} in your scope", "number"))
    return found


def till_at_work(user: User) -> Till | None:
    """The teller's open till, of whatever day; None where they have none."""
    return Till.objects.filter(teller=user, state="open").select_related("branch__entity", "teller").first()


def tills_unfinished(user: User) -> QuerySet[Till]:
    """Tills of a teller that are counted and wait to be handed over."""
    return Till.objects.filter(teller=user, state="counted").order_by("day", "pk")


def people_found(user: User, typed: str, entity: LegalEntity, on: date) -> list[Party]:
    """Whom a teller may mean, within their scope and with a loan of this lender: by loan or borrower number, telephone, identity
    number or full name."""
    text = typed.strip()
    if not text:
        return []
    mine = contracts_visible(user, on).filter(entity=entity)
    h = search_hash(text)
    known = Q(reference=text.upper()) | Q(phone_hash=h) | Q(id_hash=h) | Q(name_hash=h)
    known |= Q(pk__in=mine.filter(number=text.upper()).values("borrower"))
    rows = parties_reachable(user, on).filter(known, contracts__entity=entity)
    return list(rows.select_related("branch").distinct().order_by("pk")[:FOUND_MAX])


@dataclass(frozen=True, slots=True)
class Owing:
    """A loan as a counter reads it today, in minor units: due, to pay it off, and what a debit is taking already."""

    contract: Contract
    due_minor: int
    payoff_minor: int
    moving_minor: int
    days_past_due: int
    next_due_on: int
    next_due_minor: int


def owing(user: User, party: Party, entity: LegalEntity, on: date) -> list[Owing]:
    """The open loans of a person with a lender, those within the reader's scope."""
    rows = contracts_visible(user, on).filter(borrower=party, entity=entity, disbursed_on__lte=on)
    loans = list(rows.select_related("product", "entity", "branch").order_by("pk"))
    moving = money_in_flight([c.pk for c in loans])
    out = []
    for c in loans:
        s = loan_standing(c, on)
        if s.payoff_minor > 0:
            due = sum(claims_due(s, on).values())
            out.append(
                Owing(c, due, s.payoff_minor, moving.get(c.pk, 0), s.days_past_due, s.next_due_on, s.next_due_minor)
            )  # fmt: skip
    return out


@dataclass(frozen=True, slots=True)
class Part:
    """What of a slip went to one loan, by component (name, minor units) as it was booked."""

    loan: str
    amount_minor: int
    components: list[tuple[str, int]]


def parts_of(slip: Slip) -> list[Part]:
    """Where the money of a slip went; nothing while it waits, and nothing of what was taken back."""
    if slip.receipt is None or slip.receipt.reversed_at is not None:
        return []
    out = []
    rows = slip.receipt.parts.filter(ended_at=None).select_related("contract__product", "contract__entity")
    for part in rows.prefetch_related("events").order_by("pk"):
        [event] = part.events.all()
        trail = payment_trail(part.contract, event.seq)
        out.append(Part(part.contract.number, part.amount_minor, list(trail.parts) if trail else []))
    return out


def states_of(slips: Iterable[Slip], at: datetime | None = None) -> dict[int, str]:
    """How slips stand, by id: slip_awaiting, slip_to_return, slip_booked, slip_taken_back, slip_cancelled, slip_returned."""
    rows, at = list(slips), at or now()
    asked = [s.approval for s in rows if s.state == "awaiting"]
    open_ = Approval.objects.filter(reference__in=asked, state=ApprovalState.OPEN, expires_at__gt=at) if asked else ()
    return {s.pk: _state(s, {a.reference for a in open_}) for s in rows}


def _state(slip: Slip, open_: set[str]) -> str:
    if slip.state == "awaiting":
        return "slip_awaiting" if slip.approval in open_ else "slip_to_return"
    if slip.state == "booked" and slip.receipt is not None and slip.receipt.reversed_at is not None:
        return "slip_taken_back"
    return f"slip_{slip.state}"


def slips_undecided(user: User, on: date) -> list[Slip]:
    """Money that is here, that nobody decided in time or that was refused: it is given back, or asked about again."""
    rows = list(slips_visible(user, on).filter(state="awaiting").order_by("taken_at"))
    states = states_of(rows)
    return [s for s in rows if states[s.pk] == "slip_to_return"]


def tills_left(user: User, on: date) -> QuerySet[Till]:
    """Tills of days before that are not closed."""
    return tills_visible(user, on).exclude(state="closed").filter(day__lt=on).order_by("day", "pk")


@dataclass(frozen=True, slots=True)
class CashLine:
    """A line of the report of large cash, and the day by which it is reported."""

    found: LargeCash
    party: Party
    entity: LegalEntity
    report_by: date


def cash_lines(user: User, first: date, last: date) -> list[CashLine]:
    """Cash handed over from a day to another by people who reach the threshold on one of them, the newest first.

    Summed over all branches of a lender; shown to who reaches one where the person paid. Money that was given back on the spot
    does not count, money that waits for a second person does.
    """
    today = business_date()
    entities = {e.pk: e for e in entities_visible(user, today)}
    rows = Slip.objects.filter(method="cash", day__range=(first, last), till__branch__entity__in=entities)
    rows = rows.exclude(state__in=GIVEN_BACK)
    cash = [CashSlip(*x) for x in rows.values_list("till__branch__entity", "party", "day", "amount_minor")]
    found: list[LargeCash] = []
    rules = {pk: cash_rule(e.jurisdiction, last) for pk, e in entities.items()}
    for pk, known in rules.items():
        if known is not None:
            found += large_cash([c for c in cash if c.entity_id == pk], known.threshold_minor)
    if not found:
        return []
    seen = set(slips_visible(user, today).filter(day__range=(first, last)).values_list("party", "day"))
    found = [x for x in found if (x.party_id, x.day) in seen]
    people: Mapping[int, Party] = Party.objects.in_bulk({x.party_id for x in found})
    working = {pk: is_business(entities[pk]) for pk in {x.entity_id for x in found}}
    lines = []
    for x in sorted(found, key=lambda x: (-x.day.toordinal(), -x.amount_minor, x.party_id)):
        known = rules[x.entity_id]
        assert known is not None
        by = working_day_after(x.day, known.report_working_days, working[x.entity_id])
        lines.append(CashLine(x, people[x.party_id], entities[x.entity_id], by))
    return lines


def no_till() -> list[Problem]:
    """What is wrong where a teller without an open till would hold money."""
    return [Problem("no_till", "open your till of today first", "till")]
