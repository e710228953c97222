"""The order in which receipts are entered changes nothing: properties of the pure division and of the whole path."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import transaction
from django.utils.translation import override
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import House, loan
from tideover.core.approvals import approval_decide, kind_of
from tideover.core.models import Approval
from tideover.engine.apportion import Debt, Money, Step, divide_day
from tideover.engine.terms import Component
from tideover.lending.models import Contract, Receipt
from tideover.lending.receipts.booking import adds_up
from tideover.lending.receipts.services import Payer, Source, held_apply, receipt_record, receipt_reverse
from tideover.lending.selectors import loan_standing

debts_ = st.lists(
    st.builds(
        lambda n, due, rate, claim, rank, agreed: Debt(
            f"D{n}", due, rate, {Component.PRINCIPAL: claim}, rank, agreed, named_max_minor=claim + 500
        ),
        st.integers(0, 4), st.integers(0, 20), st.sampled_from([50_000, 60_000]), st.integers(0, 900), st.integers(0, 2),
        st.sampled_from([None, None, 1]),
    ),
    min_size=1, max_size=5, unique_by=lambda d: d.id,
)  # fmt: skip


@st.composite
def a_day(draw: st.DrawFn) -> tuple[list[Debt], list[Money]]:
    debts = draw(debts_)
    names = st.sampled_from([d.id for d in debts])
    line = st.builds(lambda d, a: {"debt": d, "amount": a}, names, st.sampled_from([None, 50, "2.50"]))
    lines = st.one_of(st.none(), st.lists(line, min_size=1, max_size=2, unique_by=lambda x: str(x["debt"])))
    amounts = draw(st.lists(st.tuples(st.integers(1, 1500), lines), min_size=1, max_size=4))
    return debts, [Money(f"m{n}", amount, designation) for n, (amount, designation) in enumerate(amounts)]


@given(a_day(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_a_day_is_divided_whole_and_in_any_order_alike(day: tuple[list[Debt], list[Money]], rnd: random.Random) -> None:
    debts, monies = day
    found = divide_day(monies, debts, received_on=10)
    for m in monies:
        parts = [a for steps in found.given[m.id].values() for _, a in steps]
        assert all(a > 0 for a in parts)
        assert sum(parts) + found.left_minor[m.id] == m.amount_minor
    got = {d.id: sum(a for m in monies for _, a in found.given[m.id].get(d.id, [])) for d in debts}
    asked = sum(d.total_minor for d in debts)
    assert sum(got.values()) >= min(asked, sum(m.amount_minor for m in monies)), "no money is left while a debt asks for it"
    assert all(got[d.id] <= d.total_minor + 500 for d in debts)
    shuffled = monies[:]
    rnd.shuffle(shuffled)
    assert divide_day(shuffled, debts[::-1], received_on=10).left_minor == found.left_minor
    assert divide_day(shuffled, debts[::-1], received_on=10).given == found.given
    renamed = [replace(m, id=f"z{9 - n}") for n, m in enumerate(shuffled)]
    again = divide_day(renamed, debts, received_on=10)
    assert {d.id: sum(a for m in renamed for _, a in again.given[m.id].get(d.id, [])) for d in debts} == got


def test_two_fen_of_one_day_over_two_equal_debts() -> None:
    """Each debt has one fen, and it is the same receipt's whoever came first."""
    debts = [Debt(name, 3, 50_000, {Component.PRINCIPAL: 1}) for name in ("D0", "D1")]
    monies = [Money("a", 1), Money("b", 1)]
    for m, d in itertools.product(itertools.permutations(monies), itertools.permutations(debts)):
        found = divide_day(m, d, received_on=10)
        assert found.given == {"a": {"D0": [(Step.LAW_PRO_RATA, 1)]}, "b": {"D1": [(Step.LAW_PRO_RATA, 1)]}}


