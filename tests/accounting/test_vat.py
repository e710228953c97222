"""Tax in the books: what a write-off leaves, what waits until it is received, and a lender's own lines of its chart."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.accounting.books import happen, ledger, post, sub_ledger
from tests.accounting.test_posting import old_loan, sound
from tests.factories import House
from tideover.accounting.charts import FOLDER, chart_load
from tideover.accounting.law import vat_spans
from tideover.accounting.rules.chart import ChartError, chart_read
from tideover.accounting.rules.tax import Relief, Taxed, tax_in
from tideover.accounting.selectors import trial_balance
from tideover.engine.events import EventKind as K
from tideover.engine.terms import day
from tideover.lending.models import Party

TEXT = (FOLDER / "cn.yaml").read_text(encoding="utf-8")
EXEMPT = (
    '\nvat:\n  - {why: "财税〔2017〕48号", product: [consumer-equal-principal], borrower: person, valid_from: %s, rate_ppm: 0}\n'
)


def tax_of(gross: int, ppm: int = 60_000) -> int:
    return int(tax_in(np.array([gross]), ppm)[0])


@pytest.mark.django_db
def test_a_write_off_takes_no_tax_on_a_fee_back(house: House) -> None:
    c = old_loan(house)
    happen(c, 1, K.CHARGE, date(2026, 2, 10), 5_300, component="fee")
    happen(c, 2, K.WRITE_OFF, date(2026, 3, 5))
    post(date(2026, 3, 4), first=date(2026, 1, 20))
    before = sub_ledger()["T-1"]
    assert before["vat.fee"] == 300
    post(date(2026, 3, 6))
    after = sub_ledger()["T-1"]
    assert (after["vat.fee"], after["off.fee"]) == (300, 5_300) and "fee.recognised" not in after
    assert ledger()[house.entity.pk, "602101"] == 300, "bad debt is no red-letter invoice"
    happen(c, 3, K.CHARGE_WAIVER, date(2026, 3, 8), 5_300, of_seq=1)
    post(date(2026, 3, 8))
    assert "vat.fee" not in sub_ledger()["T-1"], "a waiver is one"
    sound()


@pytest.mark.django_db
def test_penalty_that_arises_after_the_ninetieth_day_waits_although_the_interest_of_its_row_is_paid(house: House) -> None:
    c = old_loan(house)
    happen(c, 1, K.PAYMENT, date(2026, 4, 21), 35_000)  # pays the first row's interest of every kind; its principal stays late
    post(date(2026, 5, 21), first=date(2026, 1, 20))
    tax = sub_ledger()["T-1"]["vat.output"]  # 20 February + 90 days
    post(date(2026, 8, 1))
    found = sub_ledger()["T-1"]
    assert found["off.penalty"] > 0 and found["vat.output"] == tax
    happen(c, 2, K.PAYMENT, date(2026, 8, 2), 1_300_000)
    post(date(2026, 8, 2))
    row = sub_ledger()["T-1"]
    assert row["vat.output"] == tax_of(sum(row.get(f"{n}.paid", 0) for n in ("interest", "penalty", "compound"))) > tax
    sound()


@pytest.mark.django_db
def test_a_lender_says_in_its_chart_which_loans_are_taxed_otherwise(house: House) -> None:
    old_loan(house)
    text = TEXT.replace("1970-01-01", "2026-02-01", 1) + EXEMPT % "2026-03-01"
    chart_load(house.entity, text, "mine.yaml", actor="test")
    post(date(2026, 2, 28), first=date(2026, 1, 20))
    before = sub_ledger()["T-1"]
    assert before["vat.output"] == tax_of(before["interest.due"] + before["penalty.recognised"] + before["compound.recognised"])
    post(date(2026, 3, 31))
    row = sub_ledger()["T-1"]
    assert row["vat.output"] == before["vat.output"] and "vat.pending" not in row and row["interest.due"] > 6_000
    assert trial_balance(house.entity, date(2026, 3, 31)).is_zero
    sound()


@pytest.mark.django_db
def test_another_kind_of_borrower_stays_under_the_pack(house: House) -> None:
    old_loan(house)
    Party.objects.update(kind="enterprise")
    text = TEXT.replace("1970-01-01", "2026-01-01", 1) + EXEMPT % "2026-01-01"
    chart_load(house.entity, text, "mine.yaml", actor="test")
    post(date(2026, 2, 25), first=date(2026, 1, 20))
    assert sub_ledger()["T-1"]["vat.output"] > 0
    Party.objects.update(kind="person")
    post(date(2026, 2, 26))
    assert "vat.output" not in sub_ledger()["T-1"]
    sound()


def test_a_line_fits_by_product_borrower_industry_purpose_and_size() -> None:
    line = Relief(
        "x", date(2026, 1, 1), date(2027, 1, 1), 0, products=frozenset({"FARM"}), borrower="person",
        industries=frozenset({"farming"}), principal_max_minor=10_000,
    )  # fmt: skip
    farm = Taxed("FARM", "person", "farming", "seed", 10_000)
    assert line.fits(farm) and line.in_force(date(2026, 12, 31)) and not line.in_force(date(2027, 1, 1))
    for other in (
        farm._replace(product="CAR"), farm._replace(borrower="enterprise"), farm._replace(industry="retail"),
        farm._replace(principal_minor=10_001),
    ):  # fmt: skip
        assert not line.fits(other)
    assert line.fits(farm._replace(purpose="tractor"))


def test_the_first_line_in_force_says_the_rates_and_the_pack_the_rest() -> None:
    lines = (Relief("a", date(2026, 3, 1), date(2026, 6, 1), 0), Relief("b", date(2026, 1, 1), None, 10_000, 20_000))
    spans = [(s.from_day, s.vat.rate_ppm, s.vat.fee_rate_ppm) for s in vat_spans("cn", "bank", lines)][-3:]
    assert spans == [
        (day("2026-01-01"), 10_000, 20_000), (day("2026-03-01"), 0, 60_000), (day("2026-06-01"), 10_000, 20_000),
    ]  # fmt: skip
    early = vat_spans("cn", "bank", (Relief("c", date(1900, 1, 1), None, 0),))
    assert all(s.vat.rate_ppm == 0 for s in early)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{valid_from: 2026-01-01, rate_ppm: 0}", "lacks why"),
        ("{why: x, valid_from: 2026-01-01}", "says rate_ppm or fee_rate_ppm"),
        ("{why: x, valid_from: soon, rate_ppm: 0}", "valid_from must be a date"),
        ("{why: x, valid_from: 2026-01-01, valid_to: 2025-01-01, rate_ppm: 0}", "after valid_from"),
        ("{why: x, valid_from: 2026-01-01, rate_ppm: 6%}", "whole number of 0 to"),
        ("{why: x, valid_from: 2026-01-01, rate_ppm: 0, borrower: farmer}", "one of person, enterprise"),
        ("{why: x, valid_from: 2026-01-01, rate_ppm: 0, segment: farmer}", "unknown key segment"),
        ("{why: x, valid_from: 2026-01-01, rate_ppm: 0, product: []}", None),
        ("{why: x, valid_from: 2026-01-01, rate_ppm: 0, principal_max: 1e6}", "an amount in quotes"),
    ],
)
def test_what_is_wrong_in_a_line_is_said(line: str, says: str | None) -> None:
    if says is None:
        assert chart_read(f"{TEXT}\nvat:\n  - {line}\n").vat[0].products == frozenset()
        return
    with pytest.raises(ChartError) as error:
        chart_read(f"{TEXT}\nvat:\n  - {line}\n", "mine.yaml")
    assert any(says in p and (": C7: " in p or ": C1: " in p) for p in error.value.problems), error.value.problems
