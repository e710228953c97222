"""The approval `event.record`: journal events that one person asks for and another grants, by the amount at stake.

It stands at the door through which people record events one by one (`event_ask`); files, the close and the lender's own
derived events do not pass it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db.models import Max
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.access import EVENT_ROLES, WRITES_EVENTS
from tideover.core.approvals import (
    ApprovalKind,
    Shown,
    approval_ask,
    approval_by_key,
    register,
    same_request,
    steps_needed,
)
from tideover.core.authority import Line
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, User
from tideover.core.problems import Forbidden, Problem
from tideover.engine.events import EventKind
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, date_of
from tideover.lending.beside.instructions import instruction_request
from tideover.lending.beside.writes import Way, way_of
from tideover.lending.journal import event_possible
from tideover.lending.models import Contract, Instruction, LoanEvent
from tideover.lending.rules.at_stake import GIVES_UP, at_stake_minor
from tideover.lending.rules.events import engine_event_of
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record
from tideover.lending.words import money, word

KIND = "event.record"
TOGETHER_DAYS = 90
"""What is given up on one loan within so many days is one amount for authority."""
LAST_SEQ = 10**9


def event_ask(
    contract: Contract,
    *,
    kind: EventKind,
    effective_on: date,
    idempotency_key: str,
    actor: User,
    reason: str,
    amount_minor: int = 0,
    extra: Mapping[str, Any] | None = None,
) -> LoanEvent | Approval | Instruction:
    """Record an event, or ask for it where authority says that a second person must decide. On a loan whose ledger is a core's, a
    change becomes an instruction to it instead of an event (lending/beside).

    The same key and body again: the event once it is recorded, until then the approval. Raises what `event_record` and
    `approval_ask` raise; an event that cannot happen is refused here, not by whoever decides. 403 for a role that may not.
    """
    name = kind.name.lower()
    if actor.role not in EVENT_ROLES.get(name, frozenset()):
        raise Forbidden(Problem("forbidden", f"your role does not append a {name}", "kind"))
    said = {"kind": name, "effective_on": effective_on.isoformat(), "amount_minor": amount_minor, "extra": dict(extra or {})}
    payload = {**said, "idempotency_key": idempotency_key}
    subject = ("loan", contract.number)
    done = LoanEvent.objects.filter(idempotency_key=idempotency_key).exists()
    if not done and not Instruction.objects.filter(idempotency_key=idempotency_key).exists():
        if before := approval_by_key(KIND, idempotency_key):
            return same_request(before, subject, payload, actor)
        event_possible(contract, kind=kind, effective_on=effective_on, amount_minor=amount_minor, extra=extra)
        place: dict[str, Any] = {
            "amount_minor": _at_stake(contract, payload),
            "entity": contract.entity.code,
            "branch": contract.branch.code,
        }
        if steps_needed(KIND, payload=payload, **place) != ():
            return approval_ask(KIND, subject=subject, payload=payload, **place, reason=reason, actor=actor, key=idempotency_key)
    return _do(contract, said, idempotency_key, reason, actor.username)


def _do(contract: Contract, said: Mapping[str, Any], key: str, reason: str, actor: str) -> LoanEvent | Instruction:
    """Record the event, or ask the core for it."""
    values: dict[str, Any] = {
        "kind": EventKind[said["kind"].upper()], "effective_on": date.fromisoformat(said["effective_on"]),
        "amount_minor": said["amount_minor"], "extra": said["extra"] or None, "idempotency_key": key, "actor": actor,
    }  # fmt: skip
    if way_of(contract, values["kind"], values["extra"]) == Way.ASK:
        return instruction_request(contract, reason=reason, **values)
    return event_record(contract, **values)


def _standings(contract: Contract, payload: Mapping[str, Any]) -> tuple[Standing, Standing]:
    """The loan on the event's day without it and with it."""
    on = date.fromisoformat(payload["effective_on"])
    kind = EventKind[payload["kind"].upper()]
    event = engine_event_of(LAST_SEQ, kind, on, payload["amount_minor"], payload["extra"], recorded_us=0)
    return loan_standing(contract, on), loan_standing(contract, on, what_if=[event])


def _at_stake(contract: Contract, payload: Mapping[str, Any]) -> int:
    before, after = _standings(contract, payload)
    kind, of_seq = EventKind[payload["kind"].upper()], payload["extra"].get("of_seq")
    booked = contract.events.filter(seq=of_seq).values_list("amount_minor", flat=True).first() if of_seq else 0
    return at_stake_minor(
        kind, payload["amount_minor"], claim_before_minor=before.payoff_minor, claim_after_minor=after.payoff_minor,
        booked_minor=booked or 0, given_up_minor=_given_up(contract) if kind in GIVES_UP or kind == EventKind.SETTLEMENT else 0,
    )  # fmt: skip


