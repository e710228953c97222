"""Reading debits: money under way, who sees what, what is being taken next."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from tideover.core.business_time import business_date, now
from tideover.core.models import User
from tideover.core.problems import NotFound, Problem
from tideover.lending.models import Contract, Debit, DebitAnswer, DebitBatch, DebitFile, Mandate
from tideover.lending.rules.debits import MOVING, State
from tideover.lending.scope import entities_visible, parties_reachable
from tideover.lending.selectors import contracts_visible

LOOK_DAYS = 7
"""Failures, refused files and answers against what stands are shown for so many days."""
CREDIT_WITHIN = timedelta(days=31)
"""A credit line is looked up among batches of so many days before it; one that comes later is placed by hand."""


def money_in_flight(contract_ids: Iterable[int], at: datetime | None = None) -> dict[int, int]:
    """Minor units under way by contract id: sent, with the bank, or of unknown result, now or (`at`) at an instant before."""
    rows = Debit.objects.filter(contract__in=list(contract_ids))
    if at is None:
        rows = rows.filter(state__in=MOVING)
    else:
        rows = rows.filter(Q(settled_at=None) | Q(settled_at__gt=at), sent_at__lte=at)
    return dict(rows.values_list("contract_id").annotate(Sum("amount_minor")).order_by())


def under_way(contract_ids: Iterable[int]) -> dict[int, tuple[int, date]]:
    """Minor units under way now, and the day on which the oldest debit was to leave, by contract id."""
    rows = Debit.objects.filter(contract__in=list(contract_ids), state__in=MOVING)
    found = rows.values_list("contract_id").annotate(Sum("amount_minor"), Min("debit_on")).order_by()
    return {pk: (amount, on) for pk, amount, on in found}


def is_moving(contract: Contract) -> bool:
    """Whether money of a loan is under way, so that nothing may be charged or reported for its absence."""
    return Debit.objects.filter(contract=contract, state__in=MOVING).exists()


UNCREDITED = Q(state="settled") & ~Q(taken_minor=F("credited_minor"))
"""Batches of which every result is here, and the statements say something else: less came, or (rarely) more."""


CREDITED_AFTER = timedelta(days=1)
"""The bank credits a batch by the end of the day after its own."""


def batches_uncredited(rows: QuerySet[DebitBatch], on: date) -> QuerySet[DebitBatch]:
    """Batches of which the bank should have credited what it took by a day, and the statements say another sum."""
    return rows.filter(UNCREDITED, debit_on__lt=on - CREDITED_AFTER)


def batch_expected(entity_id: int, amount_minor: int, on: date) -> DebitBatch | None:
    """The batch that a credit line of the bank could settle by its amount: what was taken until `on` and is not credited yet is
    this amount, and its day lies at most CREDIT_WITHIN before; the oldest of several. None: the line is something else."""
    left = F("credited_minor") + amount_minor
    rows = DebitBatch.objects.filter(
        UNCREDITED | Q(state="out", total_minor__gte=left), entity=entity_id, debit_on__range=(on - CREDIT_WITHIN, on)
    )  # fmt: skip
    taken = rows.annotate(until=Coalesce(Sum("debits__taken_minor", filter=Q(debits__value_date__lte=on)), 0))
    return taken.filter(until=left).order_by("debit_on", "pk").first() if amount_minor > 0 else None


def batch_named(entity_id: int, numbers: Collection[str], amount_minor: int) -> DebitBatch | None:
    """The one batch whose number the bank's words say, while it can take the amount: no more than went to the bank in all."""
    rows = DebitBatch.objects.filter(entity=entity_id, number__in=numbers, total_minor__gte=F("credited_minor") + amount_minor)
    found = list(rows[:2])
    return found[0] if len(found) == 1 else None


def names_debited(batch: DebitBatch) -> list[str]:
    """Holders of the accounts that a batch asks."""
    return [d.account.holder for d in batch.debits.select_related("account")]


def mandate_live(party_id: int, entity_id: int) -> Mandate | None:
    """The mandate of a borrower with an entity that is not withdrawn."""
    return Mandate.objects.filter(party=party_id, entity=entity_id, withdrawn_at=None).first()


