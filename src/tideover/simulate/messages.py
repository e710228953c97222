"""What the demo lender wrote to its borrowers, and what became of it: every state of a message, letters, calls, answers.

Everything goes through the outbox as it would in earnest; only the gateways are the demo's own, so that nothing leaves the house.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from hashlib import sha256

from django.utils.translation import gettext_noop

from tideover.contact.channels.base import DeliveryState, Inbound, Outgoing, Quiet, Report, SendResult, SendState
from tideover.contact.letters import letter_batch_make, letter_batch_post, letter_delivered, letter_returned
from tideover.contact.loan_values import LOAN_NEEDS, loan_values
from tideover.contact.message_templates import template_draft, templates_seed
from tideover.contact.models import LetterBatch, Message
from tideover.contact.outbox import inbound_apply, message_cancel, message_queue, outbox_work, report_apply
from tideover.contact.outbox.receipts import message_opened
from tideover.contact.outbox.work import Gateways
from tideover.contact.rules.message import State
from tideover.contact.rules.model import Channel, Purpose
from tideover.contact.voice import call_list_make
from tideover.core.business_time import now, start_of_day
from tideover.core.models import User
from tideover.core.problems import Refused
from tideover.lending.models import Branch, Contract, StandingRow
from tideover.sources.models import Consent, ConsentAct

LATE_MAX, SOON_MAX, LETTERS_MAX, CALLS_MAX = 120, 40, 12, 12
NOON = timedelta(hours=11)


class DemoGateway(Quiet):
    """Answers by the message's key: mostly takes it and delivers, now and then refuses, stays silent, or asks to wait."""

    name = "demo"

    def __init__(self) -> None:
        self.taken: list[Report] = []
        self.at = now()

    def send(self, m: Outgoing) -> SendResult:
        pick = sha256(m.key.encode()).digest()[0]
        if pick < 12:
            return SendResult(SendState.UNKNOWN, reason="timeout")
        if pick < 24:
            return SendResult(SendState.REFUSED, reason="isv.MOBILE_NUMBER_ILLEGAL")
        if pick < 34:
            return SendResult(SendState.RETRY, reason="throttled")
        if pick < 225:
            delivered = DeliveryState.FAILED if pick < 44 else DeliveryState.DELIVERED
            self.taken.append(Report(delivered, self.at, provider_id=f"demo-{m.id}", reason="" if pick >= 44 else "UNDELIV"))
        return SendResult(SendState.ACCEPTED, provider_id=f"demo-{m.id}")


def messages_written(as_of: date) -> None:
    """Templates in force since two years, and messages of the last days in every state."""
    templates_seed(as_of - timedelta(days=730), actor="demo")
    _clauses()
    late = StandingRow.objects.filter(days_past_due__gt=0).order_by("contract_id").values_list("contract_id", flat=True)
    soon = StandingRow.objects.filter(days_past_due=0, next_due_on__range=(as_of, as_of + timedelta(days=5)))
    _reminders(_loans(late[:LATE_MAX]), as_of)
    _soon(_loans(soon.order_by("contract_id").values_list("contract_id", flat=True)[:SOON_MAX]), as_of)
    _sent(as_of)
    _letters(_loans(late.filter(days_past_due__gt=60)[:LETTERS_MAX]), as_of)
    _answers(as_of)
    _calls(_loans(late.order_by("-days_past_due", "contract_id")[:CALLS_MAX]), as_of)
    _drafts()


def inbox_written(user: User, as_of: date) -> None:
    """The inbox of the borrower who signs in: one message read, one new."""
    for n, loan in enumerate(Contract.objects.filter(borrower__user=user).select_related(*LOAN_NEEDS).order_by("pk")[:1]):
        for days, code, purpose in ((6, "reminder.before_due", Purpose.SERVICE), (1, "late.one_payment", Purpose.COLLECTION)):
            _queue(loan, code, purpose, Channel.SMS, as_of, days, f"demo:inbox:{n}:{code}")
    _sent(as_of)
    first = Message.objects.filter(party__user=user, channel=Channel.APP, state=State.SENT).order_by("pk").first()
    if first is not None and first.sent_at is not None:
        message_opened(first, at=first.sent_at + timedelta(hours=3))


def _clauses() -> None:
    """Each borrower's consent to be contacted, from the clause of their first contract; none where the book has consents."""
    if Consent.objects.exists():
        return
    first: dict[int, Contract] = {}
    for loan in Contract.objects.order_by("signed_on", "pk"):
        first.setdefault(loan.borrower_id, loan)
    made = Consent.objects.bulk_create(
        Consent(
            party_id=party, contract=None, purpose="contact", given_how="contract_clause", evidence=f"{loan.number} §12",
            given_at=start_of_day(loan.signed_on), actor="demo", recorded_at=loan.created_at,
        )
        for party, loan in first.items()
    )  # fmt: skip
    ConsentAct.objects.bulk_create(
        ConsentAct(
            consent=c, act="given", at=c.given_at, how=c.given_how, evidence=c.evidence, actor="demo", recorded_at=c.recorded_at
        )
        for c in made
    )


