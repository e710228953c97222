"""Files of a core that are not as they should be: refused whole with row and column, nothing lost, and said on the page."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.factories import House
from tests.lending.beside.books import BALANCES, MOVEMENTS
from tests.lending.beside.test_held import compared, core_file, overlay
from tideover.cli import main
from tideover.core.business_time import business_date
from tideover.core.problems import Refused
from tideover.lending.beside.compare import file_compare
from tideover.lending.beside.files import file_take
from tideover.lending.imports.files import BadFile
from tideover.lending.models import Break, CoreBalance, CoreFile, CoreMovement

__all__ = ["overlay"]
DOC = Path(__file__).parents[3] / "docs/beside-a-core.md"
TOTAL = "  total_balance: total\n"
ROW = "T-1,{day},12000.00,0,0,0,0,0,0,0,0"


def _line(text: str, change: Callable[[str], str]) -> str:
    """The second row of the file (of T-2) changed."""
    lines = text.splitlines()
    lines[2] = change(lines[2])
    return "\n".join(lines) + "\n"


BAD: dict[str, tuple[Callable[[str], str], tuple[int, str, str]]] = {
    "no amount": (lambda t: _line(t, lambda r: re.sub(r",[\d.]+", ",--", r, count=0)), (2, "data_cut_off_date", "expected")),
    "no loan": (lambda t: _line(t, lambda r: r.replace("T-2", "")), (2, "loan_id", "a value is needed")),
    "twice": (lambda t: _line(t, lambda r: r.replace("T-2", "T-1")), (2, "loan_id", "twice in the file")),
    "another day": (lambda t: _line(t, lambda r: re.sub(r",20\d{6}", ",20260101", r)), (2, "data_cut_off_date", "of one day")),
    "breaks off": (lambda t: "\n".join(t.splitlines()[:-1]) + "\nT-3,2026", (3, "", "columns, the header has")),
}


@pytest.mark.parametrize("what", list(BAD))
def test_a_bad_row_keeps_the_whole_file_out_and_is_named(overlay: House, tmp_path: Path, what: str) -> None:
    change, (row, column, reason) = BAD[what]
    path = core_file(tmp_path, overlay, business_date(), {})
    good = path.read_text()
    path.write_text(change(good))
    refused = file_take(overlay.entity, path, BALANCES, actor="test")
    assert refused.state == "refused" and not CoreBalance.objects.exists()
    assert [(r.row, r.column) for r in refused.rejects][:1] == [(row, column)] and reason in refused.rejects[0].reason
    client = Client()
    client.force_login(overlay.staff["payments"])
    client.cookies["django_language"] = "en"
    page = client.get("/core-files").content.decode()
    assert f"Row {row}" in page and refused.rejects[0].reason in page
    path.write_text(good)
    assert file_take(overlay.entity, path, BALANCES, actor="test").state == "taken", "the day is still free"
    assert "was refused" not in client.get("/core-files").content.decode(), "the day has come in since"


def test_a_total_that_is_not_the_sum_is_named(overlay: House, tmp_path: Path) -> None:
    path = core_file(tmp_path, overlay, business_date(), {})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",total", *(f"{line},1.00" for line in lines[1:])]) + "\n")
    refused = file_take(overlay.entity, path, BALANCES + TOTAL, actor="test")
    assert {(r.column, r.reason) for r in refused.rejects} == {("total_balance", "it is not the sum of the components")}


def test_a_missing_column_is_named_and_the_page_says_so(overlay: House, tmp_path: Path) -> None:
    path = core_file(tmp_path, overlay, business_date(), {})
    path.write_text(path.read_text().replace("principal", "capital", 1))
    with pytest.raises(BadFile, match="no column principal; it has loan, day, capital"):
        file_take(overlay.entity, path, BALANCES, actor="test")
    [kept] = CoreFile.objects.all()
    assert (kept.state, kept.rejects[0][0]) == ("refused", 0)
    client = Client()
    client.force_login(overlay.staff["payments"])
    assert "no column principal" in client.get("/core-files").content.decode()


def test_half_a_file_is_refused_and_no_loan_is_called_missing(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    compared(overlay, core_file(tmp_path, overlay, today - timedelta(days=1), {}))
    path = core_file(tmp_path, overlay, today, {})
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    refused = file_take(overlay.entity, path, BALANCES, actor="test")
    assert refused.state == "refused" and "it has 1 loans" in refused.rejects[0].reason and refused.rejects[0].row == 2
    path.write_text(path.read_text().replace(f"{today:%Y%m%d}", "tomorrow"))
    nothing = file_take(overlay.entity, path, BALANCES, actor="test")
    assert [(r.row, r.column) for r in nothing.rejects] == [(1, "data_cut_off_date")]
    assert not Break.objects.exists()


def test_a_file_out_of_order_is_kept_and_not_compared(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    compared(overlay, core_file(tmp_path, overlay, today, {"T-1": {"fee": 500}}))
    late = file_take(overlay.entity, core_file(tmp_path, overlay, today - timedelta(days=1), {}), BALANCES, actor="test")
    assert late.state == "taken" and late.file is not None
    with pytest.raises(Refused, match="came too late"):
        file_compare(late.file, actor="test")
    assert Break.objects.get().state == "open"


def test_a_movement_is_refused_by_row_and_a_changed_one_by_its_number(overlay: House, tmp_path: Path) -> None:
    today = business_date()
    path = tmp_path / "m.csv"

    def take(*rows: str) -> list[tuple[int, str]]:
        path.write_text("loan,day,nr,kind,value_date,amount\n" + "".join(f"{r}\n" for r in rows))
        return [(r.row, r.column) for r in file_take(overlay.entity, path, MOVEMENTS, actor="test").rejects]

    good = f"T-1,{today:%Y%m%d},M1,PAY,{today},1.00"
    assert take(good, good) == [(2, "reference")]
    assert take(good, good.replace("T-1", "T-9").replace("M1", "M2")) == [(2, "loan_id")]
    assert take(good, good.replace("PAY", "???").replace("M1", "M2")) == [(2, "kind")]
    assert take(good, good.replace(f"{today},1", f"{today + timedelta(days=2)},1").replace("M1", "M2")) == [(2, "effective_on")]
    assert not CoreMovement.objects.exists() and take(good) == []
    earlier = today - timedelta(days=1)
    changed = good.replace(f"{today:%Y%m%d}", f"{earlier:%Y%m%d}").replace(str(today), str(earlier)).replace("1.00", "2.00")
    with pytest.raises(Refused, match="movement M1 came before"):
        take(changed)


def test_the_example_of_the_page_is_taken_in_as_it_stands(overlay: House, tmp_path: Path) -> None:
    text = DOC.read_text(encoding="utf-8")
    blocks = re.findall(r"```(yaml|csv)\n(.*?)```", text, re.S)
    pairs = [(a[1], b[1]) for a, b in itertools.pairwise(blocks) if (a[0], b[0]) == ("yaml", "csv")]
    assert len(pairs) == 2
    for n, (mapping, rows) in enumerate(pairs):
        path = tmp_path / f"{n}.csv"
        path.write_text(rows, encoding="utf-8")
        taken = file_take(overlay.entity, path, mapping, actor="test")
        assert taken.state == "taken", taken.rejects
    balance, movement = CoreBalance.objects.get(), CoreMovement.objects.get()
    assert (balance.principal_minor, balance.accrued_minor, balance.days_past_due) == (12_000_00, 18_50, 0)
    assert (movement.reference, movement.amount_minor, movement.parts) == (
        "M0001",
        500_00,
        {"principal": 48150, "interest": 1850},
    )


def test_the_command_writes_the_rejects_and_says_the_row(
    overlay: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping, rejects = tmp_path / "m.yaml", tmp_path / "rejects.csv"
    mapping.write_text(BALANCES)
    path = core_file(tmp_path, overlay, business_date(), {})
    path.write_text(path.read_text().replace("T-2", "T-1"))
    code = main(["beside", "take-in", str(path), "--mapping", str(mapping), "--entity", "BANK", "--rejects", str(rejects)])
    assert code == 1 and "row 2 loan_id: 'T-1'" in capsys.readouterr().out
    assert "2,loan_id,T-1" in rejects.read_text(encoding="utf-8-sig")
