"""Fees of a product: what they come to, what a file may say, what the contract shows, what the day charges."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.factories import House
from tests.lending.test_documents import fresh, text_of
from tideover.core.documents import document_bytes
from tideover.core.packs.rules.price import simple_cost_ppm
from tideover.core.problems import Refused
from tideover.core.written import money_text
from tideover.engine.events import EventKind
from tideover.engine.replay import schedule
from tideover.engine.terms import Component, DayCount, Method, Terms, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.documents import loan_document_issue
from tideover.lending.fees import fees_charge, fees_run
from tideover.lending.models import Contract, LoanEvent
from tideover.lending.products import CATALOGUE, product_check
from tideover.lending.rules.fees import fee_problems, fees_due, fees_read
from tideover.lending.selectors import loan_standing
from tideover.lending.services import event_record

GUARANTEE = {
    "code": "guarantee", "name_zh": "担保费", "name_en": "Guarantee fee", "when": "instalment", "yearly_ppm": 20_000,
    "payee_zh": "安信担保公司", "payee_en": "Anxin Guarantee",
}  # fmt: skip
OPENING = {"code": "opening", "name_zh": "手续费", "name_en": "Opening fee", "when": "payout", "share_ppm": 5_000}
EARLY = {"code": "early", "name_zh": "提前还款手续费", "name_en": "Early repayment fee", "when": "early", "share_ppm": 10_000}
TERMS = Terms(
    principal_minor=1_200_000, disbursed_on=day("2026-01-20"), method=Method.EQUAL_PRINCIPAL, annual_rate_ppm=60_000,
    instalments=3, first_due_on=day("2026-02-20"), due_day=20,
)  # fmt: skip


def test_amounts_by_hand() -> None:
    rows = schedule(TERMS)
    due = fees_due(fees_read([GUARANTEE, OPENING, EARLY]), TERMS, rows)
    assert [(d.fee.code, d.nr, d.amount_minor) for d in due] == [
        ("opening", 0, 6_000), ("guarantee", 1, 2_000), ("guarantee", 2, 1_333), ("guarantee", 3, 667),
    ]  # fmt: skip
    assert [d.due_on for d in due] == [TERMS.disbursed_on, *(r.due_on for r in rows)]
    # interest 60 + 40 + 20 and fees 60 + 20 + 13.33 + 6.67 over 12,000 + 8,000 + 4,000 for a month each: 11 %
    assert simple_cost_ppm(TERMS, rows) == 60_000
    assert simple_cost_ppm(TERMS, rows, sum(d.amount_minor for d in due)) == 110_000


def test_actual_days_and_flat_amounts() -> None:
    terms = replace(TERMS, day_count=DayCount.ACT_360)
    fees = fees_read([GUARANTEE, {**OPENING, "code": "card", "when": "instalment", "amount_minor": 150} | {"share_ppm": 0}])
    due = fees_due(fees, terms, schedule(terms))
    first = next(d for d in due if d.fee.code == "guarantee")
    assert first.amount_minor == (2 * 1_200_000 * 20_000 * 31 + 365_000_000) // (2 * 365_000_000)
    assert [d.amount_minor for d in due if d.fee.code == "card"] == [150] * 3
    assert {d.fee.component for d in due} == {Component.THIRD_PARTY_FEE, Component.FEE}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"when": "sometimes"}, "fees.0.when"),
        ({"amount_minor": 5}, "fees.0"),
        ({"yearly_ppm": -1}, "fees.0.yearly_ppm"),
        ({"yearly_ppm": 10_000_001}, "fees.0.yearly_ppm"),
        ({"yearly_ppm": True}, "fees.0.yearly_ppm"),
        ({"when": "payout"}, "fees.0.yearly_ppm"),
        ({"name_en": ""}, "fees.0.name_en"),
        ({"payee_en": ""}, "fees.0.payee_zh"),
        ({"colour": 1}, "fees.0"),
    ],
)
def test_what_a_file_may_not_say(change: dict[str, Any], field: str) -> None:
    assert [p.field for p in fee_problems([GUARANTEE | change])] == [field]
    assert fee_problems([GUARANTEE, OPENING, EARLY]) == []
    assert fee_problems([GUARANTEE, GUARANTEE])[0].code == "twice"


def test_a_product_whose_fees_break_the_cap_is_refused(db: None) -> None:
    text = (CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8")
    fee = "fees:\n  - {code: g, name_zh: 费, name_en: Fee, when: instalment, yearly_ppm: %d}\n"
    assert product_check(text + fee % 119_000)["fees"][0]["yearly_ppm"] == 119_000
    with pytest.raises(Refused) as error:
        product_check(text + fee % 125_000)
    assert [p.code for p in error.value.problems] == ["over_price_cap"] and "法发〔2017〕22号" in str(error.value)
    with pytest.raises(Refused) as error:
        product_check(text + "fees:\n  - {code: g}\n")
    assert {p.field for p in error.value.problems} >= {"fees.0.name_zh", "fees.0.when", "fees.0"}


@pytest.fixture
def costly(house: House) -> Contract:
    """The first loan, under a product with three fees."""
    product = house.loan.product
    product.fees = [GUARANTEE, OPENING, EARLY]
    product.save()
    return fresh(house.loan)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_contract_names_each_fee_with_its_payee_rule_and_sum(costly: Contract, language: str) -> None:
    said = text_of(document_bytes(loan_document_issue(costly, "contract", language=language, actor="t")))
    terms = terms_for(costly)
    rows = schedule(terms)
    due = fees_due(fees_read(costly.product.fees), terms, rows)
    for code in ("guarantee", "opening"):
        assert money_text(sum(d.amount_minor for d in due if d.fee.code == code), "") in said
    total = sum(r.total_minor for r in rows) + sum(d.amount_minor for d in due)
    assert money_text(total, "") in said
    words = {
        "zh-hans": ("担保费安信担保公司每期：按剩余本金的年费率2%计算", "手续费贷款人放款时：借款金额的0.5%", "提前归还本金的1%"),
        "en": ("GuaranteefeeAnxinGuarantee", "2%ayearoftheprincipaloutstanding", "1%oftheprincipalrepaidearly"),
    }[language]
    assert all(w in said for w in words), said
    assert "没有其他费用" not in said and "不收取违约金" not in said and "withoutafee" not in said
    assert ("综合融资成本年化" if language == "zh-hans" else "All-incost:") in said


def charges(contract: Contract) -> list[tuple[date, int]]:
    rows = LoanEvent.objects.filter(contract=contract, kind=EventKind.CHARGE).order_by("seq")
    return [(e.effective_on, e.amount_minor or 0) for e in rows]


def test_the_day_charges_each_fee_once_and_before_its_instalment(costly: Contract) -> None:
    terms = terms_for(costly)
    due = fees_due(fees_read(costly.product.fees), terms, schedule(terms))
    first = date_of(due[1].due_on)
    assert fees_run(costly.disbursed_on)[0] >= 1 and charges(costly) == [(costly.disbursed_on, due[0].amount_minor)]
    assert fees_run(costly.disbursed_on) == (0, []), "once"
    fees_charge(fresh(costly), until=first, actor="t")
    assert len(charges(costly)) == 2
    s = loan_standing(costly, first)
    assert (s.fee_minor, s.third_party_fee_minor) == (due[0].amount_minor, due[1].amount_minor)
    assert fees_charge(fresh(costly), until=first, actor="t") == []


def test_a_loan_that_is_paid_off_or_kept_elsewhere_is_not_charged(costly: Contract) -> None:
    event_record(
        costly, kind=EventKind.PAYOFF, effective_on=costly.disbursed_on, amount_minor=0, idempotency_key="o", actor="p",
        as_of=costly.disbursed_on,
    )  # fmt: skip
    assert fees_charge(fresh(costly), until=date(2026, 12, 1), actor="t") == []
    entity = costly.entity
    entity.book_mode = "overlay"
    entity.save()
    assert fees_run(date(2026, 12, 1)) == (0, [])
