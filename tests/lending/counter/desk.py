"""A counter for tests: a teller of Hangzhou with an open till, and who decides."""

from __future__ import annotations

from typing import Any

from tests.factories import House
from tideover.core.approvals import approval_decide
from tideover.core.models import Approval, Role, User
from tideover.lending.counter.taking import Paid, payment_take
from tideover.lending.counter.tills import till_open
from tideover.lending.models import Slip, Staff, Till


def teller(house: House, name: str = "teller") -> User:
    """A teller of Hangzhou; others than the first are made."""
    if name == "teller":
        return house.staff["teller"]
    user, made = User.objects.get_or_create(username=name, defaults={"role": Role.TELLER})
    if made:
        post = house.staff["teller"].posts.get()
        Staff.objects.create(user=user, number=f"S-{name}", entity=post.entity, branch=post.branch, valid_from=post.valid_from)
    return user


def till(house: House, float_minor: int = 100_000, name: str = "teller", **more: Any) -> Till:
    who = teller(house, name)
    key = more.pop("key", f"open-{name}-{Till.objects.count()}")
    return till_open(house.branch, float_minor=float_minor, idempotency_key=key, actor=who, **more)


def take(house: House, box: Till, amount: int = 406_000, key: str = "", **more: Any) -> Slip:
    """A payment of the first borrower, cash unless said otherwise."""
    said = {"party": house.borrower, "method": "cash", "amount_minor": amount, **more}
    at = said.pop("at", None)
    key = key or f"take-{Slip.objects.count()}"
    return payment_take(box, Paid(**said), idempotency_key=key, actor=box.teller, at=at)


def decide(reference: str, who: User, grant: bool = True) -> Approval:
    return approval_decide(Approval.objects.get(reference=reference), grant=grant, reason="looked at it", actor=who)