def mandate_of(contract: Contract) -> Mandate | None:
    """The mandate under which a loan may be debited."""
    found = mandate_live(contract.borrower_id, contract.entity_id)
    if found is None:
        return None
    named = set(found.contracts.values_list("pk", flat=True))
    return found if not named or contract.pk in named else None


def month_used(mandate: Mandate, on: date) -> int:
    """What was taken or may have been taken under a mandate in the month of a day (minor units)."""
    first = on.replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1)
    rows = mandate.debits.filter(debit_on__gte=first, debit_on__lt=last)
    moving = rows.filter(state__in=(*MOVING, "drafted")).aggregate(n=Sum("amount_minor"))["n"] or 0
    return moving + (rows.aggregate(n=Sum("taken_minor"))["n"] or 0)


def batches_visible(user: User, on: date) -> QuerySet[DebitBatch]:
    """The batches of the entities that a post reaches."""
    return DebitBatch.objects.filter(entity__in=entities_visible(user, on)).select_related("entity")


def batches_to_work(rows: QuerySet[DebitBatch], show: str) -> QuerySet[DebitBatch]:
    """Batches by what they wait for. drafted: to be sent; unanswered: for the first answer; half: for the others; uncredited: for
    the bank's credit, which statements do not show as it should be by today."""
    if show == "uncredited":
        return batches_uncredited(rows, business_date())
    if show == "drafted":
        return rows.filter(state__in=("drafted", "ready"))
    answered = Debit.objects.filter(batch=OuterRef("pk")).exclude(state__in=(State.DRAFTED, State.SENT, State.IN_FLIGHT))
    waits = rows.filter(state__in=("handing", "out"))
    return waits.filter(Exists(answered)) if show == "half" else waits.filter(~Exists(answered))


def debits_to_work(rows: QuerySet[Debit], show: str) -> QuerySet[Debit]:
    """unknown: only an inquiry can tell; failed: lately, with the bank; conflict: an answer came against what stands."""
    since = now() - timedelta(days=LOOK_DAYS)
    if show == "unknown":
        return rows.filter(state=State.UNKNOWN)
    if show == "failed":
        return rows.filter(state=State.FAILED, settled_at__gte=since).exclude(sent_at=None)
    return rows.filter(Exists(DebitAnswer.objects.filter(debit=OuterRef("pk"), effect="conflict", at__gte=since)))


def files_unusable() -> QuerySet[DebitFile]:
    """Result files of the last days that were refused."""
    return DebitFile.objects.filter(state="refused", at__gte=now() - timedelta(days=LOOK_DAYS))


def debits_visible(user: User, on: date) -> QuerySet[Debit]:
    """The debits of the loans that a person may see."""
    seen = contracts_visible(user, on).filter(pk=OuterRef("contract"))
    return Debit.objects.filter(Exists(seen)).select_related("contract__borrower", "account", "batch", "mandate")


def mandates_visible(user: User, on: date) -> QuerySet[Mandate]:
    """The mandates of the people whom a post reaches."""
    reached = parties_reachable(user, on).filter(pk=OuterRef("party"))
    return Mandate.objects.filter(Exists(reached), entity__in=entities_visible(user, on)).select_related("party", "entity")


def debit_get(user: User, reference: str, on: date) -> Debit:
    """One visible debit. Raises NotFound for others."""
    found = debits_visible(user, on).filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_debit", f"there is no debit {reference} in your scope", "reference"))
    return found


def batch_get(user: User, number: str, on: date) -> DebitBatch:
    """One visible batch. Raises NotFound for others."""
    found = batches_visible(user, on).filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_batch", f"there is no batch {number} in your scope", "number"))
    return found


def debits_due_to_ask(at: datetime) -> QuerySet[Debit]:
    """Debits that the bank must be asked about: without a result, or failed and not confirmed; and their time has come."""
    return Debit.objects.filter(state__in=(*MOVING, State.FAILED), inquire_at__lte=at).order_by("inquire_at", "pk")
