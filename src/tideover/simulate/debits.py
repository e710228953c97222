"""Mandates of the demo's borrowers, and debit batches at every state, made by the services that real ones use."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from tideover.core.business_time import start_of_day
from tideover.lending.debits.answers import answer_apply
from tideover.lending.debits.mandates import Account, mandate_give
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.sending import batches_send
from tideover.lending.models import Contract, Debit, LegalEntity, Party
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.debit_files import Result

BANKS = (("ICBC", "工商银行"), ("CCB", "建设银行"), ("CMB", "招商银行"))
WORDS = "demo: 本人同意从所列账户扣收到期应还款项，可随时取消。"
EACH = 8
"""Loans of a batch, at most."""
TAKEN, EMPTY, CLOSED, WORKING, UNKNOWN = "0000", "1001", "1002", "9001", "9999"
SAID: tuple[tuple[str, ...], ...] = ((TAKEN, TAKEN, EMPTY, TAKEN, CLOSED), (TAKEN, "", EMPTY), (UNKNOWN, TAKEN), ("",))
"""What the bank says of the debits of each batch, in turn; empty: nothing yet."""


def debits_lay(as_of: date) -> None:
    """Batches of yesterday evening: settled, half answered, with unknown results, without an answer; and one of today that has
    not left, where a loan is five days late."""
    evening = start_of_day(as_of - timedelta(days=1)) + timedelta(hours=18, minutes=30)
    for entity in LegalEntity.objects.filter(book_mode=BookMode.RECORD).order_by("pk"):
        late = Contract.objects.filter(entity=entity, standing__days_past_due__range=(2, 25)).exclude(
            standing__bucket__in=("closed", "written_off")
        )
        loans = list(late.select_related("borrower", "standing").order_by("pk"))
        fresh = [c for c in loans if c.standing.days_past_due == 5][:EACH]
        rest = [c for c in loans if c not in fresh]
        size = min(EACH, -(-len(rest) // len(SAID)))
        for n, said in enumerate(SAID):
            _batch(entity, rest[n * size : (n + 1) * size], evening, said)
        _mandates(entity, fresh, as_of)
        debits_plan(entity, actor="payments", at=start_of_day(as_of) + timedelta(hours=10), channel="file")
        _others(entity, as_of)


def _batch(entity: LegalEntity, loans: Sequence[Contract], at: datetime, said: Sequence[str]) -> None:
    _mandates(entity, loans, at.date())
    batches, _ = debits_plan(entity, actor="payments", at=at, channel="file")
    batches_send(at + timedelta(minutes=1))
    answered = at + timedelta(hours=2)
    for batch in batches:
        for n, debit in enumerate(batch.debits.filter(state="in_flight").order_by("pk")):
            if code := said[n % len(said)]:
                answer_apply(_said(debit, code, answered), source="file", at=answered, actor="bank")


def _said(debit: Debit, code: str, at: datetime) -> Result:
    taken = debit.amount_minor if code == TAKEN else 0
    return Result(debit.reference, code, taken, at if taken else None, f"K{debit.pk:08d}")


def _mandates(entity: LegalEntity, loans: Sequence[Contract], payday: date) -> None:
    for party in {c.borrower_id: c.borrower for c in loans}.values():
        _mandate(entity, party, payday)


def _mandate(entity: LegalEntity, party: Party, payday: date) -> None:
    if party.mandates.filter(entity=entity, withdrawn_at=None).exists():
        return
    digits = str(int(hashlib.sha256(party.reference.encode()).hexdigest(), 16))
    accounts = [
        Account(*BANKS[(party.pk + n) % 3], party.name, f"62{digits[n * 14 : n * 14 + 14]}") for n in range(1 + party.pk % 2)
    ]
    mandate_give(
        party, entity, accounts=accounts, cap_take_minor=5 * 10**6, cap_month_minor=10**7, words=WORDS, how="app",
        actor="borrower", valid_from=payday - timedelta(days=90), payday=payday.day, part_allowed=party.pk % 4 == 0,
    )  # fmt: skip


def _others(entity: LegalEntity, as_of: date) -> None:
    """Borrowers whose next instalment is weeks away: their page shows the day and the amount."""
    due = Contract.objects.filter(entity=entity, standing__days_past_due=0, standing__next_due_on__gt=as_of)
    _mandates(entity, list(due.select_related("borrower").order_by("pk")[: 3 * EACH]), as_of)
