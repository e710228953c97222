"""The gate at its edges: hours to the second, caps, third persons, holds, consent; four loans under one cap; Reg F's cases."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.contact.worlds import at, policy
from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.model import (
    Channel,
    Facts,
    HoldFact,
    Outcome,
    PastContact,
    Proposal,
    Purpose,
    Recipient,
)
from tideover.contact.rules.policy import policy_read
from tideover.contact.zones import UnknownZone, zone
from tideover.core.packs.load import pack, pack_names
from tideover.core.packs.rules.pack import PackError, pack_read

CN, US = policy("cn"), policy("us")
SHANGHAI, NEW_YORK = zone("Asia/Shanghai"), zone("America/New_York")
KNOWN = Facts(SHANGHAI, consents=frozenset(Channel))
NOON = at("2026-03-05 12:00:00")


def ids(facts: Facts, past: list[PastContact], p: Proposal, rules: Any = CN) -> list[str]:
    return [f.rule for f in may_contact(rules, facts, past, p).fired]


def call(when: str, outcome: Outcome = Outcome.CONVERSATION, **more: Any) -> PastContact:
    return PastContact(at(when), Channel.CALL, outcome, **more)


@pytest.mark.parametrize(
    ("local", "allowed", "next_local"),
    [
        ("2026-03-05 07:59:59", False, "2026-03-05 08:00:00"),
        ("2026-03-05 08:00:00", True, "2026-03-05 08:00:00"),
        ("2026-03-05 21:59:59", True, "2026-03-05 21:59:59"),
        ("2026-03-05 22:00:00", False, "2026-03-06 08:00:00"),
        ("2026-03-05 23:59:59", False, "2026-03-06 08:00:00"),
        ("2026-03-06 00:00:00", False, "2026-03-06 08:00:00"),
        ("2026-02-28 22:30:00", False, "2026-03-01 08:00:00"),
        ("2028-02-28 22:30:00", False, "2028-02-29 08:00:00"),
        ("2026-12-31 22:00:00", False, "2027-01-01 08:00:00"),
    ],
)
def test_lawful_hours_in_china_to_the_second(local: str, allowed: bool, next_local: str) -> None:
    verdict = may_contact(CN, KNOWN, [], Proposal(at(local), Channel.SMS))
    assert (verdict.allowed, verdict.next_at) == (allowed, at(next_local))


@pytest.mark.parametrize(
    ("local", "allowed", "next_local"),
    [
        ("2026-03-08 07:59:59", False, "2026-03-08 08:00:00"),
        ("2026-03-07 21:00:00", True, "2026-03-07 21:00:00"),
        ("2026-03-07 21:00:01", False, "2026-03-08 08:00:00"),
        ("2026-10-31 21:30:00", False, "2026-11-01 08:00:00"),
    ],
)
def test_hours_where_the_clocks_change_overnight(local: str, allowed: bool, next_local: str) -> None:
    place = "America/New_York"
    verdict = may_contact(US, Facts(NEW_YORK), [], Proposal(at(local, place), Channel.CALL))
    assert (verdict.allowed, verdict.next_at) == (allowed, at(next_local, place))


@pytest.mark.parametrize(
    ("channel", "local", "next_local"),
    [
        (Channel.CALL, "2026-02-17 09:59:59", "2026-02-17 10:00:00"),
        (Channel.CALL, "2026-02-17 10:00:00", "2026-02-17 10:00:00"),
        (Channel.CALL, "2026-02-17 20:00:00", "2026-02-18 10:00:00"),
        (Channel.SMS, "2026-02-17 08:00:00", "2026-02-17 08:00:00"),
        (Channel.CALL, "2026-02-14 08:00:00", "2026-02-14 08:00:00"),
        (Channel.CALL, "2026-02-13 22:00:00", "2026-02-14 08:00:00"),
        (Channel.CALL, "2026-02-14 22:00:00", "2026-02-15 10:00:00"),
        (Channel.CALL, "2026-02-23 21:00:00", "2026-02-24 08:00:00"),
        (Channel.VISIT, "2026-02-23 20:30:00", "2026-02-24 09:00:00"),
        (Channel.CALL, "2026-12-31 22:00:00", "2027-01-01 10:00:00"),
    ],
)
def test_public_holidays_have_hours_of_their_own(channel: Channel, local: str, next_local: str) -> None:
    """Spring festival 2026: off from 15 to 23 February; Saturday the 14th is a make-up workday, Tuesday the 24th a workday."""
    assert may_contact(CN, KNOWN, [], Proposal(at(local), channel)).next_at == at(next_local)
    agreed = replace(KNOWN, agreed_hours=True)
    assert channel == Channel.VISIT or may_contact(CN, agreed, [], Proposal(at(local), channel)).allowed


def test_a_window_can_speak_of_all_days_off_and_needs_a_calendar() -> None:
    text = """pack: {name}
