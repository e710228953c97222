"""Nobody is called, charged or reported for money already taken: every way that money can be here, against every reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.contact.worlds import day_at
from tests.factories import House, party
from tests.lending.debits.worlds import TODAY, clock, due_today, in_flight, result
from tideover.contact.gate import verdict_ask
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.approvals import approval_decide
from tideover.core.models import Approval
from tideover.core.problems import Refused
from tideover.daily.close import close_day, read_tape
from tideover.daily.models import CloseRun
from tideover.engine.events import EventKind
from tideover.lending.debits.answers import result_take
from tideover.lending.documents.account import balance_data
from tideover.lending.documents.common import loan_on
from tideover.lending.models import Contract, LoanParty, Party, Receipt
from tideover.lending.panels_mine import my_loans
from tideover.lending.receipts.correct import receipt_move
from tideover.lending.receipts.payer import watch_list_load
from tideover.lending.receipts.screening import release_ask
from tideover.lending.receipts.services import Payer, Source, held_apply, receipt_record
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record
from tideover.sources.services import consent_give

DUE = TODAY - timedelta(days=5)


@dataclass(slots=True)
class Way:
    """Money that is here for a loan that would be late without it. settle: what ends it; state: what the card says."""

    loan: Contract
    settle: Callable[[], object] = lambda: None
    state: str = "soon"


def take(loan: Contract, amount: int, on: date, key: str, name: str = "李明", **more: object) -> Receipt:
    return receipt_record(
        party=loan.borrower, entity_id=loan.entity_id, amount_minor=amount, received_on=on, payer=Payer(name),
        source=Source("bank"), idempotency_key=key, actor="payments", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def due_of(loan: Contract, on: date = DUE) -> int:
    return sum(r.outstanding_minor for r in loan_standing(loan, on).rows if r.due_on == loan_standing(loan, on).as_of)


def granted(house: House, kind: str, by: str) -> None:
    approval_decide(Approval.objects.get(kind=kind, state="open"), grant=True, reason="seen", actor=house.staff[by])


def stopped(house: House) -> Way:
    """A watch list stops it."""
    loan = due_today(house, due_on=DUE)
    watch_list_load("un", "name\n赵恶\n".encode(), actor="compliance")
    receipt = take(loan, due_of(loan), DUE, "hit", "赵恶")
    assert receipt.party is None

    def release() -> None:
        release_ask(receipt, what="release", reason="namesake", actor=house.staff["payments"])
        granted(house, "receipt.release", "compliance")

    return Way(loan, release, "money_here")


def waiting(house: House) -> Way:
    """It came in late: by right it pays the other loan, whose money would then be this one's. Two people decide."""
    loan, other = due_today(house, due_on=DUE), due_today(house, "D-2", due_on=DUE)
    Contract.objects.filter(pk=other.pk).update(annual_rate_ppm=90_000)
    other.refresh_from_db()
    take(loan, due_of(other) + 1000, TODAY - timedelta(days=2), "first")
    take(loan, due_of(other), DUE, "late", designation=[{"debt": "D-2"}])
    assert Receipt.objects.get(idempotency_key="late").waiting
    return Way(loan, lambda: granted(house, "receipt.redivide", "finance"), "money_here")


def left_by_hand(house: House) -> Way:
    """People moved it to the other loan and left some over, which is this one's: nothing places it by itself."""
    loan, other = due_today(house, due_on=DUE), due_today(house, "D-2", due_on=DUE)
    due, of_other = due_of(loan), due_of(other)
    receipt = take(loan, due + of_other, DUE, "r")
    receipt_move(receipt, parts=[("D-2", of_other)], reason="asked", actor="payments")
    parts = [("D-1", due), ("D-2", of_other)]
    return Way(loan, lambda: receipt_move(receipt, parts=parts, reason="asked again", actor="payments"), "money_here")


def debit(code: str) -> Callable[[House], Way]:
    def way(house: House) -> Way:
        """A debit left this morning; of `code` the bank says that it does not know."""
        loan = due_today(house, due_on=DUE)
        sent = in_flight(house, loan, clock(10))

        def say(what: str, amount: int) -> None:
            at = clock(10, 0, 5) if amount else None
            result_take(result((sent.reference, what, amount, at)), source="file", at=clock(11), actor="bank")

        if code:
            say(code, 0)
        return Way(loan, lambda: say("0000", sent.amount_minor), "on_its_way")

    return way


def entered_late(house: House) -> Way:
    """Entered today, here since before the due day."""
    loan = due_today(house, due_on=DUE)
    take(loan, due_of(loan), DUE - timedelta(days=1), "r")
    return Way(loan)


