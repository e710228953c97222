"""The pure rules: names, whose money it is, what a debit line is, and whether a line is here already."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tideover.lending.rules.bank_match import REASONS, Loan, Money, Quote, decide, suggest, why_unplaced, words_of
from tideover.lending.rules.bank_out import Earlier, Out, Waiting, out_decide
from tideover.lending.rules.fingerprint import Key, occurrences, recognise

DAY = date(2026, 3, 10)
MINE = Loan("T-1", 1, ("李明",), ("王芳",), instalment_minor=406_000, overdue_minor=410_000, payoff_minor=1_200_000)
MINE_TOO = Loan("T-2", 1, ("李明",), (), instalment_minor=406_000)
THEIRS = Loan("T-3", 2, ("王芳",), (), instalment_minor=406_000)
LOANS = [MINE, MINE_TOO, THEIRS]


def test_words() -> None:
    assert {"LN0001", "E2E-LN0001-03", "LN0001-03"} <= words_of("还款E2E-LN0001-03第3期")
    assert words_of("ln0001，谢谢") == {"LN0001"}
    assert words_of("2026 3 ab") == set()


def money(words: str = "", name: str = "李明", amount: int = 406_000, **more: object) -> Money:
    return Money(amount, name, words_of(words), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "placed"),
    [
        (money("还T-1"), (1, ("T-1",))),
        (money("T-1 T-2"), (1, ("T-1", "T-2"))),
        (money("T-1", "LI MING"), (1, ("T-1",))),
        (money("T-1", "李*"), None),
        (money("T-1", ""), None),
        (money("T-1", "王芳"), None),
        (money("T-1 T-3"), None),
        (money(""), None),
        (money("", "", account_of={1: 3}), (1, ())),
        (money("", "", account_of={1: 3, 2: 1}), None),
        (money("T-3", "李明", account_of={1: 9}), None),
        (money("Q-77", quotes=(Quote("Q-77", "T-1", True),)), (1, ("T-1",))),
        (money("Q-77 T-1", quotes=(Quote("Q-77", "T-1", False),)), None),
    ],
)
def test_only_certainty_places(what: Money, placed: tuple[int, tuple[str, ...]] | None) -> None:
    found = decide(what, LOANS)
    assert (None if found is None else (found.party_id, found.loans)) == placed
    assert all(REASONS[r.code] % r.values for r in (found.reasons if found else why_unplaced(what, LOANS)))


def test_suggestions_are_ranked_with_reasons() -> None:
    first, second = suggest(money("", "李*", 410_000), LOANS), suggest(money("T-1", "王芳"), LOANS)
    assert [s.party_id for s in first] == [1]
    assert [REASONS[r.code] % r.values for r in first[0].reasons] == [
        "the amount is what is overdue on loan T-1", "what is shown of the payer's name fits theirs",
    ]  # fmt: skip
    assert [(s.party_id, s.loans) for s in second] == [(1, ("T-1",)), (2, ())]
    assert "guarantor" in {r.code for r in second[0].reasons}
    assert suggest(money("", "张三", 1), LOANS) == []
    assert suggest(money("", "", 406_000), LOANS)[0].points == 20


OUT = Out(10_000, DAY, "", frozenset(), "", False)
CAME = Earlier("L-1", 10_000, date(2026, 3, 9), "6217", frozenset({"E2E-1", "SVC1"}))


@pytest.mark.parametrize(
    ("out", "kind", "of"),
    [
        (replace(OUT, account="11"), "own", "11"),
        (replace(OUT, reversal=True, words=words_of("SVC1")), "returned", "L-1"),
        (replace(OUT, said="退票", account="6217"), "returned", "L-1"),
        (replace(OUT, said="退票", account="6218"), "other", ""),
        (replace(OUT, reversal=True, words=words_of("SVC1"), amount_minor=9_999), "other", ""),
        (replace(OUT, words=words_of("RF-12345")), "refund", "RF-12345"),
        (replace(OUT, account="6219"), "refund", "RF-12345"),
        (replace(OUT, words=words_of("T-9 放款")), "payout", "T-9"),
        (replace(OUT, said="手续费"), "fee", ""),
        (replace(OUT, said="手续费", amount_minor=200_000), "other", ""),
        (OUT, "other", ""),
    ],
)
def test_debit_lines(out: Out, kind: str, of: str) -> None:
    refunds, payouts = [Waiting("RF-12345", 10_000, "6219")], [Waiting("T-9", 10_000)]
    found = out_decide(out, own=["11"], earlier=[CAME], refunds=refunds, payouts=payouts)
    assert (found.kind, found.of) == (kind, of)


def test_a_return_that_fits_two_takes_back_neither() -> None:
    out = replace(OUT, reversal=True, account="6217")
    two = [CAME, replace(CAME, line="L-2")]
    assert out_decide(out, own=[], earlier=two, refunds=[], payouts=[]).kind == "other"


def key(**more: object) -> Key:
    said = {"booked_on": DAY, "direction": "credit", "amount_minor": 100, "name": "李明", "account": "6217", "words": "T-1"}
    return Key(**{**said, **more})  # type: ignore[arg-type]


W1 = key(bank_id="W1", entry_id="W1", known_as="L-1", ids=frozenset({("hook", "W1")}))

NINE = replace(W1, ids=frozenset({("hook", "9")}))


@pytest.mark.parametrize(
    ("new", "known", "family", "same", "perhaps"),
    [
        (key(bank_id="W1", entry_id="W1"), [W1], "hook", "L-1", ""),
        (key(bank_id="W1", entry_id="W1", booked_on=date(2026, 3, 11), words=""), [W1], "file", "L-1", ""),
        (key(bank_id="W1", booked_on=date(2026, 4, 11)), [W1], "file", "", ""),
        (key(bank_id="W1", amount_minor=101), [W1], "hook", "", ""),
        (key(bank_id="W2"), [W1], "hook", "", ""),
        (key(bank_id="A2"), [W1], "file", "L-1", ""),
        (key(), [W1], "file", "L-1", ""),
        (key(words="t 1"), [W1], "file", "L-1", ""),
        (key(words="something else"), [W1], "file", "", "L-1"),
        (key(words="something else", account="6218"), [W1], "file", "", ""),
        (key(words="x", account="", name="王芳"), [W1], "file", "", ""),
        (key(words="x", account="", name="李*"), [W1], "file", "", "L-1"),
        (key(balance_minor=5), [replace(W1, balance_minor=6)], "file", "", ""),
        (key(reversal=True), [W1], "file", "", ""),
        (
            key(bank_id="9", per_day=True, booked_on=date(2026, 3, 11)),
            [replace(W1, ids=frozenset({("hook", "9")}))],
            "file",
            "",
            "",
        ),
    ],
)
def test_known_again(new: Key, known: list[Key], family: str, same: str, perhaps: str) -> None:
    [verdict] = recognise([new], known, family)  # type: ignore[arg-type]
    assert (verdict.same_as, verdict.perhaps) == (same, perhaps)


def test_batch_entry_whole_and_split() -> None:
    whole = key(bank_id="S2", entry_id="S2", amount_minor=300, known_as="L-9", ids=frozenset({("file", "S2")}))
    parts = [key(bank_id=f"S2/{n}", entry_id="S2", amount_minor=a) for n, a in ((1, 100), (2, 200))]
    assert [v.same_as for v in recognise(parts, [whole], "file")] == ["L-9", "L-9"]
    known = [replace(p, known_as=f"L-{n}", ids=frozenset({("file", p.bank_id)})) for n, p in enumerate(parts)]
    assert [v.same_as for v in recognise([replace(whole, known_as="")], known, "file")] == ["L-0"]
    assert [v.same_as for v in recognise(parts, [replace(whole, amount_minor=301)], "file")] == ["", ""]


PAYMENTS = st.lists(
    st.tuples(st.sampled_from((100, 200)), st.sampled_from(("李明", "王芳")), st.sampled_from(("T-1", ""))), max_size=6
)
WAYS = st.lists(st.sampled_from(("hook", "ids", "rows")), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(PAYMENTS, WAYS)
def test_any_way_twice_is_once(payments: list[tuple[int, str, str]], ways: list[str]) -> None:
    """The same day by webhook, by a file with ids and by one without, in any order and number: each payment is there once."""
    book: list[Key] = []
    taken: Counter[str] = Counter()
    for way in ways:
        family = "hook" if way == "hook" else "file"
        ids = {n: "" if way == "rows" else f"{way}{n}" for n in range(len(payments))}
        batch = [
            key(amount_minor=a, name=name, account="", words=words, bank_id=ids[n], entry_id=ids[n])
            for n, (a, name, words) in enumerate(payments)
        ]
        calls = [[k] for k in batch] if way == "hook" else [batch]
        for call in calls:
            verdicts = recognise(call, book, family)  # type: ignore[arg-type]
            assert not any(v.perhaps for v in verdicts) or len({p[2] for p in payments}) > 1
            new = [k for k, v in zip(call, verdicts, strict=True) if not v.same_as]
            for k, text in zip(new, occurrences("11", new, taken), strict=True):
                assert text not in {b.known_as for b in book}
                book.append(replace(k, known_as=text, ids=frozenset({(family, k.bank_id)} if k.bank_id else ())))
            for k, v in zip(call, verdicts, strict=True):
                if v.same_as and k.bank_id:
                    at = next(i for i, b in enumerate(book) if b.known_as == v.same_as)
                    book[at] = replace(book[at], ids=book[at].ids | {(family, k.bank_id)})
    assert Counter((k.amount_minor, k.name, k.words) for k in book) == Counter(payments)
