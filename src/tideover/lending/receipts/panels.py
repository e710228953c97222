"""Where the money of a receipt went, down to the component of each instalment; what undoing it would change; rows of homes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Min, QuerySet, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core import panels
from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.core.panels import ExceptionRow
from tideover.engine.apportion import Step
from tideover.engine.events import EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import day
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_events
from tideover.lending.models import Contract, PayerAlert, Receipt, ReceiptPart
from tideover.lending.panels_loan import Trail, payment_trail
from tideover.lending.receipts.selectors import FILTERS, receipts_visible, refunds_visible
from tideover.lending.selectors import contracts_visible, loan_standing
from tideover.lending.words import word

STEP_WORDS: dict[str, str] = {
    Step.DESIGNATION: gettext_noop("The payer named this loan."),
    Step.CONTRACT: gettext_noop("The contract says that this loan is paid first."),
    Step.LAW_ONLY: gettext_noop("No other loan was due on that day."),
    Step.LAW_DUE: gettext_noop("What is due comes before what is not (Civil Code art. 560)."),
    Step.LAW_SECURITY: gettext_noop("The loan with the least security comes first (Civil Code art. 560)."),
    Step.LAW_BURDEN: gettext_noop("The loan that costs the borrower most comes first (Civil Code art. 560)."),
    Step.LAW_EARLIEST: gettext_noop("What fell due first comes first (Civil Code art. 560)."),
    Step.LAW_PRO_RATA: gettext_noop("Loans of equal rank share in proportion to what is due (Civil Code art. 560)."),
    Step.NOT_YET_DUE: gettext_noop("Nothing else was due: kept for the next instalment."),
    Step.DEBIT: gettext_noop("The debit was made for this loan."),
    Step.PAYOFF: gettext_noop("It pays this loan off, as quoted."),
    Step.BY_HAND: gettext_noop("Two people, or one within their limit, put it here."),
}
"""Why a part went to its loan, in one sentence a step."""
STEP_WORDS_MINE: dict[str, str] = {
    **STEP_WORDS,
    Step.DESIGNATION: gettext_noop("You named this loan."),
    Step.LAW_BURDEN: gettext_noop("The loan that costs you most comes first (Civil Code art. 560)."),
    Step.PAYOFF: gettext_noop("It paid this loan off, as you asked."),
    Step.DEBIT: gettext_noop("It was taken from your account for this loan."),
    Step.BY_HAND: gettext_noop("We put it here after we had looked at it."),
}
"""The same for the borrower."""


@dataclass(frozen=True, slots=True)
class PartShown:
    """One part: the trail of its payment (None for a loan outside the reader's scope), and the steps that gave it."""

    part: ReceiptPart
    contract: Contract | None
    trail: Trail | None
    steps: list[tuple[str, int]]
    ended: bool


@dataclass(frozen=True, slots=True)
class Undone:
    """A loan today as it is, and as it would be without the receipt."""

    contract: Contract
    now: Standing
    then: Standing


def parts_shown(user: User, receipt: Receipt, words: Mapping[str, str] = STEP_WORDS, ended: bool = True) -> list[PartShown]:
    """The parts of a receipt, those that stand first. A loan outside the scope keeps its number to itself."""
    rows = receipt.parts.select_related("contract__product", "contract__entity").prefetch_related("events").order_by("pk")
    visible = set(contracts_visible(user, business_date()).filter(receipt_parts__receipt=receipt).values_list("pk", flat=True))
    out = []
    for part in rows if ended else rows.filter(ended_at=None):
        seen = part.contract_id in visible
        [event] = part.events.all()
        trail = payment_trail(part.contract, event.seq) if seen else None
        steps = [(_(words.get(str(s), str(s))), int(a)) for s, a in part.steps]
        gone = part.ended_at is not None or receipt.reversed_at is not None
        out.append(PartShown(part, part.contract if seen else None, trail, steps, gone))
    return sorted(out, key=lambda p: (p.ended, p.part.pk))


def mine(user: User) -> tuple[list[Receipt], list[ReceiptPart]]:
    """A borrower's own receipts, the newest first; and parts that stood on their loans and were somebody else's money."""
    receipts = Receipt.objects.filter(party__user=user).order_by("-received_on", "-pk")
    gone = ReceiptPart.objects.filter(contract__borrower__user=user, ended_at__isnull=False).exclude(receipt__party__user=user)
    return list(receipts), list(gone.select_related("contract", "receipt").order_by("-booked_on", "pk"))


def undo_what_if(user: User, receipt: Receipt) -> list[Undone]:
    """What today would be on each loan if the receipt were taken back; nothing is written."""
    if receipt.reversed_at is not None:
        return []
    today = business_date()
    seen = contracts_visible(user, today).select_related("product", "entity")
    out = []
    for contract in seen.filter(receipt_parts__receipt=receipt, receipt_parts__ended_at=None).distinct().order_by("pk"):
        parts = receipt.parts.filter(ended_at=None, contract=contract).prefetch_related("events")
        seqs = {e.seq for p in parts for e in p.events.all()}
        events = engine_events(contract.events.order_by("seq"))
        kept = [e for e in events if e.seq not in seqs and not (e.kind == EventKind.REVERSAL and e.of_seq in seqs)]
        on = max(day(today), day(contract.disbursed_on))
        then = replay(terms_for(contract), kept, on, None, Depth.ROWS)
        out.append(Undone(contract, loan_standing(contract, today, depth=Depth.ROWS), then))
    return out


def state_of(receipt: Receipt) -> str:
    """The one word for how a receipt stands."""
    if receipt.reversed_at is not None:
        return "receipt_reversed"
    if receipt.screening == "hit":
        return "receipt_stopped"
    if receipt.party_id is None:
        return "receipt_unplaced"
    if receipt.waiting:
        return "receipt_waiting"
    return "receipt_left" if receipt.unapplied_minor else "receipt_placed"


# --- rows of role homes ------------------------------------------------------------------------------------------------

Rows = Callable[[User, date], QuerySet[Any]]


def _row(label: str, rows: Rows, oldest: str, amount: str, days: int, show: str) -> panels.Context:
    def context(user: User, on: date) -> Mapping[str, Any] | None:
        found = rows(user, on).aggregate(n=Count("pk"), first=Min(oldest), total=Sum(amount))
        if not found["n"]:
            return None
        first = found["first"] if isinstance(found["first"], date) else None
        first = first.date() if hasattr(first, "date") else first
        act_by = first + timedelta(days=days) if first else None
        late = act_by is not None and act_by < on
        address = f"{reverse('receipts')}?show={show}"
        return {"rows": [ExceptionRow(_(label), found["n"], first, found["total"], word(user.role), act_by, late, address)]}

    return context


def _receipts(show: str) -> Rows:
    return lambda user, on: receipts_visible(user, on).filter(FILTERS[show])


def _alerts(user: User, on: date) -> QuerySet[Any]:
    return PayerAlert.objects.filter(closed_at=None, receipt__in=receipts_visible(user, on))


class HomeRow(NamedTuple):
    """An exception row: what it counts, the field of its oldest, its money, days until it should be worked, whose it is.

    `name` is the list behind it, too (FILTERS).
    """

    name: str
    label: str
    rows: Rows
    oldest: str
    amount: str
    days: int
    permission: str = "home-receipts"


def _under_way(user: User, on: date) -> QuerySet[Any]:
    return refunds_visible(user, on).filter(state__in=("approved", "sent"))


LEFT = "unapplied_minor"
HOME_ROWS = (
    HomeRow("unplaced", gettext_noop("Money of nobody yet"), _receipts("unplaced"), "received_on", LEFT, 3),
    HomeRow("stopped", gettext_noop("Payers on a watch list"), _receipts("stopped"), "received_on", LEFT, 1, "home-payers"),
    HomeRow("waiting", gettext_noop("Receipts to divide anew"), _receipts("waiting"), "received_on", "amount_minor", 2),
    HomeRow("refunds", gettext_noop("Refunds under way"), _under_way, "approved_at", "amount_minor", 3),
    HomeRow("alerts", gettext_noop("Alerts about payers"), _alerts, "raised_at", "receipt__amount_minor", 10, "home-payers"),
)


def rows_register() -> None:
    """Put the rows into the homes of those who work them."""
    for row in HOME_ROWS:
        context = _row(row.label, row.rows, row.oldest, row.amount, row.days, row.name)
        panels.register("home.rows", panels.Panel(f"receipts-{row.name}", "", context, row.permission, 120))
