"""Pay-offs beside the rest of the house: a line of the bank, the payoff letter, the counter's number, two presses at once."""

from __future__ import annotations

from datetime import date

import pytest

from tests.factories import House
from tests.lending.payoff.conftest import TODAY, UNTIL, asked, pay, quote
from tests.lending.statements.samples import Paid, camt
from tests.lending.test_documents import LANGUAGES, fresh, text_of
from tideover.core.documents import document_bytes
from tideover.engine.events import EventKind
from tideover.lending.documents import loan_document_issue
from tideover.lending.models import BankAccount, PayoffUse
from tideover.lending.receipts.panels import parts_shown
from tideover.lending.selectors import loan_standing, loan_status
from tideover.lending.statements.services import statement_import


@pytest.mark.parametrize(("off", "kind"), [(0, "receipt"), (-1, "receipt"), (-2, "suspense")])
def test_a_bank_line_that_names_a_quote(house: House, account: BankAccount, off: int, kind: str) -> None:
    q = quote(house.loan)
    amount = f"{(asked(q, TODAY) + off) / 100:.2f}"
    line = Paid(amount, f"提前结清{q.number}", "李明", id="S1")
    file = statement_import(camt(line, account=account.number, day=TODAY), "a.xml", actor="t")
    assert file.lines.get().matches.get().kind == kind
    assert PayoffUse.objects.count() == (kind == "receipt")
    assert (loan_status(loan_standing(house.loan, date(2026, 5, 1))) == "paid_off") == (kind == "receipt")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_letter_names_the_quote(house: House, language: str) -> None:
    q = quote(house.loan)
    pay(house, asked(q, TODAY), names=q.number)
    said = text_of(document_bytes(loan_document_issue(fresh(house.loan), "payoff_letter", language=language, actor="t")))
    assert q.number in said and (str(UNTIL.day) in said)


def test_the_receipt_shows_the_pay_off_as_such(house: House) -> None:
    q = quote(house.loan)
    receipt = pay(house, asked(q, TODAY), names=q.number)
    [part] = parts_shown(house.staff["payments"], receipt)
    assert part.steps[0][0] in ("It pays this loan off, as quoted.", "按报价结清这笔贷款。")
    assert part.trail is not None and sum(a for _n, a in part.trail.parts) == receipt.amount_minor
    assert house.loan.events.get().kind == EventKind.PAYOFF