rules:
  - id: contact.window.weekend
    valid_from: 2020-01-01
    status: law
    citation: {{instrument: a law, article: "1"}}
    note: a note
    values: {{opens: "10:00", closes: "18:00", days: days_off, calendar: {calendar}}}
"""
    with pytest.raises(PackError, match="there is no calendar"):
        policy_read(pack_read("xx", [("xx/a.yaml", text.format(name="xx", calendar="xx"))]), date(2026, 1, 1))
    days = [r for r in pack("us") if r.id.startswith("calendar.")]
    made = pack_read("us", [("us/a.yaml", text.format(name="us", calendar="us-federal"))])
    off = policy_read(replace(made, rules={**made.rules, days[0].id: tuple(days)}), date(2026, 1, 1))
    here = Facts(NEW_YORK)
    for local, then in (
        ("2026-03-06 19:00:00", "2026-03-06 19:00:00"),
        ("2026-03-07 09:59:59", "2026-03-07 10:00:00"),
        ("2026-03-07 18:00:00", "2026-03-08 10:00:00"),
        ("2026-03-08 18:00:00", "2026-03-09 00:00:00"),
        ("2026-07-03 09:00:00", "2026-07-03 10:00:00"),
    ):
        found = may_contact(off, here, [], Proposal(at(local, "America/New_York"), Channel.CALL))
        assert found.next_at == at(then, "America/New_York"), local


def test_hours_follow_the_recipient_not_the_lender() -> None:
    p = Proposal(at("2026-03-05 21:30:00"), Channel.SMS)
    assert may_contact(CN, KNOWN, [], p).allowed
    assert ids(replace(KNOWN, zone=zone("Asia/Tokyo")), [], p) == ["contact.window.collection"]


def test_agreed_hours_lift_the_standard_but_no_visit_in_the_evening() -> None:
    late = replace(KNOWN, agreed_hours=True)
    assert ids(late, [], Proposal(at("2026-03-05 22:30:00"), Channel.CALL)) == []
    assert ids(late, [], Proposal(at("2026-03-05 20:00:00"), Channel.VISIT)) == ["contact.window.visit"]


def test_three_conversations_a_day_for_a_person_with_four_loans() -> None:
    talks = [call(f"2026-03-05 0{8 + k}:10:00" if k < 2 else "2026-03-05 10:10:00", debts=1 << k) for k in range(3)]
    fourth = Proposal(NOON, Channel.CALL, debts=1 << 3)
    verdict = may_contact(CN, KNOWN, talks, fourth)
    assert [f.rule for f in verdict.fired] == ["contact.cap.conversations"]
    assert verdict.next_at == at("2026-03-06 08:00:00")
    assert may_contact(CN, KNOWN, talks[:2], fourth).allowed
    began_by_them = [replace(t, outbound=False) for t in talks]
    assert may_contact(CN, KNOWN, began_by_them, fourth).allowed


def test_six_vain_dials_to_a_number_and_another_number_is_free() -> None:
    dials = [call(f"2026-03-05 08:{m:02d}:00", Outcome.UNANSWERED, number=1) for m in range(6)]
    assert ids(KNOWN, dials, Proposal(NOON, Channel.CALL, number=1)) == ["contact.cap.dials"]
    assert ids(KNOWN, dials, Proposal(NOON, Channel.CALL, number=2)) == []
    assert ids(KNOWN, dials[1:], Proposal(NOON, Channel.AI_CALL, number=1)) == []


def test_counting_days_are_those_of_the_recipient() -> None:
    talks = [call(f"2026-03-05 08:{m:02d}:00") for m in range(3)]
    there = replace(KNOWN, zone=zone("America/Los_Angeles"), agreed_hours=True)
    assert ids(there, talks, Proposal(at("2026-03-05 16:30:00"), Channel.CALL)) == []
    assert ids(there, talks, Proposal(at("2026-03-05 15:30:00"), Channel.CALL)) == ["contact.cap.conversations"]


def test_a_third_person_only_where_the_debtor_is_lost_and_never_told() -> None:
    ask = Proposal(NOON, Channel.CALL, Purpose.SERVICE, Recipient.UNRELATED, discloses=False)
    vain = [call(f"2026-03-0{d} 09:00:00", Outcome.UNANSWERED) for d in (2, 3, 4)]
    assert ids(KNOWN, vain, ask) == []
    assert ids(KNOWN, vain[:2], ask) == ["contact.third_person"]
    assert ids(KNOWN, [*vain, call("2026-03-04 18:00:00")], ask) == ["contact.third_person"]
    assert ids(replace(KNOWN, unreachable=True), [], ask) == []
    assert ids(replace(KNOWN, incapable=True), [], replace(ask, discloses=True)) == ["contact.third_person"]
    assert ids(replace(KNOWN, unreachable=True, third_refused=True), [], ask) == ["contact.third_person"]
    once = [
        PastContact(
            at("2026-03-04 19:00:00"), Channel.CALL, Outcome.CONVERSATION, purpose=Purpose.SERVICE, recipient=Recipient.RELATED
        )
    ]
    assert ids(KNOWN, [*vain, *once], ask) == ["contact.cap.third_person"]


def test_a_hold_stops_collection_of_its_debt_and_nothing_else() -> None:
    held = replace(KNOWN, holds=(HoldFact("dispute", 0b01),))
    collect = Proposal(NOON, Channel.SMS, debts=0b11)
    assert ids(held, [], collect) == ["contact.hold.dispute"]
    assert may_contact(CN, held, [], collect).next_at is None
    assert ids(held, [], replace(collect, debts=0b10)) == []
    for purpose in (Purpose.SERVICE, Purpose.STATUTORY, Purpose.REPLY):
        assert ids(held, [], replace(collect, purpose=purpose)) == []
    assert ids(held, [], replace(collect, saves_clock=True)) == ["contact.hold.dispute"]
    assert ids(held, [], replace(collect, saves_clock=True, approved=True)) == []
    until = replace(KNOWN, holds=(HoldFact("live_promise", ends_at=at("2026-03-09 23:00:00")),))
    assert may_contact(CN, until, [], collect).next_at == at("2026-03-10 08:00:00")
    assert ids(replace(KNOWN, holds=(HoldFact("new_kind"),)), [], collect) == ["hold.new_kind"]


def test_what_the_person_asked_for_is_kept() -> None:
    quiet = replace(KNOWN, refused=frozenset({Channel.SMS}), inconvenient=((11 * 60, 13 * 60),))
    assert ids(quiet, [], Proposal(NOON, Channel.SMS)) == ["preference.channel", "preference.time"]
    assert may_contact(CN, quiet, [], Proposal(NOON, Channel.CALL)).next_at == at("2026-03-05 13:00:00")
    assert ids(quiet, [], Proposal(NOON, Channel.SMS, Purpose.REPLY)) == []
    assert ids(replace(KNOWN, consents=frozenset()), [], Proposal(NOON, Channel.SMS)) == ["contact.consent.private"]
    assert ids(replace(KNOWN, consents=frozenset()), [], Proposal(NOON, Channel.LETTER)) == []


@pytest.mark.parametrize("name", pack_names())
def test_every_rule_that_can_fire_cites_its_source(name: str) -> None:
    rules = policy(name)
    known = [*rules.windows, *rules.caps, *rules.waits, *rules.consents, *rules.holds.values(), *filter(None, [rules.third])]
    assert known and all(rules.citations[r.id].instrument for r in known)


def test_before_the_standard_there_was_no_such_rule() -> None:
    assert not policy("cn", date(2024, 1, 1)).windows
    with pytest.raises(UnknownZone):
        zone("Mars/Olympus")


@pytest.mark.parametrize(
    ("id", "values", "says"),
    [
        ("contact.window.x", '{opens: "22:00", closes: "08:00"}', "opens must lie before closes"),
        ("contact.window.x", '{opens: "8", closes: "22:00"}', "opens must be a clock time"),
        ("contact.cap.x", "{counts: smiles, per: person, days: 1, most: 1}", "counts cannot be 'smiles'"),
        ("contact.cap.x", "{counts: every, per: person, days: 0, most: 1}", "days must be a whole number in 1..366"),
        ("contact.cap.x", "{counts: every, per: person, days: 1, most: 1, channels: [fax]}", "channels must be a list of"),
        ("contact.wait.x", "{days: 7, wait: 8}", "unknown key wait"),
        ("contact.hold.x", "{purposes: [reply]}", "a hold never stops"),
        ("contact.third_person", "{}", "failed is missing"),
    ],
)
def test_unclear_rules_are_refused_by_name(id: str, values: str, says: str) -> None:
    text = f"""pack: xx