def held(house: House) -> Way:
    """More than the first instalment, before the first due day: the rest waited, and nothing ran on the second due day."""
    first = DUE - timedelta(days=31)
    loan = due_today(house, due_on=first)
    second = loan_standing(loan, first).rows[1]
    came = first - timedelta(days=3)
    take(loan, loan_standing(loan, first).rows[0].total_minor + second.total_minor, came, "r", as_of=came)
    assert Receipt.objects.get().unapplied_minor
    assert loan_standing(loan, TODAY).days_past_due
    held_apply(TODAY, actor="worker")
    return Way(loan)


WAYS = {
    "stopped": stopped, "waiting": waiting, "left by hand": left_by_hand,
    "debit in flight": debit(""), "debit at work": debit("9001"),
    "debit unknown": debit("9999"), "entered late": entered_late, "held": held,
}  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, house: House, settings: object, tmp_path: Path) -> Way:
    settings.DEBIT_FOLDER, settings.TAPE_DIR = tmp_path / "debits", tmp_path / "tape"  # type: ignore[attr-defined]
    return WAYS[request.param](house)


def called(loan: Contract, who: Party) -> bool:
    """Whether somebody who agreed to calls may be called about a loan that is late."""
    consent_give(
        who, None, purpose="contact", given_how="contract_clause", evidence="12", given_at=clock(0, -30), actor="branch_head"
    )  # fmt: skip
    said = verdict_ask(
        party=who, contracts=[loan], channel=Channel.CALL, purpose=Purpose.COLLECTION, at=day_at(10), actor="c"
    )  # fmt: skip
    return said.allowed and loan_standing(loan, TODAY).days_past_due > 0


def surety(house: House, loan: Contract) -> Party:
    found = party("P-0077", "赵强", house.branch, "19900000077")
    LoanParty.objects.create(contract=loan, party=found, role="guarantor_joint", valid_from=loan.disbursed_on)
    return found


def test_without_money_every_reader_would(house: House, settings: object, tmp_path: Path) -> None:
    """The readers of this file can fail."""
    settings.TAPE_DIR = tmp_path / "tape"  # type: ignore[attr-defined]
    loan = due_today(house, due_on=DUE)
    assert called(loan, loan.borrower) and called(loan, surety(house, loan))
    assert charged(loan) and shown(loan)[0] == "late" and letter(loan) == 5 and tape(loan) == 5


def charged(loan: Contract) -> bool:
    """Whether a late fee can be charged."""
    try:
        event_record(
            loan, kind=EventKind.CHARGE, effective_on=TODAY, amount_minor=100, extra={"component": "penalty"},
            idempotency_key="late-fee", actor="t",
        )  # fmt: skip
    except Refused:
        return False
    return loan_standing(loan, TODAY).days_past_due > 0


def shown(loan: Contract) -> tuple[str, str]:
    """The state on the borrower's card, and the pages of home and plan."""
    user = loan.borrower.user
    assert user is not None
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    [state] = [m.state for m in my_loans(user) if m.contract == loan]
    return state, client.get("/").content.decode() + client.get(f"/my/schedule/{loan.number}").content.decode()


def letter(loan: Contract) -> object:
    """The days late in a balance statement of today."""
    return balance_data(loan_on(loan, TODAY, "en"))["days_past_due"]


def tape(loan: Contract) -> int:
    """The late status of the day's tape, from which customers and bureaus are told."""
    close_day(TODAY, today=TODAY)
    rows = read_tape(CloseRun.objects.get(as_of=TODAY), "loans").to_pylist()
    return int({r["loan_id"]: r for r in rows}[loan.number]["shown_days_past_due"])


def test_nobody_is_called(house: House, way: Way) -> None:
    assert not called(way.loan, way.loan.borrower)
    assert not called(way.loan, surety(house, way.loan))


def test_nothing_is_charged_and_nothing_late_is_left_when_it_is_over(way: Way) -> None:
    on_the_day = loan_standing(way.loan, TODAY).days_past_due
    if on_the_day:
        assert not charged(way.loan)
    way.settle()
    after = loan_standing(way.loan, TODAY)
    assert (after.days_past_due, after.shown_days_past_due, after.penalty_minor) == (0, 0, 0)


def test_nothing_late_is_told(way: Way) -> None:
    state, page = shown(way.loan)
    assert state in (way.state, "fine"), state
    assert "tag--over" not in page and "days late" not in page
    assert 'href="#pay"' not in page
    assert letter(way.loan) == 0
    assert tape(way.loan) == 0


def test_interest_of_the_days_under_way_is_not_asked_for(house: House, settings: object, tmp_path: Path) -> None:
    """What left the bank's customer two days ago covers what was due then; interest has been worked out for two days since."""
    settings.DEBIT_FOLDER = tmp_path / "debits"  # type: ignore[attr-defined]
    loan = due_today(house, due_on=TODAY - timedelta(days=7))
    sent = in_flight(house, loan, clock(10, -2))
    [mine] = my_loans(loan.borrower.user)
    assert sent.debit_on == TODAY - timedelta(days=2) and 0 < mine.in_flight_minor < mine.due_minor
    assert shown(loan)[0] == "on_its_way"
