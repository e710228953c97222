"""What is debited now: facts from the book, the pure rule, and its decisions as drafted debits in batches."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, Sum

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.lease import LEASE, owner_new
from tideover.core.packs.load import NoRule, calendar
from tideover.engine.standing import Standing
from tideover.engine.terms import date_of, day
from tideover.lending.debits.policy import local, policy, reasons
from tideover.lending.debits.selectors import mandate_of, money_in_flight, month_used
from tideover.lending.models import Contract, Debit, DebitBatch, DebitMove, Dispute, Hold, LegalEntity, Mandate, Product, Receipt
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.debits import Account, IsBusiness, Leave, Loan, NotPlanned, Planned, State, Tried, plan
from tideover.lending.selectors import loan_standing
from tideover.lending.services_holds import open_now


def is_business(entity: LegalEntity) -> IsBusiness:
    """Whether a day is a working day in the lender's calendar; without one every day that is no weekend is."""
    try:
        days = calendar(entity.jurisdiction)
    except NoRule:
        return lambda on: on.weekday() < 5
    return lambda on: days.is_business_day(day(on))


def loans_to_look_at(entity: LegalEntity, at: datetime) -> list[Contract]:
    """Open loans of an entity with a live mandate that may have something due by the day, by the cache of standings.

    A row that falls due today is neither late nor the next one: its interest shows it. Loans that bear none are all looked at.
    """
    today = local(at).date()
    live = Mandate.objects.filter(party=OuterRef("borrower"), entity=entity, withdrawn_at=None)
    free = [p.pk for p in Product.objects.all() if p.conventions.get("interest_free_rows")]
    due = Q(standing__overdue_minor__gt=0) | Q(standing__interest_minor__gt=0) | Q(standing__next_due_on__lte=today)
    due |= Q(standing__fee_minor__gt=0) | Q(annual_rate_ppm=0) | Q(product__in=free)
    rows = Contract.objects.filter(Exists(live), due, entity=entity).exclude(standing__bucket__in=("closed", "written_off"))
    return list(rows.select_related("product", "borrower", "entity").order_by("standing__oldest_due_on", "pk"))


def due_on_day(s: Standing, on: date) -> int:
    """Everything that a loan asks for by a day (minor units): rows due, penalty and compound interest, fees, costs."""
    rows = sum(r.outstanding_minor for r in s.rows if r.due_on <= day(on))
    return rows + s.penalty_minor + s.compound_minor + s.fee_minor + s.third_party_fee_minor + s.recovery_cost_minor


def loan_facts(contract: Contract, at: datetime) -> Loan:
    """A loan as the rule reads it, by replay now."""
    today = local(at).date()
    s = loan_standing(contract, today)
    mandate = mandate_of(contract)
    holds = Hold.objects.filter(open_now(at), party=contract.borrower).filter(Q(contract=contract) | Q(contract=None))
    disputes = Dispute.objects.filter(party=contract.borrower, closed_on=None)
    held = Receipt.objects.filter(party=contract.borrower, entity=contract.entity, reversed_at=None)
    debits = list(contract.debits.order_by("pk"))
    return Loan(
        id=contract.pk,
        due_minor=max(0, due_on_day(s, today) - max(0, s.surplus_minor)),
        owed_minor=max(0, s.payoff_minor),
        rows=tuple(date_of(r.due_on) for r in s.rows if r.outstanding_minor and r.due_on <= day(today)),
        moving_minor=money_in_flight([contract.pk]).get(contract.pk, 0),
        arrived_minor=held.aggregate(n=Sum("unapplied_minor"))["n"] or 0,
        holds=tuple(sorted(set(holds.exclude(kind="debit_in_flight").values_list("kind", flat=True)))),
        disputed=disputes.filter(Q(contract=contract) | Q(contract=None)).exists(),
        mandate=None if mandate is None else _leave(mandate, today),
        tries=tuple(_tried(d) for d in debits),
    )


def _tried(d: Debit) -> Tried:
    never_left = d.state == State.FAILED and d.sent_at is None
    said = {r.reason: r.counts for r in reasons().values()}
    counts = not never_left and said.get(d.reason, True)
    return Tried(d.due_on, d.debit_on, d.account_id, d.reason, State(d.state), counts)


def _leave(m: Mandate, on: date) -> Leave:
    accounts = m.accounts.filter(ended_at=None).order_by("rank").values_list("pk", "fault")
    return Leave(
        m.pk, m.valid_from, m.valid_to, m.cap_take_minor, m.cap_month_minor, m.part_allowed, m.payday,
        tuple(Account(pk, fault) for pk, fault in accounts), month_used(m, on),
    )  # fmt: skip


def decide(
    entity: LegalEntity, at: datetime, contracts: Iterable[Contract] | None = None
) -> list[tuple[Contract, Planned | NotPlanned]]:
    """What the rule says of each loan now; nothing is written."""
    loans = loans_to_look_at(entity, at) if contracts is None else list(contracts)
    facts = [loan_facts(c, at) for c in loans]
    borrower = {c.pk: c.borrower_id for c in loans}
    return list(zip(loans, plan(facts, policy(), local(at), is_business(entity), borrower=borrower), strict=True))


