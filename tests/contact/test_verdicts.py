"""The gate over stored rows: what is known of a person, verdicts that are kept and can be given again, contacts that count."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, transaction

from tests.contact.worlds import day_at, policy
from tests.factories import House, loan
from tideover.contact.chain import breaks
from tideover.contact.facts import policy_on, seconds
from tideover.contact.gate import contact_outcome, contact_record, verdict_ask
from tideover.contact.models import ContactPreference, VerdictRow
from tideover.contact.rules.encode import verdict_again
from tideover.contact.rules.model import Channel, Outcome, Purpose, Recipient
from tideover.contact.zones import zone
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.problems import Refused
from tideover.engine.terms import day
from tideover.lending.models import Hold, LoanParty
from tideover.lending.services_holds import hold_place, hold_review, open_now
from tideover.lending.services_rows import help_request_open, row_close
from tideover.sources.services import consent_give, consent_withdraw

SHANGHAI = ZoneInfo("Asia/Shanghai")


def next_morning() -> datetime:
    """Eight o'clock of the day after: ten where that is a public holiday."""
    on = business_date(day_at(12)) + timedelta(days=1)
    opens = 10 if day(on) in policy("cn", on).calendar.holidays else 8
    return datetime(on.year, on.month, on.day, opens, tzinfo=SHANGHAI)


def ask(house: House, **more: Any) -> VerdictRow:
    values: dict[str, Any] = {
        "party": house.borrower, "contracts": [house.loan], "channel": Channel.CALL, "purpose": Purpose.COLLECTION,
        "at": day_at(10), "actor": "collector",
    }  # fmt: skip
    return verdict_ask(**{**values, **more})


@pytest.fixture
def agreed(house: House) -> House:
    """The borrower's contract has the clause by which they may be contacted."""
    consent_give(
        house.borrower, None, purpose="contact", given_how="contract_clause", evidence="clause 12",
        given_at=now() - timedelta(days=90), actor="branch_head",
    )  # fmt: skip
    return house


def test_without_consent_nothing_that_rings(house: House) -> None:
    assert ask(house).rules == ("contact.consent.private",)
    assert ask(house, channel=Channel.LETTER).allowed and ask(house, channel=Channel.APP).allowed


def test_a_verdict_is_kept_with_rules_sources_facts_and_can_be_given_again(agreed: House) -> None:
    yes, no = ask(agreed), ask(agreed, at=day_at(22))
    assert yes.allowed and yes.next_at == yes.at and yes.fired == []
    assert not no.allowed and no.rules == ("contact.window.collection",) and no.next_at == next_morning()
    assert no.fired[0]["instrument"].startswith("GB/T 45251") and no.fired[0]["article"] == "5.3"
    assert (yes.seq, no.seq, list(breaks())) == (1, 2, [])
    for row in VerdictRow.objects.all():
        again = verdict_again(policy_on(row.pack, row.pack_on), row.facts, zone(row.facts["zone"]))
        assert (again.allowed, tuple(f.rule for f in again.fired)) == (row.allowed, row.rules)
        assert again.next_at == (seconds(row.next_at) if row.next_at else None)
        said = str(row.facts)
        assert agreed.borrower.name not in said and agreed.borrower.phone not in said


