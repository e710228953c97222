"""What people do with breaks: take one, accept it with a reason (a second person above a limit), mend the journal."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core import work
from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register, steps_needed
from tideover.core.authority import Line
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Approval, Role, User, WorkItem
from tideover.core.problems import refuse
from tideover.core.work_sources import ACTOR as HOUSE
from tideover.core.work_sources import SETTLED, Opening
from tideover.engine.events import EventKind
from tideover.lending import clock
from tideover.lending.beside.compare import loans_compare
from tideover.lending.beside.instructions import event_tell
from tideover.lending.beside.policies import policy_of
from tideover.lending.beside.selectors import Broken, by_loan
from tideover.lending.journal import event_append
from tideover.lending.models import Break, Contract, Instruction, LoanEvent
from tideover.lending.receipts.core_money import core_payment_book, part_redate
from tideover.lending.services import standing_refresh
from tideover.lending.words import NAMES, money, word

ACCEPT, WORK = "break.accept", "core.break"
WORKS_BREAKS = frozenset({Role.PAYMENTS, Role.FINANCE})
WORK_DAYS = 2
"""The house's own target from a break's first day to an answer."""
OWN = "tideover:core:"
MENDS = ("book_movement", "move_event", "tell_core")
"""Mends of one press: the journal follows what the core has booked, or the core is told of money that it lacks."""
TOLD = "the core's file lacks it"


def broken_get(rows: Sequence[Break]) -> Broken:
    """The open breaks of one loan. Raises Refused when there are none."""
    groups = by_loan([b for b in rows if b.closed_at is None])
    if len(groups) != 1:
        raise refuse("no_break", "the loan has no open break", "loan")
    return groups[0]


def break_accept(broken: Broken, *, reason: str, actor: User) -> Broken | Approval:
    """Accept the differences of a loan with a reason, or ask for it where they are above what one person accepts.

    They stay known and are not worked any more; the core's figure goes on holding. Raises Refused: no reason, none open.
    """
    if not reason.strip():
        raise refuse("missing", "say why the difference is accepted", "reason")
    payload = {"breaks": sorted(b.pk for b in broken.rows if b.state == "open"), "reason": reason.strip()[:300]}
    if not payload["breaks"]:
        raise refuse("accepted", "nothing is open on this loan", "loan")
    contract = broken.head.contract
    place: dict[str, Any] = {
        "amount_minor": broken.amount_minor, "entity": broken.entity.code, "branch": contract.branch.code if contract else "",
    }  # fmt: skip
    alone = broken.amount_minor <= policy_of(broken.entity, business_date()).accept_alone_minor
    if not alone and steps_needed(ACCEPT, payload=payload, **place) != ():
        return approval_ask(
            ACCEPT, subject=("break", broken.number), payload=payload, **place, reason=payload["reason"], actor=actor
        )  # fmt: skip
    _accepted(payload, actor.username)
    return broken


def _accepted(payload: dict[str, Any], actor: str) -> int:
    """Mark breaks as accepted; how many were still open."""
    with transaction.atomic():
        rows = list(Break.objects.select_for_update(no_key=True).filter(pk__in=payload["breaks"], state="open"))
        for b in rows:
            b.state, b.reason, b.accepted_by, b.accepted_minor = "accepted", payload["reason"], actor, b.amount_minor
            b.save()
        for number in sorted({b.number for b in rows}):
            log(actor, "break.accept", "loan", number, {"breaks": [b.component for b in rows if b.number == number]})
        _work_settle(rows)
    return len(rows)


def _work_settle(rows: Sequence[Break]) -> None:
    """Finish the work items of loans that have no open break left."""
    for number in sorted({b.number for b in rows}):
        if not Break.objects.filter(number=number, state="open").exists():
            for item in WorkItem.objects.filter(kind=WORK, subject_id=number, done_at=None):
                work.work_done(item, actor=HOUSE, outcome=SETTLED)


def break_mend(broken: Broken, *, actor: User) -> bool:
    """Let the journal follow the core where the cause says how (book the movement that it lacks, move an event to the core's day)
    and compare the loan again; or tell the core of money that it lacks. Whether both agree now.

    Raises Refused where the cause names no such mend, and where an instruction that asks for the same is on its way.
    """
    head, contract = broken.head, broken.head.contract
    if contract is None or head.mend not in MENDS:
        raise refuse("no_mend", "the house cannot mend this by itself", "mend")
    with transaction.atomic():
        clock.writing()
        if head.mend == "book_movement":
            for n, m in enumerate(head.mend_with["movements"]):
                _book(contract, m, f"{m['reference'] or head.pk}:{n}", actor)
        elif head.mend == "tell_core":
            event_tell(LoanEvent.objects.get(contract=contract, seq=head.mend_with["seq"]), reason=TOLD, actor=actor.username)
        else:
            _move(contract, head, actor)
        standing_refresh(contract, as_of=max(business_date(), contract.disbursed_on))
        log(actor.username, "break.mend", "loan", contract.number, {"mend": head.mend})
    if head.mend == "tell_core":
        return False
    loans_compare([contract.pk], actor=actor.username)
    left = Break.objects.filter(contract=contract, state="open").exists()
    _work_settle(broken.rows)
    return not left


def _book(contract: Contract, said: dict[str, Any], key: str, actor: User) -> None:
    """Book a movement of the core: a payment out of money of the borrower that is here already, where there is some."""
    kind, on, amount = EventKind[said["kind"].upper()], date.fromisoformat(said["on"]), said["amount_minor"]
    pending = Instruction.objects.filter(contract=contract, kind=int(kind), amount_minor=amount, event=None)
    if asked := pending.filter(state__in=("requested", "sent")).first():
        raise refuse("asked_already", f"{asked.reference} asked the core for this: its answer books it", "mend")
    if kind != EventKind.PAYMENT or core_payment_book(contract, on, amount, actor=actor.username) is None:
        _append(contract, kind, on, amount, None, key, actor)
    contract.refresh_from_db()


def _append(
    contract: Contract, kind: EventKind, on: date, amount: int, extra: dict[str, Any] | None, key: str, actor: User
) -> None:
    event_append(
        contract, kind=kind, effective_on=on, amount_minor=amount, extra=extra, actor=actor.username,
        idempotency_key=f"{OWN}{contract.number}:{key}"[:80], core_told=True,
    )  # fmt: skip


def _move(contract: Contract, head: Break, actor: User) -> None:
    """Take an event back and book it again on the core's day; money of a receipt stays its part."""
    said = head.mend_with
    event = LoanEvent.objects.select_related("receipt_part__receipt", "receipt_part__contract").get(
        contract=contract, seq=said["seq"]
    )
    to = date.fromisoformat(said["to"])
    if event.receipt_part is not None:
        part_redate(event.receipt_part, to, actor=actor.username)
        contract.refresh_from_db()
        return
    _append(contract, EventKind.REVERSAL, event.effective_on, 0, {"of_seq": event.seq}, f"back:{event.seq}", actor)
    contract.refresh_from_db()
    _append(contract, EventKind(event.kind), to, event.amount_minor, event.extra, f"{event.seq}:{said['to']}", actor)


# --- approval and work -------------------------------------------------------------------------------------------------


def _rows(approval: Approval) -> list[Break]:
    return list(Break.objects.filter(pk__in=approval.payload["breaks"]).select_related("entity", "contract").order_by("pk"))


def _show(approval: Approval) -> list[Shown]:
    return [
        Shown(word(b.component), _figure(b, b.replay_minor), f"{_figure(b, b.core_minor)} · {word(f'core.{b.cause}')}")
        for b in _rows(approval)
    ]


def _figure(b: Break, minor: int | None) -> str:
    return "–" if minor is None else str(minor) if b.component == "days_past_due" else money(minor)


def _stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """The differences as they were seen."""
    rows = Break.objects.filter(pk__in=payload["breaks"]).order_by("pk").values_list("pk", "state", "amount_minor")
    return hashlib.sha256(repr(list(rows)).encode()).hexdigest()[:32]


def breaks_to_work(on: date) -> list[Opening]:
    """One item a loan with open breaks."""
    rows = Break.objects.filter(state="open").select_related("entity", "contract__branch").order_by("first_on", "pk")
    return [_opening(b) for b in by_loan(list(rows))]


def _opening(b: Broken) -> Opening:
    why = gettext_noop("The core and replay differ since %(day)s (%(cause)s).")
    branch = b.head.contract.branch.code if b.head.contract else ""
    values = {"day": b.first_on.isoformat(), "cause": NAMES[f"core.{b.head.cause}"]}
    return Opening(
        f"{WORK}:{b.entity.code}:{b.number}", ("break", b.number), why, Role.PAYMENTS, _due(b.first_on), b.entity.code, branch,
        b.amount_minor, values,
    )  # fmt: skip


def _due(first: date) -> datetime:
    return start_of_day(first + timedelta(days=WORK_DAYS + 1))


def work_renew() -> None:
    """Open an item for each loan with a new break, and finish those whose breaks are gone; the close does the same."""
    wanted = {o.key: o for o in breaks_to_work(business_date())}
    there = {i.key: i for i in WorkItem.objects.filter(kind=WORK, done_at=None)}
    for key in wanted.keys() - there.keys():
        o = wanted[key]
        work.work_open(
            WORK, subject=o.subject, why=o.why, why_values=o.why_values, owner_role=o.owner_role, due_at=o.due_at,
            entity=o.entity, branch=o.branch, amount_minor=o.amount_minor, key=key, actor=HOUSE,
        )  # fmt: skip
    for key in there.keys() - wanted.keys():
        work.work_done(there[key], actor=HOUSE, outcome=SETTLED)


def item_of(broken: Broken) -> WorkItem | None:
    """The open work item of a loan's breaks."""
    return WorkItem.objects.filter(kind=WORK, key=f"{WORK}:{broken.entity.code}:{broken.number}", done_at=None).first()


def items_of(groups: Sequence[Broken]) -> dict[tuple[int, str], WorkItem]:
    """The open work items of many loans' breaks, by entity id and number."""
    keys = {f"{WORK}:{b.entity.code}:{b.number}": (b.entity.pk, b.number) for b in groups}
    rows = WorkItem.objects.filter(kind=WORK, key__in=list(keys), done_at=None).select_related("claimed_by")
    return {keys[i.key]: i for i in rows}


def kinds_register() -> None:
    """Make the approval, the kind of work and its source known."""
    from tideover.core import work_sources

    register(
        ApprovalKind(
            code=ACCEPT, label=gettext_noop("Difference with the core to accept"), asks=WORKS_BREAKS,
            decides=(Line((WORKS_BREAKS,)),), apply=lambda a, actor: {"accepted": _accepted(a.payload, a.asked_by.username)},
            show=_show, stamp=_stamp, address=lambda a: f"{reverse('breaks')}?loan={a.subject_id}",
        )
    )  # fmt: skip
    outcomes = {"mended": gettext_noop("mended"), "passed_on": gettext_noop("passed on to the core's people")}
    address = lambda item: f"{reverse('breaks')}?loan={item.subject_id}"  # noqa: E731
    work.register(work.WorkKind(WORK, gettext_noop("Difference with the core"), address, outcomes))
    work_sources.register(WORK, breaks_to_work)
