"""What other pages show of a core: exception rows of payments' and finance's homes, changes on their way, mends in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.engine.events import EventKind
from tideover.engine.terms import DAY_COUNT_NAMES, DayCount
from tideover.lending.beside.instructions import TELL, on_their_way
from tideover.lending.models import Break, Contract, Instruction
from tideover.lending.models.organisation import BookMode
from tideover.lending.words import money, word

MEND_WORDS = {
    "accept": gettext_noop("Within rounding: accept it, or allow it in the policy"),
    "book_movement": gettext_noop("The core booked what our journal lacks: book it here"),
    "move_event": gettext_noop("The core has the same money on another day: move ours"),
    "tell_core": gettext_noop("The core lacks what our journal has: have it booked there"),
    "change_terms": gettext_noop("The core counts days differently: settle the terms"),
    "look": gettext_noop("No single event explains it: compare the account with the core's people"),
    "open_loan": gettext_noop("The book has no such loan: take it in"),
    "ask_core": gettext_noop("The core's file lacks the loan: ask for it"),
    "mend_journal": gettext_noop("Our journal cannot be replayed: mend it"),
}


def mend_words(b: Break) -> str:
    """What would mend a break, with the figures that it takes."""
    said, head = b.mend_with, _(MEND_WORDS[b.mend]) if b.mend in MEND_WORDS else ""
    if b.mend == "book_movement":
        parts = [f"{word(m['kind'])} {money(m['amount_minor'])} · {m['on']}" for m in said["movements"]]
        return f"{head} ({'; '.join(parts)})"
    if b.mend == "move_event":
        return f"{head} ({said['from']} → {said['to']})"
    if b.mend == "tell_core":
        return f"{head} ({word(said['kind'])} {money(said['amount_minor'])} · {said['on']})"
    if b.mend == "change_terms":
        return f"{head} ({_counted(said['ours'])} → {_counted(said['day_count'])})"
    return head


def _counted(code: str) -> str:
    """A day count by its trade name."""
    return DAY_COUNT_NAMES.get(DayCount[code.upper()]) or word(f"core.{code}")


def told_of(rows: Sequence[Break]) -> dict[int, Instruction]:
    """By break, the newest instruction by which the core was told of the money that it lacks."""
    of = {(b.contract_id, b.mend_with["seq"]): b.pk for b in rows if b.mend == "tell_core"}
    told = Instruction.objects.filter(contract__in=[c for c, _seq in of], idempotency_key__startswith=TELL)
    by_age = told.select_related("event").order_by("pk")
    return {of[i.contract_id, i.event.seq]: i for i in by_age if i.event and (i.contract_id, i.event.seq) in of}


def loan_side(user: User, contract: Contract) -> Mapping[str, Any] | None:
    """Changes of a loan that the core has not answered, and its last rejected one."""
    if contract.entity.book_mode != BookMode.OVERLAY:
        return None
    rows = on_their_way(contract)
    recent = business_date() - timedelta(days=14)
    rejected = Q(contract=contract, state="rejected", answered_at__date__gte=recent)
    rows += list(Instruction.objects.filter(rejected).order_by("-answered_at")[:1])
    return {"lines": [(i, EventKind(i.kind).name.lower()) for i in rows]} if rows else None


def borrower_side(user: User, reader: User) -> Mapping[str, Any] | None:
    """What a borrower's loans wait for: a change that was asked of the core and is not in force yet."""
    rows = Instruction.objects.filter(contract__borrower__user=reader, event=None, state__in=("requested", "sent"))
    rows = rows.select_related("contract")
    lines = [(i, EventKind(i.kind).name.lower()) for i in rows.order_by("requested_at")]
    return {"lines": lines} if lines else None
