"""The loan that docs/accounting.md works through, to the fen: the page's table is what posting gives."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.accounting.books import end_of, happen, ledger, post
from tests.factories import House
from tideover.accounting.charts import built_in
from tideover.accounting.selectors import decimal_of
from tideover.engine.events import EventKind as K
from tideover.lending.models import Contract

PAGE = Path(__file__).resolve().parents[2] / "docs" / "accounting.md"
DAYS = (
    "2026-01-20",
    "2026-01-31",
    "2026-02-20",
    "2026-03-20",
    "2026-06-18",
    "2026-06-19",
    "2026-07-01",
    "2026-07-10",
    "2026-08-01",
)
ACCOUNTS = (
    "1011",
    "113201",
    "113202",
    "113203",
    "113204",
    "130301",
    "130302",
    "130303",
    "1304",
    "222101",
    "222102",
    "601101",
    "601102",
    "601103",
    "9001",
    "9002",
    "9003",
    "9004",
)


def worked(house: House) -> list[list[str]]:
    """One row an account, one column a day: the balance as the account's class shows it."""
    c = house.loan
    Contract.objects.filter(pk=c.pk).update(created_at=end_of(date(2026, 1, 20)))
    Contract.objects.exclude(pk=c.pk).update(created_at=end_of(date(2030, 1, 1)))
    happen(c, 1, K.PAYMENT, date(2026, 2, 20), 406_000)
    happen(c, 2, K.PAYMENT, date(2026, 7, 1), 100_000)
    happen(c, 3, K.WRITE_OFF, date(2026, 7, 10))
    happen(c, 4, K.PAYMENT, date(2026, 8, 1), 300_000)
    columns = []
    for text in DAYS:
        post(date.fromisoformat(text), first=date(2026, 1, 20))
        columns.append(ledger())
    accounts = built_in().accounts
    rows = []
    for code in ACCOUNTS:
        sign = 1 if accounts[code].kind in ("asset", "expense", "memo") else -1
        cells = [decimal_of(sign * found.get((house.entity.pk, code), 0)) for found in columns]
        rows.append([code, accounts[code].name_zh, *cells])
    used = {code for found in columns for _, code in found}
    assert used <= {*ACCOUNTS, "9099"}, used
    return rows


@pytest.mark.django_db
def test_the_page_says_what_posting_gives(house: House) -> None:
    text = PAGE.read_text(encoding="utf-8")
    part = re.search(r"<!-- worked -->\n(.*?)<!-- end of worked -->", text, re.S)
    assert part is not None
    said = [[c.strip() for c in line.strip("| \n").split("|")] for line in part.group(1).strip().splitlines()[2:]]
    made = [[c if c != "0.00" else "–" for c in row] for row in worked(house)]
    assert said == made, "\n" + "\n".join(f"| {' | '.join(row)} |" for row in made)
