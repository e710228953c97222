"""Where the money of a receipt went, down to the component of each instalment; what undoing it would change; rows of homes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.engine.apportion import Step
from tideover.engine.events import EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import day
from tideover.lending.contract_terms import terms_for
from tideover.lending.held import figures_held, standing_moved
from tideover.lending.journal import engine_events
from tideover.lending.models import Contract, Receipt, ReceiptPart
from tideover.lending.panels_loan import Trail, payment_trail
from tideover.lending.selectors import contracts_visible, loan_standing
from tideover.lending.words import money

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
    Step.BY_HAND: gettext_noop("Two people, or one within their limit, put it here."),
    Step.CORE: gettext_noop("The core booked this money here."),
}
"""Why a part went to its loan, in one sentence a step."""
STEP_WORDS_MINE: dict[str, str] = {
    **STEP_WORDS,
    Step.DESIGNATION: gettext_noop("You named this loan."),
    Step.LAW_BURDEN: gettext_noop("The loan that costs you most comes first (Civil Code art. 560)."),
    Step.DEBIT: gettext_noop("It was taken from your account for this loan."),
    Step.BY_HAND: gettext_noop("We put it here after we had looked at it."),
    Step.CORE: gettext_noop("Our account system booked it here."),
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


class Mine(NamedTuple):
    """receipts: a borrower's own, the newest first; looked_at: money that came in for them and waits for people; gone: parts that
    stood on their loans and were somebody else's money."""

    receipts: list[Receipt]
    looked_at: list[Receipt]
    gone: list[ReceiptPart]


def mine(user: User) -> Mine:
    """What a borrower reads of receipts."""
    theirs = Q(party__user=user) | Q(meant_for__user=user, party=None, screening="hit", reversed_at=None)
    receipts = list(Receipt.objects.filter(theirs).order_by("-received_on", "-pk"))
    gone = ReceiptPart.objects.filter(contract__borrower__user=user, ended_at__isnull=False).exclude(receipt__party__user=user)
    return Mine(
        [r for r in receipts if r.party_id is not None], [r for r in receipts if r.party_id is None],
        list(gone.select_related("contract", "receipt").order_by("-booked_on", "pk")),
    )  # fmt: skip


def undo_what_if(user: User, receipt: Receipt) -> list[Undone]:
    """What today would be on each loan if the receipt were taken back; nothing is written."""
    if receipt.reversed_at is not None:
        return []
    today = business_date()
    seen = contracts_visible(user, today).select_related("product", "entity")
    loans = list(seen.filter(receipt_parts__receipt=receipt, receipt_parts__ended_at=None).distinct().order_by("pk"))
    figures, out = figures_held([c.pk for c in loans], today), []
    for contract in loans:
        parts = receipt.parts.filter(ended_at=None, contract=contract).prefetch_related("events")
        seqs = {e.seq for p in parts for e in p.events.all()}
        events = engine_events(contract.events.order_by("seq"))
        kept = [e for e in events if e.seq not in seqs and not (e.kind == EventKind.REVERSAL and e.of_seq in seqs)]
        on = max(day(today), day(contract.disbursed_on))
        then = replay(terms_for(contract), kept, on, None, Depth.ROWS)
        then = standing_moved(contract, events, then, figures.get(contract.pk))
        out.append(Undone(contract, loan_standing(contract, today, depth=Depth.ROWS), then))
    return out


def what_next(receipt: Receipt) -> str:
    """What becomes of the money that is on no loan, in a few words for staff; empty where nothing is left to say."""
    words = ""
    if receipt.reversed_at is not None:
        words = _("It was taken back: nothing of it counts on any loan.")
    elif receipt.screening == "hit":
        words = _("Compliance decides: then it is booked as of %(day)s, or stays unplaced. Nobody asks for it meanwhile.")
    elif receipt.screening == "kept":
        words = _("Compliance keeps it unplaced. It counts for nobody; it can only be taken back.")
    elif receipt.party_id is None:
        words = _(
            "It counts for nobody yet. Once somebody says whose it is, it is booked as of %(day)s, with no late interest since."
        )
    elif receipt.unapplied_minor and receipt.pinned:
        words = _("%(sum)s is left over where people moved the money. Nothing places it by itself: move it, or send it back.")
    elif receipt.unapplied_minor and not receipt.waiting:
        words = _("%(sum)s waits: it pays what falls due next, on its day, by itself.")
    return words % {"sum": money(receipt.unapplied_minor), "day": receipt.received_on.isoformat()}


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
