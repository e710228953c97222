"""Letters: batches, the carrier's word, what restarts limitation."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.contact.test_outbox import NOON, queue, ready
from tests.factories import House
from tideover.contact.letters import (
    address_list,
    letter_back,
    letter_batch_make,
    letter_batch_post,
    letter_delivered,
    letter_returned,
)
from tideover.contact.models import AddressFault, LetterBatch, Message
from tideover.contact.outbox import outbox_work
from tideover.contact.rules.model import Channel, Purpose
from tideover.contact.selectors_messages import demands_delivered
from tideover.core.business_time import business_date
from tideover.core.problems import Refused
from tideover.lending.models import ContactRecord, Party
from tideover.lending.services_holds import hold_place

__all__ = ["ready"]
DEMAND = {"overdue": 382090, "principal": 1143770, "as_of": NOON.date(), "pay_by": NOON.date() + timedelta(days=20)}


def yesterday_noon() -> datetime:
    today = business_date()
    return NOON.replace(year=today.year, month=today.month, day=today.day) - timedelta(days=1)


@pytest.fixture
def letter(ready: House) -> Message:
    """A demand that waits to be printed, since yesterday noon."""
    Party.objects.filter(pk=ready.borrower.pk).update(address="浙江省杭州市示范路 1 号")
    ready.borrower.refresh_from_db()
    return demand(ready, "d1")


def demand(house: House, key: str, **more: Any) -> Message:
    given: dict[str, Any] = {
        "channel": Channel.LETTER, "template": "demand.letter", "purpose": Purpose.COLLECTION, "values": DEMAND,
        "at": yesterday_noon(),
    }  # fmt: skip
    return queue(house, key, **{**given, **more})


def batch(letter: Message) -> LetterBatch:
    return letter_batch_make([letter], branch=None, at=yesterday_noon(), actor="legal")


def test_the_worker_leaves_letters_to_people(letter: Message) -> None:
    assert letter.state == "drafted" and letter.is_demand and letter.names_claim
    assert outbox_work(10, yesterday_noon()).claimed == 0


def test_a_demand_counts_from_the_day_that_the_carrier_proves(ready: House, letter: Message) -> None:
    made, today = batch(letter), business_date()
    letter.refresh_from_db()
    assert (letter.state, letter.batch, letter.final_at) == ("sending", made, None)
    letter_batch_post(made, on=today - timedelta(days=1), carrier="EMS", actor="legal")
    letter.refresh_from_db()
    assert letter.state == "sent" and list(demands_delivered(ready.loan)) == []
    with pytest.raises(Refused, match="number of the proof"):
        letter_delivered(letter, on=today, proof=" ", actor="legal")
    with pytest.raises(Refused, match="between the post and today"):
        letter_delivered(letter, on=today + timedelta(days=1), proof="1", actor="legal")
    letter_delivered(letter, on=today, proof="EMS 1", actor="legal")
    [found] = demands_delivered(ready.loan)
    assert (found.pk, found.state, found.delivered_on, found.reason) == (letter.pk, "delivered", today, "proof_of_delivery")
    assert list(demands_delivered(ready.second_loan)) == []
    assert ContactRecord.objects.get(channel="letter").outcome == "delivered"
    with pytest.raises(Refused, match="already"):
        letter_delivered(letter, on=today, proof="EMS 1", actor="legal")


def test_a_letter_that_came_back_does_not_count_and_its_address_is_not_used_again(ready: House, letter: Message) -> None:
    letter_batch_post(batch(letter), on=business_date(), carrier="EMS", actor="legal")
    letter_returned(letter, on=business_date(), reason="moved", actor="legal")
    letter.refresh_from_db()
    assert (letter.state, letter.reason) == ("failed", "returned") and list(demands_delivered(ready.loan)) == []
    assert AddressFault.objects.get().channel == Channel.LETTER
    assert demand(ready, "d2").reason == "address.unreachable"


def test_a_notice_that_is_no_demand_restarts_nothing(ready: House, letter: Message) -> None:
    notice = demand(
        ready, "n1", template="notice.statutory", purpose=Purpose.STATUTORY, values={"what": "x", "instrument": "民法典"}
    )
    letter_batch_post(batch(notice), on=business_date(), carrier="EMS", actor="legal")
    letter_delivered(notice, on=business_date(), proof="EMS 2", actor="legal")
    assert list(demands_delivered(ready.loan)) == []


def test_a_hold_that_came_since_keeps_the_letter_out_of_the_batch(ready: House, letter: Message) -> None:
    hold_place(ready.borrower, None, kind="hardship_request", starts_at=yesterday_noon() - timedelta(hours=1), actor="borrower")
    with pytest.raises(Refused, match="no letter"):
        letter_batch_make([letter], branch=None, at=yesterday_noon(), actor="legal")
    assert LetterBatch.objects.count() == 0


def test_a_batch_is_posted_once_on_a_day_that_can_be_with_a_carrier(letter: Message) -> None:
    made, today = batch(letter), business_date()
    for on, carrier in ((today + timedelta(days=1), "EMS"), (today - timedelta(days=2), "EMS"), (today, " ")):
        with pytest.raises(Refused):
            letter_batch_post(made, on=on, carrier=carrier, actor="legal")
    letter_batch_post(made, on=today, carrier="EMS", actor="legal")
    with pytest.raises(Refused, match="was posted"):
        letter_batch_post(made, on=today, carrier="EMS", actor="legal")
    with pytest.raises(Refused, match="not in a batch"):
        letter_back(letter, actor="legal")


def test_a_letter_can_be_taken_out_until_it_is_posted(letter: Message) -> None:
    batch(letter)
    assert letter_back(letter, actor="legal").state == "drafted"
    again = batch(letter)
    assert again.letters.count() == 1


def test_the_address_list_is_what_spreadsheets_read_and_runs_nothing(letter: Message) -> None:
    Party.objects.filter(pk=letter.party_id).update(name="=cmd()")
    made = batch(letter)
    rows = list(csv.reader(io.StringIO(address_list(made.letters.select_related("party", "template")).removeprefix("\ufeff"))))
    assert rows[0][:3] == ["reference", "name", "address"]
    assert rows[1][:3] == [letter.reference, "'=cmd()", "浙江省杭州市示范路 1 号"]