def _given_up(contract: Contract) -> int:
    """What was given up on a loan by events recorded in the last TOGETHER_DAYS, those taken back apart (minor units)."""
    since = now() - timedelta(days=TOGETHER_DAYS)
    seqs = set(contract.events.filter(kind__in=[int(k) for k in GIVES_UP], recorded_at__gte=since).values_list("seq", flat=True))
    if not seqs:
        return 0
    last = max(contract.events.aggregate(last=Max("effective_on"))["last"], business_date())
    return sum(sum(t.amounts_minor) + t.held_minor for t in loan_standing(contract, last).trace if t.seq in seqs)


def _contract(number: str) -> Contract:
    return Contract.objects.select_related("product", "entity", "branch", "borrower").get(number=number)


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    """Record the event as it was asked for; the journal names who asked, the approval who granted."""
    said = approval.payload
    done = _do(
        _contract(approval.subject_id), said, said["idempotency_key"], approval.reason, approval.asked_by.username
    )  # fmt: skip
    if isinstance(done, Instruction):
        return {"instruction": done.reference, "granted_by": actor.username}
    return {"seq": done.seq, "granted_by": actor.username}


def _stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """The loan's journal as it was seen: any event since makes the request stale."""
    contract = Contract.objects.get(number=subject[1])
    return f"{contract.event_count}:{bytes(contract.chain_hash).hex()[:32]}"


def _show(approval: Approval) -> list[Shown]:
    """The event in words, and the loan on that day without and with it."""
    said, contract = approval.payload, _contract(approval.subject_id)
    lines = [
        Shown(_("What is recorded"), "", word(said["kind"])),
        Shown(_("Business day"), "", said["effective_on"]),
    ]
    if said["amount_minor"]:
        lines.append(Shown(_("Amount"), "", money(said["amount_minor"]) if said["amount_minor"] > 0 else _("all of it")))
    lines += [Shown(_field(k), "", _value(v)) for k, v in sorted(said["extra"].items())]
    if approval.state != "open":
        return lines
    before, after = _standings(contract, said)
    return lines + [Shown(what, b, a) for what, b, a in _compared(before, after) if b != a]


def _field(name: str) -> str:
    return _(FIELDS.get(name, name))


def _value(value: Any) -> str:
    return word(value) if isinstance(value, str) else str(value)


def _compared(before: Standing, after: Standing) -> list[tuple[str, str, str]]:
    def last(s: Standing) -> str:
        return date_of(s.rows[-1].due_on).isoformat() if s.rows else "–"

    def next_due(s: Standing) -> str:
        return "–" if s.next_due_on == NO_DAY else f"{date_of(s.next_due_on)} · {money(s.next_due_minor)}"

    return [
        (_("Everything that is owed"), money(before.payoff_minor), money(after.payoff_minor)),
        (_("Late"), money(before.total_overdue_minor), money(after.total_overdue_minor)),
        (_("Days late"), str(before.days_past_due), str(after.days_past_due)),
        (_("Next instalment"), next_due(before), next_due(after)),
        (_("Instalments"), str(len(before.rows)), str(len(after.rows))),
        (_("Last instalment on"), last(before), last(after)),
        (_("Written off"), _yes(before.is_written_off), _yes(after.is_written_off)),
    ]


def _yes(value: bool) -> str:
    return _("yes") if value else _("no")


FIELDS = {
    "component": gettext_noop("Component"),
    "of_seq": gettext_noop("Earlier entry no."),
    "rows": gettext_noop("Instalments"),
    "until": gettext_noop("Until"),
    "from_day": gettext_noop("From"),
    "rate_ppm": gettext_noop("Rate, parts per million a year"),
    "class_min": gettext_noop("Best class it can still have"),
    "pause_what": gettext_noop("What stops (1 interest, 2 interest on the late part, 4 days late)"),
    "defer_interest": gettext_noop("Interest of the waiting time"),
}


def kind_register() -> None:
    """Make the kind known; without a line in the authority table an event needs no second person."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Entry in a loan's journal"),
            asks=WRITES_EVENTS,
            decides=(Line(()),),
            apply=_apply,
            show=_show,
            stamp=_stamp,
            address=lambda a: reverse("loan", args=[a.subject_id]),
            part=lambda payload: str(payload["kind"]),
        )
    )