def test_money_that_came_earlier_pays_first() -> None:
    debts = [Debt("D0", 3, 60_000, {Component.PRINCIPAL: 5}), Debt("D1", 3, 50_000, {Component.PRINCIPAL: 5})]
    found = divide_day([Money("new", 9, None, 10), Money("old", 4, None, 8)], debts, received_on=10)
    assert found.given == {
        "old": {"D0": [(Step.LAW_BURDEN, 4)]},
        "new": {"D0": [(Step.LAW_BURDEN, 1)], "D1": [(Step.LAW_BURDEN, 5)]},
    }
    assert found.left_minor == {"old": 0, "new": 3}


def test_each_part_says_which_step_gave_it() -> None:
    claims = {Component.PRINCIPAL: 100}
    debts = [
        Debt("secured", 5, 60_000, claims, 2), Debt("cheap", 5, 50_000, claims), Debt("dear", 5, 60_000, claims),
        Debt("late", 4, 50_000, claims), Debt("later", 20, 90_000, claims), Debt("agreed", 9, 10, claims, 2, 1),
    ]  # fmt: skip
    found = divide_day([Money("m", 610, [{"debt": "secured", "amount": 40}])], debts, received_on=10)
    steps = {debt: [s for s, _ in given] for debt, given in found.given["m"].items()}
    assert steps == {
        "secured": [Step.DESIGNATION, Step.LAW_DUE], "agreed": [Step.CONTRACT], "dear": [Step.LAW_BURDEN],
        "late": [Step.LAW_EARLIEST], "cheap": [Step.LAW_SECURITY], "later": [Step.NOT_YET_DUE],
    }  # fmt: skip
    assert found.left_minor == {"m": 10}


Said = tuple[str, date, int, list[dict[str, object]] | None]


def balances(house: House, on: date) -> list[tuple[int, ...]]:
    out = []
    for contract in Contract.objects.filter(borrower=house.borrower).order_by("number"):
        s = loan_standing(contract, on)
        out.append((s.payoff_minor, s.paid_total_minor, s.principal_minor, s.penalty_minor, s.surplus_minor, s.days_past_due))
    return out


def enter(house: House, receipts: list[Said]) -> None:
    for key, on, amount, designation in receipts:
        receipt_record(
            party=house.borrower, entity_id=house.entity.pk, amount_minor=amount, received_on=on, payer=Payer(),
            source=Source("bank"), idempotency_key=key, actor="payments", designation=designation,
        )  # fmt: skip


def decide(house: House) -> None:
    for approval in Approval.objects.filter(kind="receipt.redivide", state="open").order_by("pk"):
        approval_decide(approval, grant=True, reason="seen", actor=house.staff["finance"])


def state_after(house: House, receipts: list[Said]) -> tuple[list[tuple[int, ...]], int]:
    """Balances and unapplied money after receipts are entered in this order and every proposal is decided; undone again."""
    with transaction.atomic():
        mark = transaction.savepoint()
        enter(house, receipts)
        for r in Receipt.objects.all():
            assert adds_up(r)
        decide(house)
        rows = list(Receipt.objects.all())
        assert all(adds_up(r) for r in rows)
        assert not any(r.waiting for r in rows)
        found = balances(house, date(2026, 11, 30)), sum(r.unapplied_minor for r in rows)
        transaction.savepoint_rollback(mark)
    return found


FEB, MAR, APR = date(2026, 2, 25), date(2026, 3, 25), date(2026, 4, 25)


@pytest.fixture
def many(house: House) -> House:
    third = loan("T-9", house.borrower, house.branch)
    third.annual_rate_ppm = 90_000
    third.save()
    return house


BY_HAND: list[list[Said]] = [
    [("a", FEB, 300_000, None), ("b", MAR, 900_000, None), ("c", APR, 500_000, None)],
    [("a", FEB, 300_001, None), ("b", FEB, 99_999, [{"debt": "T-2"}]), ("c", FEB, 800_000, None)],
    [("a", FEB, 500_000, [{"debt": "T-1", "amount": "5000.00"}]), ("b", MAR, 700_000, [{"debt": "T-2"}]), ("c", FEB, 1, None)],
    [("a", MAR, 5_000_000, None), ("b", FEB, 250_000, None), ("c", FEB, 250_000, [{"debt": "T-1"}])],
]


