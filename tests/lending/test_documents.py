"""The four documents of a loan: their text says what replay says, to the cent, in both languages, however long they are."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from pypdf import PdfReader

from tests.factories import House
from tideover.core.business_time import business_date
from tideover.core.documents import document_bytes
from tideover.core.documents.render import render
from tideover.core.documents.values import Amount, plain
from tideover.core.models import Document
from tideover.core.problems import Refused
from tideover.core.written import money_text, rmb_capital
from tideover.engine.events import EventKind
from tideover.engine.replay import schedule
from tideover.engine.terms import DayCount, Method, PrepaymentInterest, Unit
from tideover.lending.contract_terms import terms_for
from tideover.lending.documents import CODES, KINDS, TEMPLATES, loan_document_issue
from tideover.lending.models import Contract
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record

LANGUAGES = ("zh-hans", "en")


def text_of(content: bytes) -> str:
    """What the pages say, without the white space that breaking lines adds."""
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
    return re.sub(r"\s+", "", "".join(pages))


def pay(contract: Contract, on: date, minor: int, key: str, kind: EventKind = EventKind.PAYMENT, **more: Any) -> None:
    event_record(contract, kind=kind, effective_on=on, amount_minor=minor, idempotency_key=key, actor="payments", **more)


def fresh(contract: Contract) -> Contract:
    return Contract.objects.select_related("product", "entity", "branch", "borrower").get(pk=contract.pk)


@pytest.fixture
def lived(house: House) -> Contract:
    """A loan with a payment in time, one late, one taken back; the last instalment is open."""
    pay(house.loan, date(2026, 2, 20), 406_000, "a")
    pay(house.loan, date(2026, 4, 2), 100_000, "b")
    pay(house.loan, date(2026, 4, 3), 5_000, "c")
    pay(house.loan, date(2026, 4, 4), 0, "d", EventKind.REVERSAL, extra={"of_seq": 3})
    return fresh(house.loan)


@pytest.mark.parametrize("language", LANGUAGES)
def test_balance_statement_is_the_standing(lived: Contract, language: str) -> None:
    day = date(2026, 5, 6)
    said = text_of(document_bytes(loan_document_issue(lived, "balance_statement", language=language, as_of=day, actor="t")))
    s = loan_standing(lived, day)
    assert s.penalty_minor and s.overdue_principal_minor
    for minor in (s.payoff_minor, s.total_overdue_minor):
        assert money_text(minor) in said
    for minor in (s.principal_minor, s.interest_minor, s.penalty_minor, s.compound_minor):
        assert money_text(minor, "") in said
    assert f"人民币{rmb_capital(s.payoff_minor)}" in said
    assert (f"晚了{s.days_past_due}天" if language == "zh-hans" else f"{s.days_past_due}dayslate") in said
    assert "李明" in said and lived.borrower.id_number not in said and lived.borrower.masked_id_number in said
    assert ("2026年5月6日" if language == "zh-hans" else "6May2026") in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_repayment_record_has_every_payment_with_its_parts(lived: Contract, language: str) -> None:
    day = date(2026, 5, 6)
    document = loan_document_issue(lived, "repayment_record", language=language, as_of=day, actor="t")
    said = text_of(document_bytes(document))
    trace = {t.seq: t for t in loan_standing(lived, day).trace}
    assert set(trace) == {1, 2}
    for line in trace.values():
        parts = line.amounts_minor
        row = [sum(parts) + line.held_minor, parts[0], parts[1], parts[2] + parts[3]]
        cells = "".join(money_text(m, "") for m in row)
        assert f"T-1-{line.seq}{cells}" in said
    total = sum(sum(t.amounts_minor) + t.held_minor for t in trace.values())
    assert total == 506_000 and f"人民币{rmb_capital(total)}" in said
    assert "2026-04-03T-1-32026-04-0450.00" in said, "what was taken back stands below"
    early = loan_document_issue(lived, "repayment_record", language=language, as_of=date(2026, 2, 1), actor="t")
    nothing = "截至当日没有还款到账" if language == "zh-hans" else "Nopaymenthadarrived"
    assert nothing in text_of(document_bytes(early))


@pytest.mark.parametrize("language", LANGUAGES)
def test_payoff_letter_only_for_a_loan_that_is_paid_off(house: House, language: str) -> None:
    loan = fresh(house.second_loan)
    with pytest.raises(Refused) as error:
        loan_document_issue(loan, "payoff_letter", language=language, actor="t")
    assert error.value.problems[0].code == "not_paid_off" and "¥" in error.value.problems[0].message
    pay(loan, date(2026, 3, 2), 0, "o", EventKind.PAYOFF)
    first = loan_document_issue(loan, "payoff_letter", language=language, actor="t")
    later = loan_document_issue(loan, "payoff_letter", language=language, as_of=business_date(), actor="t")
    assert first.pk == later.pk and first.as_of == date(2026, 3, 2)
    said = text_of(document_bytes(first))
    paid = sum(sum(t.amounts_minor) for t in loan_standing(loan, business_date()).trace)
    assert money_text(paid) in said and f"人民币{rmb_capital(paid)}" in said and loan.borrower.id_number in said
    with pytest.raises(Refused):
        loan_document_issue(loan, "payoff_letter", language=language, as_of=date(2026, 3, 1), actor="t")


@pytest.mark.parametrize("language", LANGUAGES)
def test_contract_has_its_schedule_cost_and_late_rate(house: House, language: str) -> None:
    loan = fresh(house.loan)
    said = text_of(document_bytes(loan_document_issue(loan, "contract", language=language, actor="t")))
    rows = schedule(terms_for(loan))
    for r in rows:
        assert "".join(money_text(m, "") for m in (r.principal_minor, r.interest_minor, r.total_minor, r.balance_minor)) in said
    total = sum(r.total_minor for r in rows)
    assert money_text(total, "") in said and f"人民币{rmb_capital(loan.principal_minor)}" in said
    assert ("年化6%" if language == "zh-hans" else "6%ayear") in said
    assert (
        "逾期利率年化9%（合同利率的150%）" if language == "zh-hans" else "penaltyinterestof9%ayear(150%ofthecontractrate)"
    ) in said
    assert "22:00" in said and "8:00" in said


def test_days_ahead_and_before_payout_are_refused(house: House) -> None:
    loan = fresh(house.loan)
    for day, code in ((business_date() + timedelta(days=1), "day_ahead"), (date(2026, 1, 19), "before_payout")):
        with pytest.raises(Refused) as error:
            loan_document_issue(loan, "balance_statement", language="en", as_of=day, actor="t")
        assert error.value.problems[0].code == code
    with pytest.raises(Refused) as error:
        loan_document_issue(loan, "poem", language="en", actor="t")
    assert error.value.problems[0].code == "unknown_kind"


def test_a_backdated_payment_supersedes_the_statement_of_that_day(lived: Contract) -> None:
    day = date(2026, 5, 6)
    first = loan_document_issue(lived, "balance_statement", language="en", as_of=day, actor="t")
    pay(lived, date(2026, 5, 1), 10_000, "late news")
    second = loan_document_issue(fresh(lived), "balance_statement", language="en", as_of=day, actor="t")
    first.refresh_from_db()
    assert first.superseded_by == second and second.sequence == first.sequence + 1


def test_every_term_has_its_words_in_both_contracts() -> None:
    for language in LANGUAGES:
        text = (TEMPLATES / f"contract.{language}.typ").read_text(encoding="utf-8")
        for member in (*Method, *Unit, *PrepaymentInterest):
            assert re.search(rf"[ (]{member.name.lower()}:", text), (language, member.name)
        for count in (DayCount.PERIODS, DayCount.ACT_360, DayCount.ACT_365F, DayCount.THIRTY_360):
            assert f"{count.name.lower()}:" in text
    assert all((TEMPLATES / f"{k.code}.{language}.typ").exists() for k in KINDS for language in LANGUAGES)


@pytest.mark.parametrize("count", [60, 400])
@pytest.mark.parametrize("language", LANGUAGES)
def test_long_tables_repeat_their_head_on_every_page(house: House, language: str, count: int) -> None:
    document = loan_document_issue(fresh(house.loan), "contract", language=language, actor="t")
    whole = json.loads(document.data)
    due = date(2026, 1, 20)
    amounts = ("principal", "interest", "total", "balance")
    rows = [
        {"nr": n, "due_on": (due + timedelta(days=n)).isoformat(), **{k: Amount(n * 100 + 7) for k in amounts}}
        for n in range(1, count + 1)
    ]
    whole["data"]["rows"] = plain(rows, language)
    template = (TEMPLATES / f"contract.{language}.typ").read_bytes()
    pages = [p.extract_text() for p in PdfReader(io.BytesIO(render(template, whole, document.issued_at)[0])).pages]
    tables = [p for p in pages if re.search(r"20\d\d-\d\d-\d\d", p)]
    head = "还款后本金余额" if language == "zh-hans" else "Principal left"
    assert len(tables) >= (2 if count == 60 else 8) and all(head in p for p in tables)
    seen = [n for p in tables for n in re.findall(r"20\d\d-\d\d-\d\d", p)]
    assert seen == [(due + timedelta(days=n)).isoformat() for n in range(1, count + 1)]
    last = f"第{len(pages)}页，共{len(pages)}页" if language == "zh-hans" else f"Page{len(pages)}of{len(pages)}"
    assert last in re.sub(r"\s+", "", pages[-1])


AGAIN = """
import hashlib, json, sys
from datetime import datetime
import django
django.setup()
from tideover.core.documents.kinds import kind_of, template_of
from tideover.core.documents.render import render
for line in sys.stdin:
    kind, language, at, whole = json.loads(line)
    print(hashlib.sha256(render(template_of(kind_of(kind), language), whole, datetime.fromisoformat(at))[0]).hexdigest())
"""


def test_made_again_in_another_process_each_is_the_same_to_the_bit(lived: Contract) -> None:
    for kind in CODES[1:]:
        for language in LANGUAGES:
            loan_document_issue(lived, kind, language=language, actor="t")
    made = list(Document.objects.order_by("pk"))
    lines = [json.dumps([d.kind, d.language, d.issued_at.isoformat(), json.loads(d.data)]) for d in made]
    done = subprocess.run([sys.executable, "-c", AGAIN], input="\n".join(lines), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [bytes(d.sha256).hex() for d in made] and len(made) == 6
