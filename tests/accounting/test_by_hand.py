"""Twelve lives of loans, booked day by day, against what an auditor writes down by hand (`by_hand.py`), account by account."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from django.db.models import F

from tests.accounting.books import end_of, happen, ledger, post, sub_ledger
from tests.accounting.by_hand import balances
from tests.accounting.test_posting import period_close, sound
from tests.factories import House, loan
from tideover.accounting.charts import built_in
from tideover.accounting.models import Entry
from tideover.core.business_time import micros
from tideover.engine.events import EventKind as K
from tideover.engine.terms import day
from tideover.lending.columns import loans_read
from tideover.lending.models import Contract, LoanParty, Receipt

pytestmark = pytest.mark.django_db
PAID_OUT = date(2026, 1, 20)
SUBSIDY = {
    "points_ppm": 10_000, "max_share_num": 1, "max_share_den": 2, "cap_per_year_minor": 300_000, "from_day": "2026-01-01",
    "to_day": "2026-12-31", "eligible_principal_minor": 1_200_000,
}  # fmt: skip
ON = date.fromisoformat
CLOSED_THEN_PAID = ON("2026-03-25")
LIVES: dict[str, list[tuple[K, str, int, dict[str, Any]]]] = {
    "current": [(K.PAYMENT, "02-20", 406_000, {}), (K.PAYMENT, "03-20", 404_000, {}), (K.PAYMENT, "04-20", 402_000, {})],
    "late": [(K.PAYMENT, "02-20", 406_000, {}), (K.PAYMENT, "03-20", 404_000, {})],
    "nonaccrual, part paid, cured": [
        (K.PAYMENT, "06-25", 410_000, {}), (K.PAYMENT, "07-05", 900_000, {}),
    ],
    "fee": [(K.CHARGE, "02-10", 5_000, {"component": "fee"}), (K.PAYMENT, "02-20", 408_000, {})],
    "penalty": [(K.PAYMENT, "04-01", 820_000, {})],
    "subsidy": [(K.PAYMENT, "03-20", 405_000, {})],
    "partner": [(K.PAYMENT, "02-20", 406_000, {}), (K.PAYMENT, "07-02", 77_777, {})],
    "written off, recovered": [
        (K.CHARGE, "02-10", 5_300, {"component": "fee"}), (K.WRITE_OFF, "06-30", 0, {}), (K.PAYMENT, "07-03", 350_000, {}),
        (K.PAYMENT, "07-14", 500_000, {}),
    ],
    "paid before a closed month's end, told after": [(K.PAYMENT, "02-20", 406_000, {"known": CLOSED_THEN_PAID})],
    "payment taken back": [
        (K.PAYMENT, "02-20", 406_000, {}), (K.PAYMENT, "03-20", 404_000, {}), (K.REVERSAL, "03-22", 0, {"of_seq": 2}),
    ],
    "new plan": [
        (K.REAMORTISE, "05-10", 0, {"rows": 6, "from_day": "2026-06-20", "components": ["interest", "penalty"]}),
        (K.RESTRUCTURE, "05-10", 0, {"class_min": "substandard"}), (K.PAYMENT, "06-20", 210_000, {}),
    ],
    "early money held, then paid off": [(K.PAYMENT, "02-01", 450_000, {}), (K.PAYOFF, "04-02", 0, {})],
}  # fmt: skip
DAYS = ("01-31", "02-25", "03-20", "03-24", "03-26", "05-01", "06-18", "06-19", "06-30", "07-04", "07-15", "08-15")


def lives(house: House) -> dict[str, Contract]:
    Contract.objects.update(created_at=end_of(date(2030, 1, 1)))
    out = {}
    for n, (name, events) in enumerate(LIVES.items()):
        c = loan(f"H-{n:02}", house.borrower, house.branch)
        wants = {"subsidy": SUBSIDY} if name == "subsidy" else {}
        Contract.objects.filter(pk=c.pk).update(created_at=end_of(PAID_OUT), overrides={**c.overrides, **wants})
        if name == "partner":
            LoanParty.objects.create(
                contract=c, party=house.other_borrower, role="co_lender", share_ppm=300_000, valid_from=c.signed_on
            )
        for seq, (kind, on, amount, extra) in enumerate(events, start=1):
            happen(c, seq, kind, ON(f"2026-{on}"), amount, **extra)
        out[name] = c
    return out


def booked_of(amounts: dict[str, int]) -> dict[str, int]:
    """The accounts of a loan by the positions posted of it."""
    out: dict[str, int] = defaultdict(int)
    for position, amount in amounts.items():
        debit, credit = built_in().entries[position]
        out[debit] += amount
        out[credit] -= amount
    return {code: amount for code, amount in out.items() if amount}


def test_the_books_are_what_an_auditor_writes_down_by_hand(house: House) -> None:
    mine = lives(house)
    ids = np.array(sorted(c.pk for c in mine.values()), np.int64)
    for text in DAYS:
        on = ON(f"2026-{text}")
        if on > CLOSED_THEN_PAID and not Entry.objects.filter(kind="adjusting").exists():
            period_close(house, ON("2026-01-01"))
            period_close(house, ON("2026-02-01"))
        post(on, first=PAID_OUT)
        loans, booked, total = loans_read(ids), sub_ledger(), defaultdict(int)
        for n, (name, c) in enumerate(mine.items()):
            known = [e for e in loans.events.at(n) if e.recorded_at <= micros(end_of(on))]
            share = 300_000 if name == "partner" else 0
            expected = balances(loans.terms.at(n), known, day(on), rate=60_000, share_ppm=share)
            found = booked_of(booked[c.number])
            near = 3 if share else 0  # each flow is shared by itself, a balance as a whole: a fen a flow
            codes = expected.keys() | found.keys()
            unlike = {k: (expected.get(k, 0), found.get(k, 0)) for k in sorted(codes)}
            assert not {k: v for k, v in unlike.items() if abs(v[0] - v[1]) > near}, (name, on, unlike)
            for code, amount in found.items():
                total[code] += amount
        assert {k[1]: v for k, v in ledger().items()} == {k: v for k, v in total.items() if v}
    told = Entry.objects.filter(kind="adjusting")
    assert {(e.contract_id, e.booked_on, e.effective_on) for e in told} >= {
        (mine["paid before a closed month's end, told after"].pk, CLOSED_THEN_PAID, ON("2026-02-20"))
    }
    sound()
    kinds = set(Entry.objects.values_list("position", flat=True))
    assert {
        "principal.nonaccrual", "off.interest", "off.penalty", "fee.recognised", "interest.subsidy", "partner.collected",
        "principal.written_off", "principal.recovered", "interest.capitalised", "interest.from_held", "vat.pending",
    } <= kinds  # fmt: skip


def test_the_last_day_on_the_balance_sheet_is_the_ninetieth(house: House) -> None:
    mine = lives(house)
    post(ON("2026-06-18"), first=PAID_OUT)  # 20 March + 90 days
    of = mine["payment taken back"]
    assert booked_of(sub_ledger()[of.number])["113202"] > 0 and "9001" not in booked_of(sub_ledger()[of.number])
    income = ledger()[house.entity.pk, "601102"]
    post(ON("2026-06-19"))
    found = booked_of(sub_ledger()[of.number])
    assert found["130303"] == 800_000 and "113202" not in found and found["9001"] == 4_000 + 2_000
    assert ledger()[house.entity.pk, "601102"] > income, "penalty that nobody paid is no income"


def test_co_lenders_see_each_others_share_to_the_fen(house: House) -> None:
    """The partner's books of the same loan: what one is owed the other owes, and both together bear all of it."""
    mine = lives(house)
    post(ON("2026-07-10"), first=PAID_OUT)
    c, row = mine["partner"], sub_ledger()[mine["partner"].number]
    assert row["partner.disbursed"] == 360_000 and row["partner.disbursed"] + row["disbursed"] == c.principal_minor
    came = sum(e.amount_minor for e in c.events.filter(kind=int(K.PAYMENT)))
    own = sum(row.get(f"{w}.paid", 0) for w in ("principal", "interest", "penalty", "compound"))
    assert own + row["partner.collected"] == came == 406_000 + 77_777
    loans = loans_read(np.array([c.pk], np.int64))
    whole = balances(loans.terms.at(0), loans.events.at(0), day(ON("2026-07-10")), rate=60_000)
    found = booked_of(row)
    shared = sum(found.get(k, 0) for k in ("130301", "130302", "130303", "9001", "9002", "9003"))
    assert shared + found["9007"] == whole["130303"] + whole["9001"] + whole["9002"] + whole["9003"]


def test_suspense_and_placing_it_meet_in_cash(house: House) -> None:
    c = lives(house)["late"]
    Receipt.objects.create(
        number="R-9", entity=house.entity, party=house.borrower, amount_minor=402_000, unapplied_minor=402_000,
        source_kind="bank", received_on=ON("2026-04-20"), recorded_at=end_of(ON("2026-04-20")), payer_name="x",
        idempotency_key="k", body_hash=b"", actor="t",
    )  # fmt: skip
    post(ON("2026-04-21"), first=PAID_OUT)
    before = ledger()
    Receipt.objects.update(unapplied_minor=0, placed_minor=F("amount_minor"))
    happen(c, 3, K.PAYMENT, ON("2026-04-20"), 402_000, known=ON("2026-04-22"))
    post(ON("2026-04-21") + timedelta(days=1))
    after = ledger()
    assert before[house.entity.pk, "224102"] == -402_000 and (house.entity.pk, "224102") not in after
    assert after[house.entity.pk, "1011"] == before[house.entity.pk, "1011"], "the money came once"