def _loans(ids: object) -> list[Contract]:
    return list(Contract.objects.filter(pk__in=list(ids)).select_related(*LOAN_NEEDS).order_by("pk"))  # type: ignore[call-overload]


def _at(as_of: date, days: int) -> datetime:
    return start_of_day(as_of - timedelta(days=days)) + NOON


def _queue(loan: Contract, code: str, purpose: Purpose, channel: Channel, as_of: date, days: int, key: str) -> Message | None:
    at = _at(as_of, days)
    if at.date() < loan.disbursed_on:
        return None
    values = {**loan_values(loan, as_of - timedelta(days=days)), "pay_by": as_of + timedelta(days=20)}
    return message_queue(
        party=loan.borrower, contracts=[loan], channel=channel, purpose=purpose, template=code, values=values, at=at, key=key,
        actor="demo", not_before=None if days else start_of_day(as_of + timedelta(days=1)) + NOON,
    )  # fmt: skip


def _reminders(loans: list[Contract], as_of: date) -> None:
    for n, loan in enumerate(loans):
        _queue(loan, "late.one_payment", Purpose.COLLECTION, Channel.SMS, as_of, n % 9, f"demo:late:{loan.number}")


def _soon(loans: list[Contract], as_of: date) -> None:
    for n, loan in enumerate(loans):
        key, days = f"demo:soon:{loan.number}", 0 if n % 3 else 1
        waits = _queue(loan, "reminder.before_due", Purpose.SERVICE, Channel.SMS, as_of, days, key)
        if waits is not None and n % 11 == 5 and waits.state == State.DRAFTED:
            message_cancel(waits, reason="paid this morning", actor="customer_manager")


def _sent(as_of: date) -> None:
    """Rounds of the worker on each of the last days and up to now, with the demo's own gateways; what is for tomorrow waits."""
    gateway, last = DemoGateway(), now()
    gateways = Gateways(lambda channel: gateway)
    rounds = [_at(as_of, days) + timedelta(minutes=5) for days in range(10, 0, -1)]
    while rounds[-1] < last:
        rounds.append(min(rounds[-1] + timedelta(hours=2), last))
    for at in rounds:
        gateway.at = at
        for _ in range(20):
            if not outbox_work(500, at, gateways=gateways).claimed:
                break
        while gateway.taken:
            report_apply(gateway.taken.pop(0), at=at)


def _letters(loans: list[Contract], as_of: date) -> None:
    """Demands as letters: most in a batch that was posted, one proved, one returned; the last few still wait."""
    head = Branch.objects.order_by("pk").first()
    for loan in loans:
        _queue(loan, "demand.letter", Purpose.COLLECTION, Channel.LETTER, as_of, 8, f"demo:letter:{loan.number}")
    waiting = list(Message.objects.filter(channel=Channel.LETTER, state=State.DRAFTED).order_by("pk"))
    try:
        made = letter_batch_make(waiting[: max(1, len(waiting) - 3)], branch=None, at=_at(as_of, 7), actor="legal")
    except Refused:  # a book too small to have a letter
        return
    LetterBatch.objects.filter(pk=made.pk).update(branch=head if len({m.branch_id for m in waiting}) == 1 else None)
    letter_batch_post(made, on=as_of - timedelta(days=6), carrier="EMS", actor="legal")
    posted = list(made.letters.order_by("pk")[:2])
    for m in posted[:1]:
        letter_delivered(m, on=as_of - timedelta(days=4), proof="EMS 1090 0000 0000 9", actor="legal")
    for m in posted[1:]:
        letter_returned(m, on=as_of - timedelta(days=3), reason="moved away", actor="legal")


ANSWERS = ("我下周二发工资就还", "Please call me after 6 pm", "这个月能不能少还一点")


def _answers(as_of: date) -> None:
    """Three answers that wait, one STOP."""
    sent = Message.objects.filter(channel=Channel.SMS, state=State.DELIVERED).select_related("party").order_by("pk")[:4]
    for n, m in enumerate(sent):
        words = ANSWERS[n] if n < len(ANSWERS) else "TD"
        inbound_apply(Inbound(Channel.SMS, m.to_address, words, _at(as_of, 1), f"demo-in-{n}"), at=_at(as_of, 1))


def _calls(loans: list[Contract], as_of: date) -> None:
    if loans:
        call_list_make(
            "逾期最久的先打", loans, why=gettext_noop("Late, the longest first"), template="late.several", branch=None,
            at=_at(as_of, 0), actor="team_lead",
        )  # fmt: skip


def _drafts() -> None:
    """One wording in a draft, so that a change by words can be read."""
    zh = "今天有一期还款 {due_amount}。24 点前到账都算今天。还不上请告诉我们，可以一起安排。"
    en = "{due_amount} is due today; money that arrives by midnight counts. If you cannot pay, tell us and we will plan together."
    texts = {
        "zh-hans": {"app": {"subject": "今天有一期还款", "body": zh}},
        "en": {"app": {"subject": "A payment today", "body": en}},
    }
    given, note = {"texts": texts}, "shorter, with the way to help"
    template_draft("reminder.due_today", given=given, note=note, may_flag=False, actor="team_lead")
