"""What a compliance officer asked about: who is lost, nights, the dead, attorneys, one number written in many ways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contact.test_outbox import NOON, ready  # noqa: F401
from tests.contact.worlds import at, policy
from tests.factories import House
from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.model import Channel, Facts, HoldFact, Outcome, PastContact, Proposal, Purpose, Recipient
from tideover.contact.zones import zone

CN, US = policy("cn"), policy("us")
HERE = Facts(zone("Asia/Shanghai"), consents=frozenset(Channel))
THERE = Facts(zone("America/New_York"), consents=frozenset(Channel))
DAYTIME = at("2026-03-05 12:00:00")


def rules(facts: Facts, proposal: Proposal, past: tuple[PastContact, ...] = (), pack: object = CN) -> list[str]:
    return [f.rule for f in may_contact(pack, facts, past, proposal).fired]  # type: ignore[arg-type]


@pytest.mark.parametrize(("channel", "lost"), [(c, c in (Channel.CALL, Channel.AI_CALL, Channel.VISIT)) for c in Channel])
def test_only_attempts_to_speak_make_somebody_lost(channel: Channel, lost: bool) -> None:
    past = tuple(PastContact(DAYTIME - 86_400 * n, channel, Outcome.FAILED) for n in (1, 2, 3))
    asked = Proposal(DAYTIME, Channel.CALL, recipient=Recipient.UNRELATED, discloses=False)
    assert ("contact.third_person" not in rules(HERE, asked, past)) == lost


@pytest.mark.parametrize("purpose", Purpose)
def test_nights_are_quiet_whatever_it_is_for(purpose: Purpose) -> None:
    for clock, night in (("21:59:59", False), ("22:00:00", True), ("07:59:59", True), ("08:00:00", False)):
        moment = at(f"2026-03-05 {clock}")
        for channel in (Channel.SMS, Channel.PUSH, Channel.CALL, Channel.WECOM, Channel.MINI_PROGRAM):
            assert bool(rules(HERE, Proposal(moment, channel, purpose))) == (night and purpose != Purpose.REPLY)
        if purpose != Purpose.COLLECTION:
            assert rules(HERE, Proposal(moment, Channel.LETTER, purpose)) == [], "what does not ring may come"


@pytest.mark.parametrize("kind", ["death", "incapacity"])
def test_a_contact_person_may_be_asked_when_the_debtor_is_dead_or_incapable(kind: str) -> None:
    facts = replace(HERE, holds=(HoldFact(kind),), incapable=True)
    asked = Proposal(DAYTIME, Channel.CALL, recipient=Recipient.UNRELATED, discloses=False)
    assert rules(facts, asked) == []
    assert rules(facts, replace(asked, discloses=True)) == ["contact.third_person"]
    assert rules(facts, Proposal(DAYTIME, Channel.CALL)) == [f"contact.hold.{kind}"]


def test_who_has_an_attorney_is_spoken_to_through_the_attorney() -> None:
    facts = replace(THERE, holds=(HoldFact("attorney"),))
    noon = at("2026-03-05 12:00:00", "America/New_York")
    for recipient in (Recipient.DEBTOR, Recipient.GUARANTOR):
        assert rules(facts, Proposal(noon, Channel.CALL, recipient=recipient), pack=US) == ["contact.hold.attorney"]
    assert rules(facts, Proposal(noon, Channel.CALL, recipient=Recipient.ATTORNEY), pack=US) == []
    assert rules(facts, Proposal(noon, Channel.SMS, Purpose.STATUTORY), pack=US) == []


def test_a_collectors_service_messages_keep_the_hours_too() -> None:
    late = at("2026-03-05 21:00:01", "America/New_York")
    assert rules(THERE, Proposal(late, Channel.SMS, Purpose.SERVICE), pack=US) == ["contact.window.local"]


def test_a_refusal_and_a_cap_hold_however_the_number_is_written(ready: House) -> None:  # noqa: F811
    given = {"party": ready.borrower, "channel": Channel.CALL, "purpose": Purpose.COLLECTION}
    third = {**given, "recipient": Recipient.UNRELATED}
    contact_record(
        **third, outcome=Outcome.CONVERSATION, at=NOON - timedelta(days=50), actor="t", number="13800001111", refused=True
    )
    for n in range(6):
        contact_record(**given, outcome=Outcome.UNANSWERED, at=NOON - timedelta(minutes=n + 1), actor="t", number="19900000001")
    for written in ("13800001111", "+86 138 0000 1111", "0086-13800001111"):
        row = verdict_ask(**third, number=written, discloses=False, at=NOON, actor="t")
        assert "contact.third_person" in row.rules and row.facts["third_refused"], written
    for written in ("", "19900000001", "+86 199 0000 0001"):
        assert verdict_ask(**given, number=written, at=NOON, actor="t").rules == ("contact.cap.dials",), written
