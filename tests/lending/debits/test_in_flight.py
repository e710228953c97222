"""Nobody is called, charged or reported for money already taken: what money under way suppresses, each from end to end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.contact.worlds import day_at
from tests.factories import House
from tests.lending.debits.worlds import TODAY, clock, due_today, in_flight, result
from tideover.contact.gate import verdict_ask
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.problems import Refused
from tideover.daily.close import close_day, read_tape
from tideover.daily.models import CloseRun
from tideover.engine.events import EventKind
from tideover.lending.debits.answers import result_take
from tideover.lending.debits.planning import debits_plan
from tideover.lending.models import Contract, Debit
from tideover.lending.panels_mine import my_loans
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record
from tideover.sources.services import consent_give


@pytest.fixture(autouse=True)
def folders(settings: object, tmp_path: Path) -> None:
    settings.DEBIT_FOLDER, settings.TAPE_DIR = tmp_path / "debits", tmp_path / "tape"  # type: ignore[attr-defined]


@pytest.fixture
def late(house: House) -> Contract:
    """A loan five days late whose debit left this morning."""
    contract = due_today(house, due_on=TODAY - timedelta(days=5))
    consent_give(
        contract.borrower, None, purpose="contact", given_how="contract_clause", evidence="12",
        given_at=clock(0, -30), actor="branch_head",
    )  # fmt: skip
    return contract


def send(house: House, contract: Contract) -> Debit:
    d = in_flight(house, contract, clock(10))
    assert d.state == "in_flight"
    return d


def answer(d: Debit, code: str, amount: int = 0) -> None:
    result_take(
        result((d.reference, code, amount, clock(10, 0, 5) if amount else None)), source="file", at=clock(11), actor="bank"
    )


def rules(contract: Contract) -> tuple[bool, tuple[str, ...]]:
    said = verdict_ask(
        party=contract.borrower, contracts=[contract], channel=Channel.CALL, purpose=Purpose.COLLECTION, at=day_at(10), actor="c"
    )  # fmt: skip
    return said.allowed, tuple(said.rules)


def test_late_status_is_not_shown_to_the_customer(house: House, late: Contract) -> None:
    user = late.borrower.user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    assert my_loans(user)[0].state == "late" and "tag--over" in client.get("/").content.decode()
    d = send(house, late)
    for code in ("", "9001", "9999"):
        if code:
            answer(d, code)
        assert my_loans(user)[0].state == "on_its_way"
        home = client.get("/").content.decode()
        assert "tag--over" not in home and "on its way from your bank" in home
        assert loan_standing(late, TODAY).shown_days_past_due == 0
    answer(d, "1001")
    assert my_loans(user)[0].state == "late"


def test_nobody_is_called(house: House, late: Contract) -> None:
    before = rules(late)
    d = send(house, late)
    allowed, why = rules(late)
    assert not allowed and "contact.hold.debit_in_flight" in why
    answer(d, "9999")
    assert "contact.hold.debit_in_flight" in rules(late)[1]
    answer(d, "1001")
    assert rules(late) == before


def test_nothing_is_charged_and_penalty_ends_with_the_day_the_money_left(house: House, late: Contract) -> None:
    d = send(house, late)

    def charge(key: str) -> None:
        event_record(
            late, kind=EventKind.CHARGE, effective_on=TODAY, amount_minor=100, extra={"component": "penalty"},
            idempotency_key=key, actor="t",
        )  # fmt: skip

    with pytest.raises(Refused, match="on its way"):
        charge("a")
    penalty_then = loan_standing(late, TODAY).penalty_minor
    answer(d, "9999")
    with pytest.raises(Refused, match="on its way"):
        charge("b")
    answer(d, "0000", d.amount_minor)
    later = loan_standing(late, TODAY + timedelta(days=3))
    assert penalty_then > 0 and (later.penalty_minor, later.days_past_due) == (0, 0)


def test_nothing_adverse_is_reported(house: House, late: Contract) -> None:
    d = send(house, late)
    close_day(TODAY, today=TODAY)
    row = {r["loan_id"]: r for r in read_tape(CloseRun.objects.get(as_of=TODAY), "loans").to_pylist()}[late.number]
    assert (row["debit_in_flight"], row["shown_days_past_due"], row["days_past_due"]) == (d.amount_minor, 0, 5)


def test_no_second_debit_is_made(house: House, late: Contract) -> None:
    d = send(house, late)
    for code in ("", "9001", "9999"):
        if code:
            answer(d, code)
        assert debits_plan(house.entity, actor="t", at=clock(18))[1] == {"in_flight": 1}
    assert Debit.objects.count() == 1