def test_nobody_changes_a_verdict(agreed: House) -> None:
    row = ask(agreed)
    for change in (lambda: VerdictRow.objects.update(allowed=False), lambda: VerdictRow.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert VerdictRow.objects.get(pk=row.pk).allowed


def test_four_loans_of_one_person_are_under_one_cap(agreed: House) -> None:
    loans = [
        agreed.loan,
        agreed.second_loan,
        loan("T-8", agreed.borrower, agreed.branch),
        loan("T-9", agreed.borrower, agreed.branch),
    ]
    for hour, one in enumerate(loans[:3], start=8):
        verdict = ask(agreed, contracts=[one], at=day_at(hour, 5))
        assert verdict.allowed
        contact_record(
            party=agreed.borrower, contracts=[one], channel=Channel.CALL, purpose=Purpose.COLLECTION,
            outcome=Outcome.CONVERSATION, at=day_at(hour, 5), verdict=verdict, actor="collector", seconds=60,
        )  # fmt: skip
    fourth = ask(agreed, contracts=[loans[3]], at=day_at(12))
    assert fourth.rules == ("contact.cap.conversations",) and fourth.next_at == next_morning()
    assert len(fourth.facts["history"]) == 3 and fourth.facts["loans"] == ["T-1", "T-2", "T-8", "T-9"]


def test_an_outcome_that_is_known_later_counts_from_then(agreed: House) -> None:
    told = [
        contact_record(
            party=agreed.borrower, channel=Channel.SMS, purpose=Purpose.COLLECTION, outcome=Outcome.DELIVERED, at=day_at(9, m),
            actor="outbox",
        )
        for m in (0, 1)
    ]  # fmt: skip
    assert ask(agreed, channel=Channel.SMS).rules == ("contact.cap.messages",)
    contact_outcome(told[0], Outcome.FAILED, now())
    assert ask(agreed, channel=Channel.SMS).allowed


def test_a_hold_is_read_live_and_ends_with_its_cause(agreed: House) -> None:
    request = help_request_open(agreed.borrower, agreed.loan, reason="", actor="borrower")
    blocked = ask(agreed, contracts=[agreed.second_loan])
    assert blocked.rules == ("contact.hold.hardship_request",)
    assert ask(agreed, purpose=Purpose.STATUTORY).allowed and ask(agreed, purpose=Purpose.REPLY).allowed
    row_close(request, on=business_date(), actor="counsellor")
    assert ask(agreed).allowed and Hold.objects.get().lifted_why == "its cause is closed"


def test_a_disputed_debt_is_asked_of_nobody_who_stands_in_it(agreed: House) -> None:
    """A reason that lies in the debt holds the guarantor too; one that lies in a person holds that person only."""
    guarantor = agreed.other_borrower
    LoanParty.objects.create(contract=agreed.loan, party=guarantor, role="guarantor_joint", valid_from=date(2026, 1, 20))
    consent_give(
        guarantor, None, purpose="contact", given_how="contract_clause", evidence="clause 3",
        given_at=now() - timedelta(days=90), actor="branch_head",
    )  # fmt: skip
    asked = {"party": guarantor, "contracts": [agreed.loan]}
    assert ask(agreed, **asked).allowed
    mine = hold_place(agreed.borrower, agreed.loan, kind="cease_contact", starts_at=now(), actor="t")
    assert ask(agreed, **asked).allowed and not ask(agreed).allowed
    hold_place(agreed.borrower, agreed.loan, kind="dispute", starts_at=now(), actor="t")
    assert ask(agreed, **asked).rules == ("contact.hold.dispute",)
    assert ask(agreed, party=guarantor, contracts=[agreed.other_loan]).allowed, "another loan is another debt"
    Hold.objects.filter(pk=mine.pk).update(lifted_at=now())
    assert ask(agreed).rules == ("contact.hold.dispute",) and ask(agreed, contracts=[agreed.second_loan]).allowed


def test_two_holds_that_overlap_end_at_the_later_midnight(agreed: House) -> None:
    """The last second of the day is held, the first of the next is not; lifting one leaves the other."""
    first, last = (start_of_day(business_date() + timedelta(days=n)) for n in (2, 4))
    one = hold_place(agreed.borrower, agreed.loan, kind="live_promise", starts_at=now(), ends_at=first, actor="t")
    two = hold_place(agreed.borrower, agreed.loan, kind="live_promise", starts_at=now(), ends_at=last, actor="t")
    held = open_now(last - timedelta(seconds=1))
    assert Hold.objects.filter(held).get() == two and not Hold.objects.filter(open_now(last)).exists()
    assert set(Hold.objects.filter(open_now(first - timedelta(seconds=1)))) == {one, two}
    assert ask(agreed, contracts=[agreed.loan]).rules == ("contact.hold.live_promise",)
    hold_review(two, act="lift", reason="paid elsewhere", actor="lead")
    assert not ask(agreed).allowed and ask(agreed, contracts=[agreed.second_loan]).allowed


def test_a_withdrawn_consent_and_the_persons_own_wishes_bind(agreed: House) -> None:
    ContactPreference.objects.create(
        party=agreed.borrower, refused=["sms"], inconvenient=[[540, 720]], changed_at=now(), actor="borrower"
    )
    assert ask(agreed).rules == ("preference.time",) and ask(agreed).next_at == day_at(12)
    assert ask(agreed, channel=Channel.SMS, at=day_at(15)).rules == ("preference.channel",)
    consent_withdraw(agreed.borrower.consents.get(), how="app", actor="borrower")
    assert ask(agreed, at=day_at(15)).rules == ("contact.consent.private",)


def test_where_a_person_lives_decides_whose_clock_counts(agreed: House) -> None:
    ContactPreference.objects.create(party=agreed.borrower, zone="America/New_York", changed_at=now(), actor="borrower")
    row = ask(agreed, at=day_at(12))
    assert row.rules == ("contact.window.collection",) and row.facts["zone"] == "America/New_York"


def test_a_third_person_who_refused_is_never_asked_again(agreed: House) -> None:
    def call(outcome: Outcome, at: datetime, **more: Any) -> None:
        contact_record(
            party=agreed.borrower, channel=Channel.CALL, purpose=Purpose.COLLECTION, outcome=outcome, at=at, actor="c", **more
        )

    asked = {"recipient": Recipient.UNRELATED, "number": "199 0000 0009", "purpose": Purpose.SERVICE, "discloses": False}
    assert "contact.third_person" in ask(agreed, **asked).rules
    call(Outcome.FAILED, day_at(8))
    assert ask(agreed, **asked).allowed
    call(Outcome.CONVERSATION, now() - timedelta(days=90), recipient=Recipient.UNRELATED, number="19900000009", refused=True)
    assert ask(agreed, **asked).rules == ("contact.third_person",)
    assert ask(agreed, **{**asked, "number": "19900000008"}).allowed


def test_a_contact_that_the_gate_forbade_is_not_written_as_allowed(agreed: House) -> None:
    with pytest.raises(Refused) as refused:
        contact_record(
            party=agreed.borrower, channel=Channel.CALL, purpose=Purpose.COLLECTION, outcome=Outcome.CONVERSATION,
            at=day_at(23), verdict=ask(agreed, at=day_at(23)), actor="collector",
        )  # fmt: skip
    assert refused.value.problems[0].code == "not_allowed"


def test_a_hold_is_cut_to_the_longest_length_of_its_kind(house: House) -> None:
    at = now()
    hold = hold_place(
        house.borrower, house.loan, kind="breathing_space", starts_at=at, ends_at=at + timedelta(days=99), actor="t"
    )
    assert (hold.ends_at, hold.owner, hold.review_on) == (
        at + timedelta(days=62), "counsellor", business_date(at) + timedelta(days=31),
    )  # fmt: skip
    with pytest.raises(Refused) as refused:
        hold_place(house.borrower, None, kind="because", starts_at=at, actor="t")
    assert refused.value.problems[0].code == "unknown_hold"


def test_policy_is_that_of_the_day(house: House) -> None:
    assert policy_on("cn", date(2025, 1, 1)).hash != policy_on("cn", date(2026, 3, 1)).hash
    assert policy_on("cn", date(2026, 3, 2)).hash == policy_on("cn", date(2026, 3, 1)).hash
