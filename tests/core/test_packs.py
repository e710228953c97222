"""Packs: strict reading, both edges of every date, calendars, fixings, price and penalty."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideover.cli import main
from tideover.core.packs import commands
from tideover.core.packs.load import NoRule, calendar, calendar_pin, fixing, ladder, pack, pack_names, rule
from tideover.core.packs.rules.calendars import is_provisional
from tideover.core.packs.rules.fixings import (
    MissingFixing,
    Reference,
    expected_fixing,
    fixings_missing,
    published_on,
    reference_read,
    reset_days,
)
from tideover.core.packs.rules.ladders import ladder as ladder_of
from tideover.core.packs.rules.pack import PackError, pack_read
from tideover.core.packs.rules.pack import rule as rule_of
from tideover.core.packs.rules.price import penalty_findings, price_findings
from tideover.engine.classify import classify
from tideover.engine.replay import schedule
from tideover.engine.terms import Method, PenaltyTerms, Terms, day

RULE = """pack: cn
rules:
  - id: a.b
    valid_from: 2020-01-01
    valid_to: 2021-01-01
    status: law
    citation: {instrument: Act, article: "1"}
    note: n
    values: {x: 1}
"""
NEXT = RULE.partition("rules:\n")[2].replace("2020-01-01", "2021-01-01").replace("valid_to: 2021-01-01", "valid_to: 2022-01-01")


def read(text: str) -> None:
    pack_read("cn", [("cn/f.yaml", text)])


def problems(text: str) -> list[str]:
    with pytest.raises(PackError) as error:
        read(text)
    return error.value.problems


def test_edges_of_validity() -> None:
    two = pack_read("cn", [("cn/f.yaml", RULE + NEXT.replace("x: 1", "x: 2"))])
    assert rule_of(two, "a.b", date(2020, 12, 31)).values["x"] == 1
    assert rule_of(two, "a.b", date(2021, 1, 1)).values["x"] == 2
    for off in (date(2019, 12, 31), date(2022, 1, 1)):
        with pytest.raises(NoRule, match="2020-01-01 to 2021-01-01"):
            rule_of(two, "a.b", off)
    with pytest.raises(NoRule, match="no rule z"):
        rule_of(two, "z", off)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("note: n", "note: n\n    nota: n", "cn/f.yaml:9: nota: unknown key"),
        ("    note: n\n", "", "cn/f.yaml:3: note: is missing"),
        ("x: 1", "x: 1.5", "cn/f.yaml:9: values.x: '1.5' is not a whole number"),
        ("x: 1", "x: [1, {y: 0.1}]", "cn/f.yaml:9: values.x.y"),
        ("x: 1", "x: 1, x: 2", "cn/f.yaml:9: values.x: stands twice"),
        ("2020-01-01", "soon", "cn/f.yaml:4: valid_from: must be a date"),
        ("2021-01-01", "2020-01-01", "cn/f.yaml:5: valid_to: 2020-01-01 must be after"),
        ("status: law", "status: rumour", "cn/f.yaml:6: status: 'rumour' is not one of"),
        (', article: "1"', "", "cn/f.yaml:7: citation.article: is missing"),
        ("instrument: Act", "instrument: Act, page: 3", "cn/f.yaml:7: citation.page: unknown key"),
        ("instrument: Act", 'instrument: ""', "cn/f.yaml:7: citation.instrument: is empty"),
        ("pack: cn", "pack: us", "cn/f.yaml:1: pack: 'us' lies in the folder of pack cn"),
        ("pack: cn", "pack: cn\nmore: 1", "cn/f.yaml:2: more: unknown key"),
        ("{x: 1}", "{x: 1", "not YAML"),
        ("{x: 1}", "7", "cn/f.yaml:9: values: must be a table"),
    ],
)
def test_bad_files_name_file_line_and_key(old: str, new: str, said: str) -> None:
    assert any(said in p for p in problems(RULE.replace(old, new))), problems(RULE.replace(old, new))


def test_overlap_is_refused() -> None:
    found = problems(RULE + NEXT.replace("2021-01-01", "2020-12-31", 1))
    assert found == ["cn/f.yaml:10: valid_from: a.b from 2020-12-31 overlaps cn/f.yaml:3, which holds to 2021-01-01"]
    assert "further notice" in problems(RULE.replace("    valid_to: 2021-01-01\n", "") + NEXT)[0]


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_two_spans_are_read_exactly_when_no_day_is_in_both(a: int, m: int, b: int, n: int) -> None:
    start = date(2020, 1, 1)
    one, two = ((start + timedelta(f), start + timedelta(f + k)) for f, k in ((a, m), (b, n)))
    text = RULE.replace("2020-01-01", str(one[0])).replace("valid_to: 2021-01-01", f"valid_to: {one[1]}")
    other = NEXT.replace("2021-01-01", str(two[0])).replace("2022-01-01", str(two[1]))
    if one[1] <= two[0] or two[1] <= one[0]:
        read(text + other)
    else:
        assert problems(text + other)


def test_every_pack_reads_and_every_rule_cites() -> None:
    assert pack_names() == ["cn", "us"]
    for name in pack_names():
        for r in pack(name):
            assert r.citation.instrument and r.note, r.id
            assert r.values or r.id.startswith("contact.content.no_link_data"), r.id  # speaks of every address
    with pytest.raises(NoRule, match="no pack fr"):
        pack("fr")


def test_calendar_of_china() -> None:
    cn = calendar("cn@2026")
    assert calendar_pin("cn") == "cn@2026" == calendar("cn").name == calendar_pin("cn@2026")
    open_days = {"2026-02-14": True, "2026-02-15": False, "2026-02-23": False, "2026-02-24": True, "2026-10-10": True}
    assert {d: cn.is_business_day(day(d)) for d in open_days} == open_days
    assert not is_provisional(pack("cn"), "cn", date(2026, 12, 31)) and is_provisional(pack("cn"), "cn", date(2027, 1, 1))
    assert is_provisional(pack("cn"), "cn", date(2060, 1, 1))
    with pytest.raises(NoRule, match="no calendar cn@1999"):
        calendar("cn@1999")
    us = calendar("us-federal")
    assert not us.is_business_day(day("2026-07-03")) and us.is_business_day(day("2026-07-06"))


def test_fixings() -> None:
    assert (fixing("lpr_1y", date(2025, 5, 19)), fixing("lpr_1y", date(2025, 5, 20))) == (31_000, 30_000)
    assert (fixing("lpr_5y", date(2024, 2, 19)), fixing("lpr_5y", date(2024, 2, 20))) == (42_000, 39_500)
    assert fixing("lpr_1y", date(2026, 6, 21)) == 30_000
    with pytest.raises(MissingFixing, match="lpr_1y of 2026-06-22 is missing"):
        fixing("lpr_1y", date(2026, 6, 22))
    with pytest.raises(MissingFixing):
        fixing("lpr_1y", date(2019, 8, 19))
    with pytest.raises(NoRule, match="lpr_1y, lpr_5y"):
        fixing("libor", date(2025, 1, 1))


def test_the_series_has_no_hole_and_only_days_of_publication() -> None:
    cn = calendar("cn@2026")
    for index in ("lpr_1y", "lpr_5y"):
        days = [d for d, _ in pack("cn").rules[f"fixing.{index}"][0].values["series"]]
        assert days == [published_on(cn, 2019 + (7 + n) // 12, (7 + n) % 12 + 1) for n in range(len(days))]


def test_missing_fixings_are_named_by_month() -> None:
    assert fixings_missing(pack("cn"), date(2026, 6, 21)) == {"lpr_1y": [], "lpr_5y": []}
    named = [f"{d:%Y-%m}" for d in fixings_missing(pack("cn"), date(2026, 11, 25))["lpr_1y"]]
    assert named == ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10", "2026-11"]
    assert fixings_missing(pack("cn"), date(2026, 6, 22))["lpr_5y"] == [date(2026, 6, 22)]
    assert fixings_missing(pack("us"), date(2026, 6, 22)) == {}


@given(st.dates(date(2019, 9, 1), date(2040, 1, 1)))
def test_the_expected_fixing_is_the_latest(on: date) -> None:
    cn = calendar("cn@2026")
    was = expected_fixing(cn, on)
    assert was <= on and (on - was).days < 45
    assert not any(published_on(cn, d.year, d.month) == d for d in (was + timedelta(n) for n in range(1, (on - was).days + 1)))


def test_reset_days() -> None:
    yearly = Reference("lpr_1y", 0)
    assert reset_days(yearly, date(2024, 2, 29), date(2026, 2, 28)) == [date(2025, 2, 28), date(2026, 2, 28)]
    newyear = Reference("lpr_5y", 0, 12, date(2024, 1, 1))
    assert reset_days(newyear, date(2024, 6, 1), date(2025, 1, 1)) == [date(2025, 1, 1)]
    assert reset_days(newyear, date(2024, 6, 1), date(2024, 12, 31)) == []
    for bad in ({"index": "lpr_1y"}, {"index": "x", "spread_ppm": 0.5}, {"index": "x", "spread_ppm": 1, "cap": 2}):
        with pytest.raises(ValueError, match="reference"):
            reference_read(bad)


@pytest.mark.parametrize(
    ("num", "den", "use", "ok"),
    [(13, 10, "overdue", True), (3, 2, "overdue", True), (1299, 1000, "overdue", False), (1501, 1000, "overdue", False),
     (3, 2, "misuse", True), (2, 1, "misuse", True), (2001, 1000, "misuse", False), (14, 10, "misuse", False)],
)  # fmt: skip
def test_penalty_band(num: int, den: int, use: str, ok: bool) -> None:
    found = penalty_findings(pack("cn"), PenaltyTerms(ratio_num=num, ratio_den=den), 60_000, date(2026, 1, 1), use)
    assert (not found) is ok
    assert ok or "银发〔2003〕251号 art. 3" in str(found[0])


def loan(rate_ppm: int, method: Method = Method.ANNUITY, **more: object) -> Terms:
    given = {"principal_minor": 1_200_000, "disbursed_on": day("2026-01-20"), "annual_rate_ppm": rate_ppm, "instalments": 12}
    return Terms(method=method, first_due_on=day("2026-02-20"), due_day=20, **{**given, **more})  # type: ignore[arg-type]


def codes(lender: str, terms: Terms, on: date = date(2026, 1, 20)) -> list[str]:
    return [f.code for f in price_findings(pack("cn"), lender, terms, schedule(terms), on)]


def test_price_caps() -> None:
    assert codes("bank", loan(240_000)) == []
    assert codes("bank", loan(240_001)) == ["over_price_cap"]
    assert codes("bank", loan(150_000, Method.FLAT)) == ["over_price_cap"], "a flat 15 % costs over 24 % on what is really owed"
    assert codes("bank", loan(120_000, Method.FLAT)) == []
    assert codes("consumer_finance", loan(210_000)) == ["over_price_cap"]
    assert codes("consumer_finance", loan(210_000), date(2025, 9, 30)) == []
    assert codes("private", loan(80_000)) == []
    assert codes("private", loan(80_001)) == ["over_price_cap"], "with penalty interest it is over 12 %"
    assert codes("private", loan(120_001, penalty=None)) == ["over_price_cap"]
    assert codes("private", loan(120_000, penalty=None)) == []
    assert codes("private", loan(80_000), date(2026, 6, 22)) == ["missing_fixing"]
    assert codes("micro_lender", loan(240_000), date(2027, 12, 31)) == []
    assert codes("micro_lender", loan(240_000), date(2028, 1, 1)) == ["missing_fixing"]
    assert codes("pawnbroker", loan(1)) == ["no_price_rule"]


def test_class_ladders() -> None:
    over = rule("cn", "classification.bank", date(2023, 7, 1)).values["over"]
    seen = {d: classify(d, over) for d in (0, 1, 90, 91, 270, 271, 360, 361)}
    assert list(seen.values()) == [
        "normal", "special_mention", "special_mention", "substandard", "substandard", "doubtful", "doubtful", "loss",
    ]  # fmt: skip
    card = rule("cn", "classification.card", date(2026, 1, 1)).values["over"]
    assert [classify(d, card) for d in (90, 91, 121, 181)] == ["special_mention", "substandard", "doubtful", "loss"]
    closed = rule("us", "classification.closed_end", date(2026, 1, 1)).values["over"]
    assert [classify(d, closed) for d in (89, 90, 119, 120)] == ["normal", "substandard", "substandard", "loss"]


def test_the_ladder_follows_the_lender_and_the_stricter_of_it_and_the_product() -> None:
    on = date(2026, 1, 1)
    for lender in ("bank", "consumer_finance", "micro_lender", "private"):
        assert ladder("cn", lender, on) == ((0, "special_mention"), (90, "substandard"), (270, "doubtful"), (360, "loss"))
    card = ladder("cn", "bank", on, "card")
    assert card == ((0, "special_mention"), (90, "substandard"), (120, "doubtful"), (180, "loss"))
    assert ladder("us", "bank", on, "closed_end") == ((89, "substandard"), (119, "loss"))
    two = (("a", "[[3, substandard], [9, loss]]"), ("b", "[[5, loss], [4, substandard]]"))
    texts = [(f"t/{n}.yaml", RULE.replace("a.b", f"classification.{n}").replace("{x: 1}", f"{{over: {o}}}")) for n, o in two]
    made = pack_read("cn", texts)
    assert ladder_of(made, "b", date(2020, 5, 1), "a") == ((3, "substandard"), (5, "loss"))
    assert ladder_of(made, "a", date(2020, 5, 1)) == ((3, "substandard"), (9, "loss"))
    with pytest.raises(NoRule, match="no ladder moon"):
        ladder("cn", "bank", on, "moon")
    with pytest.raises(NoRule, match="no ladder bank; its ladders are closed_end, open_end"):
        ladder("us", "bank", on)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["packs", "show", "penalty.overdue_ratio", "--on", "2003-12-31"]) == 2
    assert "2004-01-01 to further notice" in capsys.readouterr().err
    assert main(["packs", "show", "penalty.overdue_ratio", "--on", "2004-01-01", "--json"]) == 0
    assert '"min_ppm": 1300000' in capsys.readouterr().out
    assert main(["packs", "check"]) == 0


def test_the_document_lists_every_rule() -> None:
    text = (Path(__file__).parents[2] / "docs/packs.md").read_text(encoding="utf-8")
    assert commands.table() in text, "docs/packs.md is old: put the output of `tideover packs list` into it"