@pytest.mark.parametrize("receipts", BY_HAND)
def test_any_permutation_ends_with_the_same_balances(many: House, receipts: list[Said]) -> None:
    found = {repr(state_after(many, list(p))) for p in itertools.permutations(receipts)}
    assert len(found) == 1, found


@pytest.mark.parametrize("seed", range(4))
def test_random_receipts_in_random_order(many: House, seed: int) -> None:
    rnd = random.Random(seed)
    receipts: list[Said] = []
    for n in range(5):
        on = date(2026, 2, 21) + timedelta(days=rnd.choice([0, 0, 3, 28, 40, 70]))
        named: list[dict[str, object]] | None = rnd.choice([None, None, [{"debt": rnd.choice(["T-1", "T-2", "T-9"])}]])
        receipts.append((f"k{n}", on, rnd.randint(1, 700_000), named))
    first = state_after(many, sorted(receipts, key=lambda r: (r[1], r[0])))
    for _ in range(4):
        rnd.shuffle(receipts)
        assert state_after(many, receipts) == first, f"seed {seed}: {receipts}"


def test_a_backdated_receipt_moves_nothing_before_two_people_said_so(many: House) -> None:
    enter(many, [("b", MAR, 900_000, None)])
    late = Receipt.objects.get()
    was = {(p.contract.number, p.amount_minor) for p in late.parts.all()}
    enter(many, [("a", FEB, 300_000, None)])
    assert {(p.contract.number, p.amount_minor) for p in late.parts.filter(ended_at=None)} == was
    [approval] = Approval.objects.filter(kind="receipt.redivide")
    assert Receipt.objects.get(idempotency_key="b").waiting
    changes = approval.payload["changes"]
    assert sum(new - old for number, _loan, _on, old, new in changes if number == late.number) == 0
    with override("zh-hans"):
        shown = list(kind_of("receipt.redivide").show(approval))
    assert [line.what for line in shown][:2] == ["贷款 T-1", "贷款 T-2"]
    decide(many)
    approval.refresh_from_db()
    assert approval.state == "granted"
    assert {(p.contract.number, p.amount_minor) for p in late.parts.filter(ended_at=None)} != was


def test_what_a_reversal_frees_is_divided_anew(many: House) -> None:
    enter(many, [("a", FEB, 500_000, None), ("b", MAR, 900_000, None)])
    receipt_reverse(Receipt.objects.get(idempotency_key="a"), idempotency_key="x", actor="payments")
    decide(many)
    after = balances(many, date(2026, 11, 30))
    with transaction.atomic():
        mark = transaction.savepoint()
        receipt_reverse(Receipt.objects.get(idempotency_key="b"), idempotency_key="y", actor="payments")
        enter(many, [("c", MAR, 900_000, None)])
        decide(many)
        assert balances(many, date(2026, 11, 30)) == after
        transaction.savepoint_rollback(mark)


def test_money_beyond_what_is_due_pays_the_coming_instalments_on_their_days(many: House) -> None:
    """Nobody is late for money that is here."""
    on = date(2026, 2, 18)
    receipt_record(
        party=many.borrower, entity_id=many.entity.pk, amount_minor=3_000_000, received_on=on, payer=Payer(),
        source=Source("bank"), idempotency_key="early", actor="payments", as_of=on,
    )  # fmt: skip
    receipt = Receipt.objects.get()
    assert receipt.unapplied_minor > 0
    for day in (date(2026, 2, 20), date(2026, 3, 20)):
        held_apply(day)
        held_apply(day)
    receipt.refresh_from_db()
    assert adds_up(receipt)
    for contract in Contract.objects.filter(borrower=many.borrower):
        assert loan_standing(contract, date(2026, 3, 30)).days_past_due == 0
