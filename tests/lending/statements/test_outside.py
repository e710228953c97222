"""Neighbours: a debit batch's one line is no receipt, a pay-off quote places money, money goes back to where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.test import Client

from tests.factories import House
from tests.lending.statements.samples import ACCOUNT, Paid, camt
from tideover.lending.models import Match, Receipt
from tideover.lending.rules.bank_match import Quote
from tideover.lending.statements import outside
from tideover.lending.statements.services import account_open, statement_import

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def neighbours(house: House) -> Iterator[None]:
    account_open(entity=house.entity, number=ACCOUNT, name="x", bank="", opened_on=date(2020, 1, 1), actor="t")
    before = dict(outside._known)
    outside._known.clear()
    yield
    outside._known.clear()
    outside._known.update(before)


def test_the_line_of_a_batch_is_no_receipt(house: House) -> None:
    marked: list[Any] = []
    outside.register(
        batch_expected=lambda entity, amount, on: "B-1" if (entity, amount) == (house.entity.pk, 500_000) else None,
        batch_credited=lambda *said: marked.append(said),
    )
    statement_import(camt(Paid("5000.00", id="S1"), Paid("5.00", id="S2")), "a", actor="ops")
    assert [(m.kind, m.of) for m in Match.objects.order_by("line__amount_minor")] == [("suspense", ""), ("settlement", "B-1")]
    assert [(number, on) for number, on, _ in marked] == [("B-1", date(2026, 3, 10))]
    assert Receipt.objects.get().amount_minor == 500


@pytest.mark.parametrize(("fits", "kind"), [(True, "receipt"), (False, "suspense")])
def test_a_quote_places_only_with_its_amount(house: House, fits: bool, kind: str) -> None:
    outside.register(quotes_named=lambda e, words, a, on: [Quote("PQ-0001", "T-1", fits)] if "PQ-0001" in words else [])
    statement_import(camt(Paid("12100.00", "结清 PQ-0001", "李明", id="S1")), "a", actor="ops")
    assert Match.objects.get().kind == kind


def test_sending_back_is_offered_where_it_can_be_done(house: House) -> None:
    client = Client()
    client.force_login(house.staff["payments"])
    statement_import(camt(Paid("5.00", "?", "x", "6217", id="S1")), "a", actor="ops")
    address = f"/suspense/{Receipt.objects.get().number}"
    assert "send_back" not in client.get(address).text
    assert client.post(address, {"act": "send_back", "reason": "x"}).status_code == 404
    asked: list[Any] = []

    class Asked:
        reference = "A-1"

    def refund_ask(receipt: Receipt, **said: Any) -> Any:
        asked.append((receipt.number, said["amount_minor"], said["reason"]))
        return Asked

    outside.register(refund_ask=refund_ask)
    assert "send_back" in client.get(address).text
    assert client.post(address, {"act": "send_back", "reason": "not ours"}).status_code == 302
    assert asked == [(Receipt.objects.get().number, 500, "not ours")]