def debits_plan(
    entity: LegalEntity, *, actor: str, at: datetime | None = None, channel: str = ""
) -> tuple[list[DebitBatch], dict[str, int]]:
    """Draft what is to be taken now, in batches of at most TIDEOVER_DEBIT_BATCH: (batches, loans that are not debited by reason).

    Run it as often as you like, and twice at once: a loan has one debit without a result (the database refuses a second), and a
    day's try is made once. An entity beside a core is not debited from here.
    """
    when = at or now()
    if entity.book_mode != BookMode.RECORD:
        return [], {"overlay": 1}
    why_not: dict[str, int] = defaultdict(int)
    planned: list[tuple[Contract, Planned]] = []
    for contract, said in decide(entity, when):
        if isinstance(said, Planned):
            planned.append((contract, said))
        else:
            why_not[said.reason] += 1
    batches = []
    for first in range(0, len(planned), settings.DEBIT_BATCH):
        batch = _batch(entity, planned[first : first + settings.DEBIT_BATCH], when, actor, channel, why_not)
        if batch is not None:
            batches.append(batch)
    return batches, dict(why_not)


def _batch(
    entity: LegalEntity,
    planned: Sequence[tuple[Contract, Planned]],
    at: datetime,
    actor: str,
    channel: str,
    why_not: dict[str, int],
) -> DebitBatch | None:
    rules, here = policy(), local(at)
    cut_off = datetime.combine(here.date(), rules.cut_off, here.tzinfo)
    if at >= cut_off:
        why_not["missed_cut_off"] += len(planned)
        return None
    owner = owner_new()
    batch = DebitBatch.objects.create(
        number=f"B{here:%Y%m%d}-{secrets.token_hex(4).upper()}", entity=entity, debit_on=here.date(), cut_off_at=cut_off,
        channel=channel or settings.DEBIT_CHANNEL or ("http" if settings.BANK_ADDRESS else "file"), made_at=at, made_by=actor,
        lease_owner=owner, lease_until=max(at, now()) + LEASE,
    )  # fmt: skip
    for contract, p in sorted(planned, key=lambda x: x[1].loan):
        if not _draft(batch, contract, p, at, actor):
            why_not["in_flight"] += 1
    return _close(batch, actor)


def _close(batch: DebitBatch, actor: str) -> DebitBatch | None:
    """A batch that is filled: free for a sender; one without debits is deleted."""
    with transaction.atomic():
        mine = DebitBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
        if mine.lease_owner != batch.lease_owner or mine.state != "drafted":
            return mine  # it took so long that a sender took the batch over, with what was drafted by then
        made = mine.debits.aggregate(n=Sum("amount_minor"))
        mine.count, mine.total_minor = mine.debits.count(), made["n"] or 0
        mine.lease_owner, mine.lease_until = "", None
        if not mine.count:
            mine.delete()
            return None
        mine.save()
        log(actor, "debit.plan", "debit_batch", mine.number, {"count": mine.count})
    return mine


def _draft(batch: DebitBatch, contract: Contract, p: Planned, at: datetime, actor: str) -> bool:
    """One drafted debit, decided once more under the loan's lock, in a transaction of its own; False where another planner was
    faster, it is not to be, or the batch is not this planner's any more."""
    try:
        with transaction.atomic():
            mine = DebitBatch.objects.filter(pk=batch.pk, lease_owner=batch.lease_owner, state="drafted")
            if not mine.update(lease_until=max(at, now()) + LEASE):
                return False
            Contract.objects.select_for_update(of=("self",), no_key=True).get(pk=contract.pk)
            again = loan_facts(contract, at)
            if any(t.state in ("drafted", "sent", "in_flight", "unknown") for t in again.tries) or again.moving_minor:
                return False
            tried = sum(t.counts for t in again.tries if t.due_on == p.due_on)
            if tried + 1 != p.attempt or any(
                t.counts and t.debit_on == batch.debit_on and t.account == p.account for t in again.tries
            ):
                return False
            debit = Debit.objects.create(
                reference=f"D{batch.debit_on:%y%m%d}-{secrets.token_hex(6).upper()}", contract=contract, mandate_id=p.mandate,
                account_id=p.account, batch=batch, due_on=p.due_on, debit_on=batch.debit_on, attempt=p.attempt,
                amount_minor=min(p.amount_minor, again.due_minor), part_allowed=p.part_allowed, drafted_at=at,
            )  # fmt: skip
            DebitMove.objects.create(
                debit=debit, at=at, before="", after=State.DRAFTED, actor=actor, detail={"attempt": p.attempt}
            )
    except IntegrityError:
        return False
    return True


def still_owed(debit: Debit, at: datetime) -> int | str:
    """What a drafted debit may take as it is about to leave: no more than was planned, none where a hold, a dispute, a withdrawn
    mandate or a payment came since; the reason instead where nothing may be taken."""
    facts = loan_facts(debit.contract, at)
    mandate = debit.mandate
    if debit.contract.entity.book_mode != BookMode.RECORD:
        return "stopped"  # a core keeps the book since, and debits
    if mandate.withdrawn_at is not None or facts.disputed or any(h in policy().stops or h == "dispute" for h in facts.holds):
        return "stopped"
    owed = min(facts.due_minor, facts.owed_minor) - facts.arrived_minor
    return min(debit.amount_minor, owed) if owed > 0 else "not_owed"
