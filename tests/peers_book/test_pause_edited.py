"""Mifos backoffice-ui #283: a pause is edited in place: one event and one recast, not a deletion and a new one."""

from __future__ import annotations

from datetime import date

import pytest

from tests.factories import House, loan
from tests.peers_book.history import said
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.models import Contract
from tideover.lending.services import event_record

ON = date(2026, 6, 30)


def pause(contract: Contract, until: str, key: str) -> None:
    event_record(
        contract, kind=EventKind.PAUSE, effective_on=date(2026, 3, 1),
        extra={"until": until, "pause_what": 2, "from_day": "2026-03-01"}, idempotency_key=f"{contract.number}:{key}", actor="a",
    )  # fmt: skip


def edit(contract: Contract, **extra: object) -> None:
    event_record(
        contract, kind=EventKind.ADJUSTMENT, effective_on=date(2026, 3, 1), extra={"of_seq": 1, **extra},
        idempotency_key=f"{contract.number}:edit", actor="a",
    )  # fmt: skip


def test_an_edited_pause_equals_the_pause_that_was_meant(house: House) -> None:
    unpaused = said(house.second_loan, ON)
    pause(house.loan, "2026-03-20", "p")
    short = said(house.loan, ON)
    edit(house.loan, until="2026-05-10")
    meant = loan("T-8", house.borrower, house.branch)
    pause(meant, "2026-05-10", "p")
    assert said(house.loan, ON) == said(meant, ON)
    assert said(meant, ON)["penalty_minor"] < short["penalty_minor"] < unpaused["penalty_minor"]
    assert house.loan.events.count() == 2, "one event for the edit"


def test_what_an_edit_of_a_pause_may_say(house: House) -> None:
    pause(house.loan, "2026-03-20", "p")
    for extra in ({}, {"until": "2026-02-01"}):
        with pytest.raises(Refused):
            edit(house.loan, **extra)
    assert house.loan.events.count() == 1
