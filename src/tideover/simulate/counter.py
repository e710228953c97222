"""The demo lender's counter: a till of yesterday that was one yuan short, and one of today with a payment that waits."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from tideover.core.approvals import approval_decide
from tideover.core.business_time import now, start_of_day
from tideover.core.models import Approval, Role, User
from tideover.lending.counter.cash import expected_minor
from tideover.lending.counter.policy import denominations
from tideover.lending.counter.taking import Paid, payment_take
from tideover.lending.counter.tills import till_close, till_count, till_open
from tideover.lending.models import Branch, Contract, Party, Staff, Till

FLOAT = 200_000
SHORT = 100
LARGE = 5_200_000
"""Cash that is reported, so that the report has a line."""


def counter(staff: dict[Role, User], as_of: date) -> int:
    """Two days at the first branch, through the same services as by people; how many tills."""
    teller, head = staff[Role.TELLER], staff[Role.BRANCH_HEAD]
    branch = _branch(teller)
    people = _people(branch)
    if not people:
        return 0
    yesterday = start_of_day(as_of - timedelta(days=1)) + timedelta(hours=9)
    _yesterday(branch, teller, head, people, yesterday)
    nine = min(start_of_day(as_of) + timedelta(hours=9), now() - timedelta(hours=2))  # a demo made at night has no future
    nine = max(nine, start_of_day(as_of))
    box = till_open(branch, float_minor=FLOAT, idempotency_key="demo:till:today", actor=teller, at=nine)
    _pay(box, teller, people[:3], nine, "today")
    big = Paid(people[-1], "cash", 2_680_000, note="卖了一辆货车，要提前结清")
    payment_take(box, big, idempotency_key="demo:slip:above", actor=teller, at=nine + timedelta(hours=2))
    return 2


def _branch(teller: User) -> Branch:
    post = Staff.objects.select_related("branch").get(user=teller)
    assert post.branch is not None
    return post.branch


def _people(branch: Branch) -> list[Party]:
    """Borrowers of the branch who owe something, the latest first."""
    loans = Contract.objects.filter(branch=branch, borrower__user=None, standing__payoff_minor__gt=500_000).exclude(
        standing__bucket__in=("written_off", "closed")
    )  # fmt: skip
    rows = loans.select_related("borrower").order_by("-standing__overdue_minor", "pk")
    seen: dict[int, Party] = {c.borrower_id: c.borrower for c in rows[:12]}
    return list(seen.values())[:5]


def _pay(box: Till, teller: User, people: list[Party], at: datetime, name: str) -> list[Any]:
    ways: tuple[dict[str, Any], ...] = (
        {"method": "cash", "amount_minor": 156_000},
        {"method": "pos", "amount_minor": 88_850, "reference": f"POS{at:%m%d}0071"},
        {"method": "cash", "amount_minor": 60_000, "payer_name": "赵强", "payer_id": "339900198502030018"},
    )
    return [
        payment_take(
            box, Paid(party, **ways[n % len(ways)]), idempotency_key=f"demo:slip:{name}:{n}", actor=teller,
            at=at + timedelta(minutes=25 * n),
        )
        for n, party in enumerate(people)
    ]  # fmt: skip


def _yesterday(branch: Branch, teller: User, head: User, people: list[Party], at: datetime) -> None:
    box = till_open(branch, float_minor=FLOAT, idempotency_key="demo:till:yesterday", actor=teller, at=at)
    slips = _pay(box, teller, people, at, "yesterday")
    rich = Contract.objects.filter(branch=branch, borrower__user=None, standing__payoff_minor__gt=LARGE).exclude(
        standing__bucket="written_off"
    )
    owes = rich.select_related("borrower").order_by("pk").first()
    big = Paid(owes.borrower if owes else people[0], "cash", LARGE if owes else 1_200_000, note="卖房尾款，提前归还一部分")
    waiting = payment_take(box, big, idempotency_key="demo:slip:confirmed", actor=teller, at=at + timedelta(hours=3))
    approval_decide(Approval.objects.get(reference=waiting.approval), grant=True, reason="已电话核实", actor=head)
    assert slips[0].state == "booked"
    pieces, rest = {}, expected_minor(box) - SHORT
    for d in denominations(branch.entity.currency):
        pieces[d], rest = divmod(rest, d)
    count = till_count(box, pieces, actor=teller, at=at + timedelta(hours=8))
    till_close(
        box, bag_number=f"HZ{at:%m%d}01", bag_minor=count.counted_minor - FLOAT, vault_minor=FLOAT, actor=teller,
        reason="下午找零多付 1 元，已复点两遍", at=at + timedelta(hours=8, minutes=20),
    )  # fmt: skip
