"""Addresses that carriers refuse: a fact of the gate, in both forms; ended by time, a proof, a person, or another address."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import translation

from tests.contact.test_outbox import NOON, OK, answering, queue, ready  # noqa: F401
from tests.contact.worlds import at, policy
from tests.factories import House
from tideover.contact.addresses import address_fault, address_hash, own_hashes
from tideover.contact.bulk import allowed_many
from tideover.contact.channels.base import DeliveryState, Inbound, Report, SendResult, SendState
from tideover.contact.gate import verdict_ask
from tideover.contact.models import AddressFault, VerdictRow
from tideover.contact.now import allowed_now
from tideover.contact.outbox import inbound_apply, outbox_work, report_apply
from tideover.contact.reach import address_set, address_verified, broken_of, number_dead
from tideover.contact.rules.encode import known_json, known_read
from tideover.contact.rules.faults import FADE_DAYS_MAX, fault_length
from tideover.contact.rules.gate import ADDRESS_RULE, may_contact
from tideover.contact.rules.model import Channel, Facts, FaultFact, Fired, Proposal, Purpose
from tideover.contact.zones import zone
from tideover.core.problems import Refused
from tideover.lending.models import Party

CN, SHANGHAI = policy("cn"), zone("Asia/Shanghai")
DAYTIME = at("2026-03-05 12:00:00")
KNOWN = Facts(SHANGHAI, consents=frozenset(Channel))
BOUNCED = SendResult(SendState.REFUSED, reason="smtp:550 5.1.1")


def asked(facts: Facts, channel: Channel = Channel.SMS, purpose: Purpose = Purpose.COLLECTION, **more: bool) -> list[Fired]:
    return list(may_contact(CN, facts, [], Proposal(DAYTIME, channel, purpose, **more)).fired)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_fault_stops_its_channel_for_every_purpose_and_no_other(purpose: Purpose) -> None:
    facts = replace(KNOWN, faults=(FaultFact(Channel.EMAIL),))
    assert asked(facts, Channel.EMAIL, purpose) == [Fired(ADDRESS_RULE)]
    assert asked(facts, Channel.SMS, purpose) == []


def test_letters_that_count_before_the_law_go_to_the_last_known_address() -> None:
    facts = replace(KNOWN, faults=(FaultFact(Channel.LETTER),))
    assert asked(facts, Channel.LETTER, Purpose.STATUTORY) == []
    assert asked(facts, Channel.LETTER, saves_clock=True, approved=True) == []
    for purpose, more in ((Purpose.COLLECTION, {"saves_clock": True}), (Purpose.SERVICE, {}), (Purpose.REPLY, {})):
        assert asked(facts, Channel.LETTER, purpose, **more) == [Fired(ADDRESS_RULE)]


def test_a_fault_that_ends_opens_the_channel_at_its_end_to_the_second() -> None:
    facts = replace(KNOWN, faults=(FaultFact(Channel.SMS, ends_at=DAYTIME + 60), FaultFact(Channel.SMS, ends_at=DAYTIME + 3600)))
    verdict = may_contact(CN, facts, [], Proposal(DAYTIME, Channel.SMS))
    assert (verdict.fired, verdict.next_at) == ((Fired(ADDRESS_RULE, DAYTIME + 3600),), DAYTIME + 3600)
    assert may_contact(CN, facts, [], Proposal(DAYTIME + 3600, Channel.SMS)).allowed
    assert not may_contact(CN, facts, [], Proposal(DAYTIME + 3599, Channel.SMS)).allowed
    forever = replace(facts, faults=(*facts.faults, FaultFact(Channel.SMS)))
    assert may_contact(CN, forever, [], Proposal(DAYTIME, Channel.SMS)).next_at is None


def test_stored_facts_give_the_faults_again() -> None:
    from tideover.contact.rules.encode import Known

    faults = (FaultFact(Channel.EMAIL, 3, DAYTIME, None), FaultFact(Channel.SMS, 1, DAYTIME, DAYTIME + 5))
    known = Known(replace(KNOWN, faults=faults), (), "Asia/Shanghai", ())
    said = known_json(known, Proposal(DAYTIME, Channel.SMS))
    assert known_read(said, SHANGHAI)[0].facts.faults == faults


@pytest.mark.parametrize(
    ("reason", "days"),
    [("smtp:550 5.1.1", [None, None]), ("failed 5.2.2", [3, 6, 12, 24, FADE_DAYS_MAX]), ("MOBILE_NOT_ON_SERVICE", [7, 14, 28]),
     ("returned", [None])],
)  # fmt: skip
def test_how_long_a_fault_lasts(reason: str, days: list[int | None]) -> None:
    got = [fault_length(reason, n) for n in range(1, len(days) + 1)]
    assert got == [None if d is None else timedelta(days=d) for d in days]


def line(house: House, channel: Channel, at_: datetime = NOON) -> tuple[tuple[str, ...], datetime | None]:
    """What both forms say of a channel; they must say the same."""
    people = {p.pk: [] for p in Party.objects.all()}
    many = allowed_many(people, channel=channel, at=at_)
    for p in Party.objects.select_related("branch__entity", "user"):
        one = allowed_now(p, at=at_).of(channel)
        assert (many[p.pk].rules, many[p.pk].next_at) == (tuple(w.rule for w in one.whys), one.next_at)
    mine = many[house.borrower.pk]
    return mine.rules, mine.next_at


def fault(house: House, channel: Channel, reason: str, at_: datetime = NOON) -> AddressFault:
    return address_fault(house.borrower, channel, own_hashes(house.borrower)[channel], reason, at_)


def test_one_and_many_say_the_same_of_every_channel(ready: House) -> None:  # noqa: F811
    address_set(ready.borrower, "email", "Li@Example.cn", source="staff", actor="t")
    fault(ready, Channel.EMAIL, "failed 5.2.2")
    fault(ready, Channel.CALL, "no_such_number")
    day = timedelta(days=1)
    for channel in Channel:
        for at_ in (NOON, NOON + 2 * day, NOON + 4 * day):
            line(ready, channel, at_)
    assert line(ready, Channel.EMAIL) == ((ADDRESS_RULE,), NOON + 3 * day)
    assert line(ready, Channel.EMAIL, NOON + 3 * day) == ((), NOON + 3 * day)
    assert line(ready, Channel.SMS) == ((ADDRESS_RULE,), None), "a number that nobody can dial takes no text"


def test_a_line_that_takes_no_text_may_still_ring(ready: House) -> None:  # noqa: F811
    fault(ready, Channel.SMS, "number_invalid")
    assert line(ready, Channel.SMS)[0] == (ADDRESS_RULE,) and line(ready, Channel.CALL)[0] == ()


def test_another_address_lifts_it_and_the_old_one_stays_refused(ready: House) -> None:  # noqa: F811
    who = ready.borrower
    number_dead(who, "wrong_number", NOON)
    assert line(ready, Channel.CALL)[0] == (ADDRESS_RULE,)
    address_set(who, "phone", "+86 199-0000-7777", source="borrower", actor="borrower")
    assert line(ready, Channel.CALL) == ((), NOON) and broken_of(who, NOON) == []
    address_set(who, "phone", "19900000001", source="borrower", actor="borrower")
    assert line(ready, Channel.CALL)[0] == (ADDRESS_RULE,), "what was refused is refused until somebody has looked"
    [found] = broken_of(who, NOON)
    assert (found.kind, found.masked, found.refusals) == ("phone", "199****0001", 1)
    assert address_verified(who, "phone", actor="collector") == 1 and line(ready, Channel.CALL)[0] == ()
    with pytest.raises(Refused, match="nothing is known"):
        address_verified(who, "phone", actor="collector")


def test_a_number_asked_for_by_name_is_judged_by_itself(ready: House) -> None:  # noqa: F811
    fault(ready, Channel.SMS, "number_invalid")
    given = {"party": ready.borrower, "channel": Channel.SMS, "purpose": Purpose.COLLECTION, "at": NOON, "actor": "t"}
    assert not verdict_ask(**given).allowed and verdict_ask(**given, number="19900008888").allowed
    assert not verdict_ask(**given, number="+86 199 0000 0001").allowed, "the same number, written differently"


def test_a_bounce_reaches_the_verdict_with_its_count_in_both_languages(ready: House) -> None:  # noqa: F811
    address_set(ready.borrower, "email", "li@example.cn", source="staff", actor="t")
    mail = {"channel": Channel.EMAIL, "at": NOON}
    queue(ready, "k1", **mail)
    queue(ready, "k2", **mail)
    outbox_work(10, NOON, gateways=answering(BOUNCED)[1])
    [row] = AddressFault.objects.all()
    assert (row.refusals, row.reason, row.ends_at) == (1, "smtp:550 5.1.1", None)
    row.refusals = 3
    row.save()
    m = queue(ready, "k3", **mail)
    assert (m.state, m.reason) == ("blocked", ADDRESS_RULE)
    verdict = VerdictRow.objects.get(pk=m.verdict)
    [fired] = verdict.fired
    assert (fired["rule"], fired["instrument"], fired["status"], fired["until"]) == (ADDRESS_RULE, "house rule", "house", None)
    assert verdict.facts["faults"] == [["email", 3, int(row.found_at.timestamp()), None]]
    for language, words in (("en", "refusals since 2026-05-12: 3"), ("zh-hans", "2026-05-12 起被退回 3 次")):
        with translation.override(language):
            [why] = allowed_now(ready.borrower, [ready.loan], at=NOON).of(Channel.EMAIL).whys
            assert words in why.says


def test_what_arrives_or_comes_from_there_proves_the_address(ready: House) -> None:  # noqa: F811
    for key in ("k1", "k2"):
        queue(ready, key)
    answers = [SendResult(SendState.ACCEPTED, provider_id=f"G{n}") for n in (1, 2)]
    outbox_work(10, NOON, gateways=answering(*answers)[1])
    fault(ready, Channel.SMS, "number_invalid", NOON)
    report_apply(Report(DeliveryState.DELIVERED, NOON - timedelta(hours=1), provider_id="G1"), at=NOON)
    assert AddressFault.objects.filter(cleared_at=None).count() == 1, "older than the refusal, it proves nothing"
    report_apply(Report(DeliveryState.DELIVERED, NOON + timedelta(hours=1), provider_id="G2"), at=NOON)
    fault(ready, Channel.CALL, "no_such_number", NOON)
    inbound_apply(Inbound(Channel.SMS, "+8619900000001", "你好", NOON + timedelta(hours=2), "in-1"), at=NOON)
    assert set(AddressFault.objects.values_list("channel", "cleared_by")) == {(Channel.CALL, "answer"), (Channel.SMS, "receipt")}


def test_a_message_waits_for_a_fault_that_ends(ready: House) -> None:  # noqa: F811
    fault(ready, Channel.SMS, "absent_subscriber", NOON)
    m = queue(ready)
    assert (m.state, m.reason, m.next_at) == ("drafted", ADDRESS_RULE, NOON + timedelta(days=1))


def test_numbers_are_one_however_they_are_written() -> None:
    assert address_hash(Channel.CALL, "+86 199 0000 0001") == address_hash(Channel.SMS, "19900000001")
