"""The outbox on a database: queueing, the gate twice, answers, receipts in any order, STOP, and every message's end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.factories import House
from tideover.contact.channels.base import DeliveryState, Inbound, Outgoing, Quiet, Report, SendResult, SendState
from tideover.contact.channels.in_app import InApp
from tideover.contact.message_templates import templates_seed
from tideover.contact.models import AddressFault, InboundMessage, Message, ParkedReport
from tideover.contact.outbox import inbound_apply, message_cancel, message_queue, message_resend, outbox_work, report_apply
from tideover.contact.outbox.work import Gateways
from tideover.contact.rules.message import State
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.problems import IdempotencyConflict, Refused
from tideover.lending.models import ContactRecord
from tideover.lending.services_holds import hold_place
from tideover.sources.services import consent_give

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 5, 12, 12, 0, tzinfo=SHANGHAI)
NIGHT = datetime(2026, 5, 12, 23, 30, tzinfo=SHANGHAI)
LATE = {"days_late": 12, "catch_up": 127363, "late_interest": 869, "oldest_due_on": NOON.date()}


@dataclass
class Gateway(Quiet):
    """An adapter that answers what it is told; the last answer holds on."""

    answers: list[SendResult] = field(default_factory=list)
    idempotent: bool = False
    found: list[Report] = field(default_factory=list)
    known: Report | None = None
    sent: list[Outgoing] = field(default_factory=list)
    name = "test"

    def send(self, m: Outgoing) -> SendResult:
        self.sent.append(m)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        return self.known

    def reports(self) -> Iterable[Report]:
        while self.found:
            yield self.found.pop(0)


def answering(*answers: SendResult, **more: Any) -> tuple[Gateway, Gateways]:
    gateway = Gateway(list(answers), **more)
    return gateway, Gateways(lambda channel: gateway)


OK = SendResult(SendState.ACCEPTED, provider_id="G1")


@pytest.fixture
def ready(house: House) -> House:
    """The house with its templates, and a consent to be contacted."""
    templates_seed(NOON.date(), actor="test")
    given = {"purpose": "contact", "given_how": "contract_clause", "given_at": NOON - timedelta(days=90), "actor": "t"}
    consent_give(house.borrower, None, **given)
    return house


def queue(house: House, key: str = "k1", at: datetime = NOON, **more: Any) -> Message:
    given: dict[str, Any] = {
        "party": house.borrower, "contracts": [house.loan], "channel": Channel.SMS, "purpose": Purpose.COLLECTION,
        "template": "late.one_payment", "values": LATE, "at": at, "key": key, "actor": "test", "with_inbox": False,
    }  # fmt: skip
    return message_queue(**{**given, **more})


def help_asked(house: House) -> None:
    """The hold of somebody who asked for help before the noon of these tests."""
    hold_place(house.borrower, None, kind="hardship_request", starts_at=NOON - timedelta(minutes=1), actor="borrower")


def test_a_message_waits_is_sent_and_delivered(ready: House) -> None:
    m = queue(ready)
    assert (m.state, m.next_at, m.final_at) == ("drafted", NOON, None)
    assert m.body == "您有一条新消息，请登录查看。需要帮助请拨 400-000-0000。" and "127" not in m.body
    gateway, gateways = answering(OK)
    counts = outbox_work(10, NOON, gateways=gateways)
    m.refresh_from_db()
    assert (counts.sent, m.state, m.provider_id, m.tries) == (1, "sent", "G1", 1)
    assert gateway.sent[0].sign_name == "潮银行" and gateway.sent[0].to == "19900000001"
    assert outbox_work(10, NOON, gateways=gateways).claimed == 0, "what was sent is not sent again"
    report_apply(Report(DeliveryState.DELIVERED, NOON, provider_id="G1"), at=NOON)
    m.refresh_from_db()
    assert (m.state, m.reason, m.delivered_on, m.next_at) == ("delivered", "delivered", NOON.date(), None)
    assert ContactRecord.objects.filter(party=ready.borrower, channel="sms").count() == 1
    assert [e.what for e in m.events.order_by("pk")] == ["queued", "sending", "answer", "receipt"]


def test_the_same_key_is_the_same_message_and_another_use_of_it_is_refused(ready: House) -> None:
    first = queue(ready)
    assert queue(ready, values={**LATE, "days_late": 13}).pk == first.pk
    with pytest.raises(IdempotencyConflict):
        queue(ready, channel=Channel.EMAIL)
    assert Message.objects.count() == 1


def test_a_text_message_takes_the_whole_message_into_the_app_along(ready: House) -> None:
    queue(ready, with_inbox=True)
    inside = Message.objects.get(key="k1:app")
    assert "¥1,273.63" in inside.body and inside.channel == Channel.APP


def test_at_night_a_message_waits_for_the_morning(ready: House) -> None:
    m = queue(ready, at=NIGHT)
    assert m.state == "drafted" and m.reason.startswith("contact.window")
    assert m.next_at == datetime(2026, 5, 13, 8, 0, tzinfo=SHANGHAI)
    assert outbox_work(10, NIGHT, gateways=answering(OK)[1]).claimed == 0


def test_the_gate_is_asked_again_at_the_moment_of_sending(ready: House) -> None:
    """Queued at 21:59, sent at 22:00:30: the second look holds it back until the morning."""
    evening = NOON.replace(hour=21, minute=59)
    m = queue(ready, at=evening)
    gateway, gateways = answering(OK)
    counts = outbox_work(10, evening.replace(hour=22, minute=0, second=30), gateways=gateways)
    m.refresh_from_db()
    assert (counts.later, m.state, gateway.sent) == (1, "drafted", [])
    assert m.next_at == datetime(2026, 5, 13, 8, 0, tzinfo=SHANGHAI)


def test_help_asked_for_between_decision_and_sending_stops_it(ready: House) -> None:
    m = queue(ready)
    help_asked(ready)
    gateway, gateways = answering(OK)
    outbox_work(10, NOON, gateways=gateways)
    m.refresh_from_db()
    assert gateway.sent == [] and m.state in ("blocked", "drafted") and "hardship" in m.reason


@pytest.mark.parametrize(
    ("values", "more", "reason"),
    [
        ({k: v for k, v in LATE.items() if k != "catch_up"}, {"channel": Channel.APP}, "catch_up is missing"),
        ({**LATE, "catch_up": "1273.63"}, {"channel": Channel.APP}, "catch_up must be an amount"),
        (LATE, {"channel": Channel.EMAIL}, "no_address"),
        (LATE, {"expires_at": NOON - timedelta(hours=1)}, "expired"),
    ],
)
def test_what_cannot_go_out_is_blocked_with_its_reason(ready: House, values: Any, more: Any, reason: str) -> None:
    m = queue(ready, values=values, **more)
    assert m.state == "blocked" and reason in m.reason and m.final_at is not None and m.next_at is None


def test_a_value_that_says_what_it_may_not_blocks_the_message(ready: House) -> None:
    m = queue(
        ready, template="notice.statutory", purpose=Purpose.STATUTORY, channel=Channel.APP,
        values={"what": "否则将被拘留", "instrument": "民法典"},
    )  # fmt: skip
    assert m.state == "blocked" and "contact.content.forbidden.threat" in m.reason


def test_a_template_for_another_purpose_or_an_unknown_one_is_refused(ready: House) -> None:
    with pytest.raises(Refused, match="is for collection"):
        queue(ready, purpose=Purpose.SERVICE)
    with pytest.raises(Refused, match="no template nothing"):
        queue(ready, template="nothing")


def test_try_later_backs_off_and_gives_up(ready: House) -> None:
    m = queue(ready, expires_at=NOON + timedelta(days=3))
    gateway, gateways = answering(SendResult(SendState.RETRY, reason="throttled"))
    at, waits = NOON, []
    for _ in range(20):
        outbox_work(10, at, gateways=gateways)
        m.refresh_from_db()
        if m.final_at:
            break
        waits.append((m.next_at - at).total_seconds())
        at = m.next_at + timedelta(seconds=1)
    assert (m.state, m.reason, m.tries, len(gateway.sent)) == ("failed", "throttled", 8, 8)
    assert 20 < waits[0] < 40 and waits[:6] == sorted(waits[:6])


def test_unknown_is_never_sent_again_and_an_inquiry_settles_it(ready: House) -> None:
    m = queue(ready)
    gateway, gateways = answering(SendResult(SendState.UNKNOWN, reason="timeout"))
    outbox_work(10, NOON, gateways=gateways)
    m.refresh_from_db()
    assert m.state == "unknown" and timedelta(0) <= m.next_at - NOON - timedelta(seconds=60) < timedelta(seconds=5)
    gateway.known = Report(DeliveryState.PENDING, NOON)
    outbox_work(10, m.next_at, gateways=gateways)
    m.refresh_from_db()
    assert m.state == "sent"
    gateway.known = Report(DeliveryState.DELIVERED, NOON)
    outbox_work(10, m.next_at, gateways=gateways)
    m.refresh_from_db()
    assert (m.state, len(gateway.sent)) == ("delivered", 1)


def test_unknown_that_nobody_can_tell_ends_unknown_with_a_reason(ready: House) -> None:
    m = queue(ready)
    gateway, gateways = answering(SendResult(SendState.UNKNOWN))
    at = NOON
    for _ in range(20):
        outbox_work(10, at, gateways=gateways)
        m.refresh_from_db()
        if m.final_at:
            break
        at = m.next_at + timedelta(seconds=1)
    assert (m.state, m.reason, len(gateway.sent)) == ("unknown", "never_known", 1)
    report_apply(Report(DeliveryState.DELIVERED, at, key="k1"), at=at)
    m.refresh_from_db()
    assert m.state == "delivered", "a receipt that comes too late is still the truth"


def test_not_found_is_believed_only_at_the_last_inquiry(ready: House) -> None:
    m = queue(ready)
    _gateway, gateways = answering(SendResult(SendState.UNKNOWN), known=Report(DeliveryState.NOT_FOUND, NOON))
    at = NOON
    for n in range(10):
        outbox_work(10, at, gateways=gateways)
        m.refresh_from_db()
        if m.final_at:
            break
        assert m.state == "unknown", n
        at = m.next_at + timedelta(seconds=1)
    assert (m.state, m.reason, m.asked) == ("failed", "not_found", 6)
    again = message_resend(m, actor="collector", at=at.replace(hour=12))
    assert again.state == "drafted" and again.body == m.body and message_resend(m, actor="x", at=at).pk == again.pk


def test_where_the_gateway_knows_the_key_an_unanswered_try_is_made_again_with_the_same_key(ready: House) -> None:
    m = queue(ready)
    gateway, gateways = answering(SendResult(SendState.UNKNOWN, reason="timeout"), OK, idempotent=True)
    gateway.idempotent_for_s = None
    outbox_work(10, NOON, gateways=gateways)
    m.refresh_from_db()
    assert m.state == "drafted"
    outbox_work(10, m.next_at, gateways=gateways)
    m.refresh_from_db()
    assert m.state == "sent" and [g.key for g in gateway.sent] == ["k1", "k1"]


def test_a_receipt_before_the_answer_is_parked_and_counts(ready: House) -> None:
    m = queue(ready)
    assert report_apply(Report(DeliveryState.DELIVERED, NOON, provider_id="G1"), at=NOON) is None
    assert ParkedReport.objects.get().matched_at is None
    outbox_work(10, NOON, gateways=answering(OK)[1])
    m.refresh_from_db()
    assert m.state == "delivered" and ParkedReport.objects.get().message == m


def test_repeats_and_wrong_order_of_receipts_change_nothing(ready: House) -> None:
    m = queue(ready)
    outbox_work(10, NOON, gateways=answering(OK)[1])
    later, earlier = NOON + timedelta(minutes=5), NOON + timedelta(minutes=1)
    for report in (
        Report(DeliveryState.DELIVERED, later, provider_id="G1"), Report(DeliveryState.DELIVERED, later, provider_id="G1"),
        Report(DeliveryState.FAILED, earlier, provider_id="G1"), Report(DeliveryState.PENDING, earlier, provider_id="G1"),
    ):  # fmt: skip
        report_apply(report, at=later)
    m.refresh_from_db()
    assert (m.state, m.settled_at) == ("delivered", later)
    assert ContactRecord.objects.count() == 1


def test_the_same_receipt_later_still_moves_what_another_must_beat(ready: House) -> None:
    m = queue(ready)
    outbox_work(10, NOON, gateways=answering(OK)[1])
    minutes = [(DeliveryState.DELIVERED, 1), (DeliveryState.DELIVERED, 3), (DeliveryState.FAILED, 2)]
    for state, minute in minutes:
        report_apply(Report(state, NOON + timedelta(minutes=minute), provider_id="G1"), at=NOON)
    m.refresh_from_db()
    assert m.state == "delivered"


def test_a_bounce_marks_the_address_and_nothing_goes_there_again(ready: House) -> None:
    m = queue(ready)
    outbox_work(10, NOON, gateways=answering(SendResult(SendState.REFUSED, reason="RINVDSTADR"))[1])
    m.refresh_from_db()
    assert (m.state, m.reason) == ("failed", "RINVDSTADR") and AddressFault.objects.get().party == ready.borrower
    assert queue(ready, "k2").reason == "address.unreachable"


def test_stop_withdraws_drops_what_waits_and_confirms_once(ready: House) -> None:
    waiting = queue(ready, at=NIGHT)
    word = Inbound(Channel.SMS, "+86 199 0000 0001", " t。", NIGHT, "in-1")
    for _ in range(2):
        row = inbound_apply(word, at=NIGHT)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason, row.meaning, row.party) == ("cancelled", "asked_to_stop", "stop", ready.borrower)
    [confirm] = Message.objects.filter(template__code="stop.confirmed")
    assert confirm.state == "drafted" and "不再" in confirm.body and InboundMessage.objects.count() == 1


def test_other_answers_wait_for_somebody(ready: House) -> None:
    row = inbound_apply(Inbound(Channel.SMS, "19900000001", "我下周还", NOON, "in-2"), at=NOON)
    assert row.meaning == "reply" and row.answered_at is None
    stranger = inbound_apply(Inbound(Channel.SMS, "13000000000", "退订", NOON, "in-3"), at=NOON)
    assert stranger.party is None and stranger.meaning == "stop"


def test_what_waits_too_long_ends(ready: House) -> None:
    m = queue(ready, at=NIGHT)
    outbox_work(10, m.expires_at + timedelta(seconds=1), gateways=answering(OK)[1])
    m.refresh_from_db()
    assert (m.state, m.reason) == ("cancelled", "expired")


def test_a_message_can_be_taken_back_until_it_is_handed_over(ready: House) -> None:
    m = queue(ready)
    with pytest.raises(Refused, match="say why"):
        message_cancel(m, reason=" ", actor="collector")
    assert message_cancel(m, reason="wrong person", actor="collector").state == "cancelled"
    sent = queue(ready, "k2")
    outbox_work(10, NOON, gateways=answering(OK)[1])
    with pytest.raises(Refused, match="taken back"):
        message_cancel(sent, reason="x", actor="collector")
    with pytest.raises(Refused, match="certainly did not arrive"):
        message_resend(sent, actor="x", at=NOON)


def test_the_apps_own_gateway_hands_over_once_however_often(ready: House) -> None:
    """A worker that died may hand the same message over again: it is the same row of the same inbox."""
    m, at = queue(ready, channel=Channel.APP), NOON
    for _ in range(2):
        outbox_work(10, at)
        Message.objects.filter(pk=m.pk).update(state="sending", lease_until=at - timedelta(seconds=1), next_at=at)
    outbox_work(10, at)
    outbox_work(10, at)
    m.refresh_from_db()
    assert (m.state, m.gateway) == ("sent", InApp.name) and ContactRecord.objects.filter(channel="app").count() == 1


def test_every_state_is_known_to_the_model() -> None:
    assert {c[0] for c in Message._meta.get_field("state").choices} == set(State)
