"""Pay-off quotes of the demo: the demo's borrower has one that is open (or, while money of
theirs is on its way, somebody else); another loan was paid off by one, with a little over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from tideover.core.models import User
from tideover.core.problems import Refused
from tideover.lending.models import Contract, PayoffQuote
from tideover.lending.models.organisation import BookMode
from tideover.lending.payoff.selectors import asked_on
from tideover.lending.payoff.services import payoff_quote
from tideover.lending.receipts.services import Payer, Source, receipt_record

OVER_MINOR = 1_230
ACCOUNT = "6217000000008888"
DAYS_BEFORE, DAYS_LEFT = 3, 5


def payoffs_lay(as_of: date) -> int:
    """Make both; how many quotes. A loan of which the sum is not certain is passed over."""
    party = getattr(User.objects.get(username="borrower"), "party", None)
    loans = Contract.objects.filter(entity__book_mode=BookMode.RECORD).exclude(standing__bucket__in=("closed", "written_off"))
    loans = loans.select_related("product", "entity", "branch", "borrower").order_by("pk")
    before = as_of - timedelta(days=DAYS_BEFORE)
    calm = loans.filter(standing__days_past_due=0, disbursed_on__lt=before).exclude(borrower=party)
    used = _quote(calm[:50], before, "manager")
    last = calm.order_by("-pk")[:50]
    mine = _quote(loans.filter(borrower=party), as_of, "borrower") or _quote(last, as_of, "collector")  # else money is on its way
    if used is not None:
        on, contract = before + timedelta(days=1), used.contract
        receipt_record(
            entity_id=contract.entity_id, party=contract.borrower, amount_minor=(asked_on(used, on) or 0) + OVER_MINOR,
            received_on=on, payer=Payer(str(contract.borrower.name), ACCOUNT, "工商银行"), source=Source("bank", "B-9"),
            idempotency_key="demo:payoff", actor="payments", designation=[{"debt": used.number}], as_of=as_of,
        )  # fmt: skip
    return sum(q is not None for q in (mine, used))


def _quote(loans: Iterable[Contract], on: date, actor: str) -> PayoffQuote | None:
    for contract in loans:
        try:
            return payoff_quote(contract, valid_until=on + timedelta(days=DAYS_LEFT), actor=actor, as_of=on)
        except Refused:
            continue
    return None
