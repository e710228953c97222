"""Packs at work: what a contract may not be, a calendar that stays, a rate that follows the LPR."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House
from tideover.core.problems import Refused
from tideover.daily.close import close_day, tapes
from tideover.engine.events import EventKind
from tideover.lending import doctor, selectors
from tideover.lending.contract_terms import terms_for
from tideover.lending.models import Contract, LoanEvent, StandingRow
from tideover.lending.products import CATALOGUE, product_check, product_load
from tideover.lending.resets import missing_fixings, resets_record
from tideover.lending.selectors import five_category, loan_standing, standing_fields
from tideover.lending.services import contract_open, standing_refresh


def opened(house: House, **more: Any) -> Contract:
    given = {
        "number": "T-9", "product": house.loan.product, "borrower": house.borrower,
        "branch": house.branch, "principal_minor": 1_200_000,
        "annual_rate_ppm": 60_000, "signed_on": date(2024, 1, 22), "disbursed_on": date(2024, 1, 22), "instalments": 36,
        "first_due_on": date(2024, 2, 22), "due_day": 22, "actor": "test",
    }  # fmt: skip
    return contract_open(**{**given, **more})  # type: ignore[arg-type]


def refused(house: House, **more: Any) -> str:
    with pytest.raises(Refused) as error:
        opened(house, **more)
    return str(error.value)


def test_price_and_penalty_are_refused_with_their_article(house: House) -> None:
    assert "法发〔2017〕22号 §2(2)" in refused(house, annual_rate_ppm=250_000)
    assert "银发〔2003〕251号 art. 3" in refused(house, overrides={"penalty": {"ratio_num": 2, "ratio_den": 1}})


def test_a_product_with_a_penalty_outside_the_band_is_refused() -> None:
    text = (CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8")
    product_check(text)
    with pytest.raises(Refused, match=r"conventions\.penalty.*251号 art. 3"):
        product_check(text.replace("  surplus: hold", "  surplus: hold\n  penalty: {ratio_num: 9, ratio_den: 5}"))
    with pytest.raises(Refused, match="22号"):
        product_check(text.replace("annual_rate_ppm: 120000", "annual_rate_ppm: 300000"))


def test_a_contract_keeps_the_version_of_its_calendar(house: House) -> None:
    contract = opened(house, overrides={"calendar": "cn"})
    assert contract.overrides["calendar"] == "cn@2026"
    assert terms_for(contract).calendar.name == "cn@2026"
    assert "no calendar moon" in refused(house, number="T-8", overrides={"calendar": "moon"})


def test_a_rate_that_follows_the_lpr(house: House) -> None:
    follows = {"reference": {"index": "lpr_1y", "spread_ppm": 25_500}}
    assert "lpr_1y plus spread is 60000 on 2024-01-22, not 61000" in refused(house, overrides=follows, annual_rate_ppm=61_000)
    contract = opened(house, overrides=follows)
    added = resets_record(contract, until=date(2026, 5, 1), actor="test")
    assert [(e.effective_on, e.extra["rate_ppm"]) for e in added] == [(date(2025, 1, 22), 56_500), (date(2026, 1, 22), 55_500)]
    assert resets_record(contract, until=date(2026, 5, 1), actor="test") == []
    assert LoanEvent.objects.filter(contract=contract, kind=EventKind.RATE_CHANGE).count() == 2


def test_a_missing_fixing_is_an_alarm(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    start = {"signed_on": date(2025, 6, 23), "disbursed_on": date(2025, 6, 23), "first_due_on": date(2025, 7, 23), "due_day": 23}
    contract = opened(house, overrides={"reference": {"index": "lpr_1y", "spread_ppm": 30_000}}, **start)
    assert missing_fixings(date(2026, 6, 22)) == []
    assert missing_fixings(date(2026, 6, 23))[0].startswith("T-9: the fixing of lpr_1y of 2026-06-22 is missing")
    with pytest.raises(LookupError):
        resets_record(contract, until=date(2026, 6, 23), actor="test")
    monkeypatch.setattr(doctor, "business_date", lambda: date(2026, 6, 21))
    assert all(c.ok for c in doctor.checks())
    monkeypatch.setattr(doctor, "business_date", lambda: date(2026, 7, 20))
    [failed] = [c for c in doctor.checks() if not c.ok]
    assert failed.name == "reference rates"
    assert "lpr_1y lacks 2026-06, 2026-07" in failed.detail and "T-9: the fixing of lpr_1y of 2026-06-22" in failed.detail


def test_a_missing_fixing_that_no_loan_follows_is_said_and_no_fault(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "business_date", lambda: date(2026, 7, 20))
    [said] = [c for c in doctor.checks() if c.name == "reference rates"]
    assert said.ok and "lpr_5y lacks 2026-06, 2026-07; no loan follows them" in said.detail


LATE = date(2026, 7, 1)
"""The factory's loans of 20 January 2026, nothing paid: 131 days past due."""


@pytest.mark.parametrize("lender", ["bank", "micro_lender", "consumer_finance"])
def test_each_kind_of_lender_has_its_own_ladder(house: House, lender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house.loan.entity.lender_type = lender
    standing = loan_standing(house.loan, LATE)
    assert standing.days_past_due == 131
    assert standing_fields(standing, house.loan)["five_category"] == "substandard"
    ladders = {"bank": ((0, "special_mention"),), "micro_lender": ((10, "doubtful"),), "consumer_finance": ((130, "loss"),)}
    monkeypatch.setattr(selectors, "ladder", lambda pack, kind, on, product: ladders[kind])
    assert five_category(standing, house.loan) == ladders[lender][0][1]


def test_a_card_is_classed_on_the_cards_ladder_in_the_cache_and_on_the_tape(house: House, settings: Any, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path
    text = (CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8").replace("consumer-annuity", "card-instalments")
    with pytest.raises(Refused, match=r"conventions\.ladder: pack cn has no ladder moon"):
        product_check(text.replace("  surplus: hold", "  surplus: hold\n  ladder: moon"))
    card = product_load(text.replace("  surplus: hold", "  surplus: hold\n  ladder: card"))
    start = {"signed_on": date(2026, 1, 20), "disbursed_on": date(2026, 1, 20), "first_due_on": date(2026, 2, 20), "due_day": 20}
    contract = opened(house, product=card, **start)
    standing_refresh(contract, as_of=LATE)
    assert StandingRow.objects.get(contract=contract).five_category == "doubtful"
    close_day(LATE, today=LATE)
    table = tapes()["loans"].to_table()
    classes = dict(zip(table["loan_id"].to_pylist(), table["five_category"].to_pylist(), strict=True))
    assert (classes["T-1"], classes["T-9"]) == ("substandard", "doubtful")


def test_a_lender_of_a_jurisdiction_without_a_ladder_for_it_cannot_lend(house: House) -> None:
    house.entity.jurisdiction = "us"
    house.branch.entity.jurisdiction = "us"
    assert "pack us has no ladder bank" in refused(house)
    opened(house, overrides={"ladder": "closed_end"})