rules:
  - id: {id}
    valid_from: 2020-01-01
    status: law
    citation: {{instrument: a law, article: "1"}}
    note: a note
    values: {values}
"""
    with pytest.raises(PackError) as refused:
        policy_read(pack_read("xx", [("xx/a.yaml", text)]), date(2026, 1, 1))
    assert says in str(refused.value) and id in str(refused.value)


CASES = Path(os.environ.get("TIDEOVER_SHARED", "../shared")) / "cases" / "regf.json"


@pytest.mark.skipif(not CASES.exists(), reason="the call-frequency cases are not here")
def test_call_frequency_cases() -> None:
    place, wrong = "America/New_York", []
    for case in json.loads(CASES.read_text()):
        bits: dict[str, int] = {}
        bit = lambda debt, bits=bits: 1 << bits.setdefault(debt, len(bits))  # noqa: E731
        free = {(e["debt"], e["date"]) for e in case["events_before"] if e["type"] == "consent"}

        def consented(debt: str, on: str, free: set[tuple[str, str]] = free) -> bool:
            return any(d == debt and 0 <= (date.fromisoformat(on) - date.fromisoformat(c)).days < 7 for d, c in free)

        past = []
        for n, e in enumerate(e for e in case["events_before"] if e["type"] != "consent"):
            when = at(f"{e['date']} 09:{n:02d}:00", place)
            if e["type"] == "conversation":
                mask = sum(bit(d) for d in e["debts"])
                past.append(PastContact(when, Channel.CALL, Outcome.CONVERSATION, outbound=False, debts=mask))
            else:
                outcome = Outcome.FAILED if e.get("not_connected") else Outcome.UNANSWERED
                past.append(
                    PastContact(when, Channel.CALL, outcome, debts=bit(e["debt"]), consented=consented(e["debt"], e["date"]))
                )
        want = case["proposed_call"]
        to = Recipient.ATTORNEY if want.get("to") == "attorney" else Recipient.DEBTOR
        p = Proposal(
            at(f"{want['date']} 12:00:00", place), Channel.CALL, recipient=to, debts=bit(want["debt"]),
            consented=consented(want["debt"], want["date"]),
        )  # fmt: skip
        verdict = may_contact(US, Facts(NEW_YORK), past, p)
        fired = {f.rule for f in verdict.fired}
        if "contact.wait.conversation" in fired:
            got = "presumed_violation_conversation"
        elif fired:
            got = "presumed_violation_frequency"
        else:
            got = "not_counted" if "contact.cap.calls" in verdict.exempt else "presumed_compliant"
        if got != case["expected"]:
            wrong.append((case["id"], got, case["expected"]))
    assert wrong == []
