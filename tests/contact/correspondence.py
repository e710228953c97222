"""What a house wrote and heard: a message, one in the app, a batch of letters, a call list, an answer; names as M-1, L-1, C-1."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.factories import House
from tideover.contact.channels.base import Inbound, Outgoing, Quiet, SendResult, SendState
from tideover.contact.letters import letter_batch_make
from tideover.contact.loan_values import LOAN_NEEDS
from tideover.contact.message_templates import templates_seed
from tideover.contact.models import CallList, LetterBatch, Message
from tideover.contact.outbox import inbound_apply, message_queue, outbox_work
from tideover.contact.outbox.work import Gateways
from tideover.contact.rules.model import Channel, Purpose
from tideover.contact.voice import call_list_make
from tideover.core.business_time import now, start_of_day
from tideover.lending.models import Contract, Party


class Accepts(Quiet):
    """A gateway that takes everything."""

    name = "test"

    def send(self, m: Outgoing) -> SendResult:
        return SendResult(SendState.ACCEPTED, provider_id=f"p{m.id}")


def noon() -> datetime:
    """Noon of yesterday: a lawful hour that is past."""
    return start_of_day(now().date() - timedelta(days=1)) + timedelta(hours=12)


def write(house: House, key: str, channel: Channel, template: str = "notice.statutory", **more: Any) -> Message:
    """Queue one message to the first borrower."""
    given: dict[str, Any] = {
        "party": house.borrower, "contracts": [house.loan], "channel": channel, "purpose": Purpose.STATUTORY,
        "template": template, "values": {"what": "您的还款方式不变", "instrument": "民法典"}, "at": noon(), "key": key,
        "actor": "test",
    }  # fmt: skip
    return message_queue(**{**given, **more})


def correspondence(house: House) -> None:
    """One of each."""
    templates_seed(noon().date() - timedelta(days=5), actor="test")
    Party.objects.filter(pk=house.borrower.pk).update(address="浙江省杭州市示范路 1 号")
    house.borrower.refresh_from_db()
    inside = write(house, "c2", Channel.APP)
    gateway = Accepts()
    outbox_work(10, noon(), gateways=Gateways(lambda channel: gateway))
    letter = write(house, "c3", Channel.LETTER)
    letter_batch_make([letter], branch=house.branch, at=noon(), actor="legal")
    text = write(house, "c1", Channel.APP)
    Message.objects.filter(pk=text.pk).update(reference="M-1")
    Message.objects.filter(pk=inside.pk).update(reference="M-2")
    LetterBatch.objects.update(number="L-1")
    loans = Contract.objects.filter(pk=house.loan.pk).select_related(*LOAN_NEEDS)
    words = {"why": "Loans that are late", "template": "late.several"}
    call_list_make("list", loans, **words, branch=house.branch, at=noon(), actor="collector")
    CallList.objects.update(number="C-1")
    inbound_apply(Inbound(Channel.SMS, house.borrower.phone, "下周还", noon(), "in-1"), at=noon())
