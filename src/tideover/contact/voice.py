"""Calls: lists of whom to call, why, with which words, until when; the gate before each; how each ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from tideover.contact import addresses
from tideover.contact.facts import instant_of
from tideover.contact.gate import VerdictRow, contact_outcome, contact_record, question, verdict_ask
from tideover.contact.loan_values import loan_values
from tideover.contact.message_templates import message_make, template_in_force
from tideover.contact.models import CallList, CallListLine, MessageTemplate
from tideover.contact.outbox.queue import gate_reason
from tideover.contact.reach import number_dead
from tideover.contact.rules.hours import open_until
from tideover.contact.rules.model import Channel, Outcome, Purpose, Recipient
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.ids import handle_new
from tideover.core.problems import refuse
from tideover.lending.models import Branch, Contract, Staff

LINES_MAX = 200
OUTCOMES = {
    "conversation": Outcome.CONVERSATION, "unanswered": Outcome.UNANSWERED, "message_left": Outcome.MESSAGE_LEFT,
    "wrong_number": Outcome.FAILED,
}  # fmt: skip
"""How a call ended, as its caller says it."""


def call_list_make(
    name: str, contracts: Iterable[Contract], *, why: str, template: str, branch: Branch | None, at: datetime, actor: str
) -> CallList:
    """A list of the borrowers of these loans, each loan once: the words in the borrower's language, and until when it is allowed.

    Who may not be called now stands on the list with the reason and the first instant at which it opens, not left out.
    Raises Refused: no name, no reason, no loans or too many, or a template without words for a call.
    """
    loans = list(contracts)
    if not name.strip() or not why.strip():
        raise refuse("missing", "a list needs a name, and a reason that the people on it may read", "name")
    if not 0 < len(loans) <= LINES_MAX:
        raise refuse("bad_size", f"a list has 1 to {LINES_MAX} loans, not {len(loans)}", "loans")
    laws = sorted({c.entity.jurisdiction for c in loans})
    versions = {law: template_in_force(template, business_date(at), law) for law in laws}
    for version in versions.values():
        if version.purpose not in (Purpose.COLLECTION, Purpose.SERVICE) or not version.texts.get("zh-hans", {}).get("call"):
            raise refuse("no_script", f"{template} has no words for a call", "template")
    with transaction.atomic():
        made = CallList.objects.create(number=handle_new("C"), name=name.strip()[:80], branch=branch, made_at=at, made_by=actor)
        for loan in sorted(loans, key=lambda c: (c.borrower_id, c.pk)):
            _line(made, loan, why.strip()[:120], versions[loan.entity.jurisdiction], at, actor)
        log(actor, "calls.list", "call_list", made.number, {"lines": len(loans)})
    return made


def _line(made: CallList, loan: Contract, why: str, version: MessageTemplate, at: datetime, actor: str) -> None:
    party, today = loan.borrower, business_date(at)
    language = addresses.language_of(party)
    words = message_make(
        version, Channel.CALL, language, party, [loan], loan_values(loan, today), officer=officer_of(actor, at), today=today
    )
    verdict = _ask(loan, Purpose(version.purpose), at, actor, "check")
    ends = _ends(loan, Purpose(version.purpose), at) if verdict.allowed else None
    blocked = "" if verdict.allowed else gate_reason(verdict)
    if words.faults:
        blocked, ends = f"script: {'; '.join(words.faults)}"[:200], None
    CallListLine.objects.create(
        list=made, party=party, contract=loan, why=why, template=version, script=words.body, allowed_until=ends, blocked=blocked,
        next_at=None if verdict.allowed else verdict.next_at,
    )  # fmt: skip


def officer_of(username: str, at: datetime) -> Staff | None:
    """The post of a member of staff, so that a script names who speaks."""
    rows = Staff.objects.filter(user__username=username, valid_from__lte=business_date(at)).order_by("-valid_from")
    return next((s for s in rows if s.holds_on(business_date(at))), None)


def _ask(loan: Contract, purpose: Purpose, at: datetime, actor: str, stage: str) -> VerdictRow:
    return verdict_ask(
        party=loan.borrower, contracts=[loan], channel=Channel.CALL, purpose=purpose, number=loan.borrower.phone, at=at,
        actor=actor, stage=stage,
    )  # fmt: skip


def _ends(loan: Contract, purpose: Purpose, at: datetime) -> datetime | None:
    """When the hours of calling this person end today."""
    asked = question(
        party=loan.borrower, contracts=[loan], channel=Channel.CALL, purpose=purpose, recipient=Recipient.DEBTOR,
        number=loan.borrower.phone, discloses=True, saves_clock=False, approved=False, at=at,
    )  # fmt: skip
    return instant_of(open_until(asked.policy, asked.known.facts, asked.proposal))


def call_begin(line: CallListLine, *, at: datetime, actor: str) -> CallListLine:
    """Ask the gate at this instant; where it allows, the dial is written down as unanswered until its end is known.

    Raises Refused with the rule and the time when it does not, or when the call has been made.
    """
    with transaction.atomic():
        row = CallListLine.objects.select_for_update(of=("self",)).select_related("party", "contract", "template").get(pk=line.pk)
        if row.done_at is not None:
            raise refuse("done", "this call has been made", "line")
        purpose = Purpose(row.template.purpose) if row.template else Purpose.COLLECTION
        verdict = _ask(row.contract, purpose, at, actor, "sending")
        row.verdict, row.asked_at, row.asked_by = verdict.pk, at, actor
        if verdict.allowed:
            row.contact_record = contact_record(
                party=row.party, contracts=[row.contract], channel=Channel.CALL, purpose=purpose, outcome=Outcome.UNANSWERED,
                at=at, number=row.party.phone, verdict=verdict, actor=actor, note=f"{row.list.number} {row.pk}",
            )  # fmt: skip
            row.blocked, row.next_at = "", None
        else:
            row.blocked, row.next_at, row.allowed_until = gate_reason(verdict), verdict.next_at, None
        row.save()
        log(actor, "call.begin", "party", row.party.reference, {"list": row.list.number, "allowed": verdict.allowed})
    return row


def call_end(line: CallListLine, *, outcome: str, seconds: int | None, at: datetime, actor: str) -> CallListLine:
    """How the call ended. Raises Refused: an unknown outcome, seconds that cannot be, a call that was not begun or is done."""
    if outcome not in OUTCOMES:
        raise refuse("unknown_outcome", f"a call ends as {', '.join(OUTCOMES)}", "outcome")
    if seconds is not None and not 0 <= seconds <= 6 * 3600:
        raise refuse("bad_seconds", "a call lasts 0 to 21600 seconds", "seconds")
    with transaction.atomic():
        row = CallListLine.objects.select_for_update(of=("self",)).select_related("party").get(pk=line.pk)
        if row.contact_record is None or row.done_at is not None:
            raise refuse("not_begun", "begin the call first", "line")
        row.done_at, row.outcome = at, outcome
        row.save(update_fields=["done_at", "outcome"])
        contact_outcome(row.contact_record, OUTCOMES[outcome], at, seconds=seconds)
        if outcome == "wrong_number":
            number_dead(row.party, outcome, at)
        log(actor, "call.end", "party", row.party.reference, {"list": row.list.number, "outcome": outcome})
    return row
