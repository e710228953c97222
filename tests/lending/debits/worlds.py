"""A loan that falls due today, its mandate, and a bank that says what a test wants."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta

from tests.factories import House, loan, mandate, party
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Role, User
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.sending import batches_send
from tideover.lending.models import Contract, Debit, Party

TODAY = business_date()


def clock(hour: int = 18, days: int = 0, minute: int = 0) -> datetime:
    """An hour of a day from today, on the lender's clock."""
    return start_of_day(TODAY + timedelta(days=days)) + timedelta(hours=hour, minutes=minute)


def debtor(house: House) -> Party:
    """A borrower of their own, with a sign-in, for loans that fall due today."""
    found = Party.objects.filter(reference="P-0009").first()
    if found is not None:
        return found
    return party("P-0009", "李明", house.branch, "19900000009", User.objects.create_user(username="debtor", role=Role.BORROWER))


def due_today(house: House, number: str = "D-1", due_on: date = TODAY, **values: object) -> Contract:
    """A loan of 12,000.00 whose first of three instalments falls due on a day; its borrower gave a mandate."""
    who = debtor(house)
    contract = loan(number, who, house.branch, disbursed_on=due_on - timedelta(days=30), first_due_on=due_on)
    if not who.mandates.filter(withdrawn_at=None).exists():
        mandate(contract, **{"valid_from": due_on - timedelta(days=40), "payday": 15, **values})
    return contract


def in_flight(house: House, contract: Contract, at: datetime | None = None) -> Debit:
    """Its debit, planned and sent."""
    debits_plan(house.entity, actor="t", at=at or clock())
    batches_send(at or clock())
    return Debit.objects.filter(contract=contract).latest("pk")


def result(*answers: tuple[str, str, int, datetime | None], batch: str = "B1") -> bytes:
    """A result file: (reference, code, minor units, when taken) each."""
    rows = [f"R|{r}|{code}|{n}|{at.isoformat(timespec='seconds') if at else ''}|K" for r, code, n, at in answers]
    taken, total = sum(n > 0 for _, _, n, _ in answers), sum(n for _, _, n, _ in answers)
    head = f"H|TIDEOVER-RESULT|1|{batch}|{len(rows)}|{taken}|{total}|{clock().isoformat(timespec='seconds')}"
    body = "".join(f"{x}\n" for x in (head, *rows))
    return (body + f"T|{batch}|{len(rows)}|{total}|{hashlib.sha256(body.encode()).hexdigest()}\n").encode()
