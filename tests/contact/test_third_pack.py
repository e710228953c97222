"""A third party adds a jurisdiction as one file: gate, holds, words and the batch form know it without a line of code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contact.worlds import at
from tests.factories import House
from tideover.contact import facts as contact_facts
from tideover.contact.bulk import allowed_many
from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.now import allowed_now
from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.model import Channel, Facts, HoldFact, Outcome, PastContact, Proposal, Purpose
from tideover.contact.rules.policy import policy_read
from tideover.contact.zones import zone
from tideover.core.business_time import business_date, now
from tideover.core.packs import load
from tideover.core.packs.load import folder_read
from tideover.lending import services_holds
from tideover.lending.services_holds import hold_place

NL = folder_read(Path(__file__).parent / "packs" / "nl")
PLACE = "Europe/Amsterdam"


@pytest.fixture
def dutch(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The house under the third pack."""

    def pack(name: str) -> Any:
        return NL if name == "nl" else load.pack(name)

    monkeypatch.setattr(contact_facts, "pack", pack)
    monkeypatch.setattr(services_holds, "pack", pack)
    contact_facts.policy_on.cache_clear()
    type(house.entity).objects.update(jurisdiction="nl")
    for row in (house.loan, house.borrower, house.other_borrower):
        row.refresh_from_db()
    yield house
    contact_facts.policy_on.cache_clear()


def test_its_hours_caps_and_holds_hold() -> None:
    rules = policy_read(NL, date(2026, 3, 1))
    here, noon = Facts(zone(PLACE)), at("2026-03-02 12:00:00", PLACE)
    for local, then in (
        ("2026-03-02 19:59:59", "2026-03-02 19:59:59"),
        ("2026-03-02 20:00:00", "2026-03-03 08:00:00"),
        ("2026-03-28 20:30:00", "2026-03-29 08:00:00"),
        ("2026-10-24 23:59:59", "2026-10-25 08:00:00"),
    ):
        assert may_contact(rules, here, [], Proposal(at(local, PLACE), Channel.CALL)).next_at == at(then, PLACE), local
    past = [PastContact(noon - 3600 * n, Channel.LETTER, Outcome.DELIVERED, debts=1) for n in (1, 2)]
    assert [f.rule for f in may_contact(rules, here, past, Proposal(noon, Channel.SMS, debts=1)).fired] == ["contact.cap.week"]
    assert may_contact(rules, here, past, Proposal(noon, Channel.SMS, debts=2)).allowed
    held = replace(here, holds=(HoldFact("debt_counselling"),))
    assert [f.rule for f in may_contact(rules, held, [], Proposal(noon, Channel.SMS)).fired] == ["contact.hold.debt_counselling"]
    assert policy_read(NL, date(2023, 1, 1)).windows[0].closes == 21 * 60


def test_rows_verdicts_and_words_follow_it(dutch: House) -> None:
    hold = hold_place(dutch.borrower, dutch.loan, kind="debt_counselling", starts_at=now(), actor="t")
    assert hold.ends_at == hold.starts_at + timedelta(days=240) and hold.owner == "counsellor"
    on = business_date() + timedelta(days=1)
    noon = datetime(on.year, on.month, on.day, 12, tzinfo=contact_facts.EPOCH.tzinfo)
    row = verdict_ask(
        party=dutch.borrower, contracts=[dutch.loan], channel=Channel.CALL, purpose=Purpose.COLLECTION, at=noon, actor="t"
    )
    assert row.rules == ("contact.hold.debt_counselling",) and row.pack == "nl" and row.facts["zone"] == PLACE
    line = allowed_now(dutch.borrower, [dutch.loan], at=noon).of(Channel.CALL)
    assert line.whys[0].says and line.whys[0].cited.startswith("Wet gemeentelijke")


def test_many_at_once_say_what_one_by_one_say(dutch: House) -> None:
    on = business_date() + timedelta(days=1)
    at_ = datetime(on.year, on.month, on.day, 22, tzinfo=contact_facts.EPOCH.tzinfo)
    for n in range(3):
        contact_record(
            party=dutch.borrower, contracts=[dutch.loan], channel=Channel.CALL, purpose=Purpose.COLLECTION,
            outcome=Outcome.CONVERSATION, at=at_ - timedelta(hours=n + 9), actor="t",
        )  # fmt: skip
    hold_place(dutch.other_borrower, None, kind="cease_contact", starts_at=now(), actor="t")
    people = {dutch.borrower.pk: [dutch.loan], dutch.other_borrower.pk: []}
    found = allowed_many(people, channel=Channel.CALL, at=at_)
    for party in (dutch.borrower, dutch.other_borrower):
        one = allowed_now(party, people[party.pk], at=at_).of(Channel.CALL)
        assert (found[party.pk].rules, found[party.pk].next_at) == (tuple(w.rule for w in one.whys), one.next_at)
    assert set(found[dutch.borrower.pk].rules) == {"contact.window.evening", "contact.cap.week"}
    assert found[dutch.other_borrower.pk].next_at is None
