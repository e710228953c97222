"""A chart of accounts: sound, or every problem with its line and rule."""

from __future__ import annotations

import pytest

from tideover.accounting.charts import FOLDER, built_in
from tideover.accounting.rules.chart import ChartError, chart_read
from tideover.accounting.rules.positions import ALL_POSITIONS

TEXT = (FOLDER / "cn.yaml").read_text(encoding="utf-8")


def test_the_built_in_chart_names_accounts_for_every_position() -> None:
    assert set(built_in().entries) == set(ALL_POSITIONS)
    used = {code for pair in built_in().entries.values() for code in pair}
    assert used == set(built_in().accounts), "an account of the chart is used by no position"


@pytest.mark.parametrize(
    ("old", "new", "rule", "says"),
    [
        ('{code: "1304", class: asset', '{code: "1304", class: assets', "C3", "assets must be one of"),
        ('{code: "1304"', '{code: "1011"', "C2", "1011 stands twice"),
        ('{code: "1304"', '{code: "13 04"', "C2", "must be 1 to 20"),
        ('  disbursed: {debit: "130301"', '  disbursed: {debit: "999999"', "C5", "there is no account 999999"),
        (
            '  disbursed: {debit: "130301", credit: "1011"}',
            '  disbursed: {debit: "1011", credit: "1011"}',
            "C5",
            "the same account",
        ),
        ("  disbursed:", "  disburse:", "C4", "unknown key disburse"),
        ('  off.principal: {debit: "9004"', '  off.principal: {debit: "1011"', "C6", "memorandum accounts only"),
        ('  suspense: {debit: "1011"', '  suspense: {debit: "9001"', "C6", "no memorandum account"),
        ("valid_from: 1970-01-01", "valid_from: soon", "C1", "must be a date"),
        ("chart: cn", "chrat: cn", "C1", "unknown key chrat"),
        ("accounts:", "accounts: [", "C1", "not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_rule(old: str, new: str, rule: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ChartError) as error:
        chart_read(TEXT.replace(old, new, 1), "mine.yaml")
    found = [p for p in error.value.problems if says in p]
    assert found, error.value.problems[:5]
    file, line, said, _ = found[0].split(":", 3)
    assert file == "mine.yaml" and int(line) >= 1 and said.strip() == rule


def test_a_missing_position_is_named() -> None:
    with pytest.raises(ChartError, match="position suspense has no accounts"):
        chart_read("\n".join(line for line in TEXT.splitlines() if not line.startswith("  suspense")))
