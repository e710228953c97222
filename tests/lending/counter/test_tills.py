"""The end of the day: counted blind and once, differences explained by one or two people, all cash handed over."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from tests.factories import House
from tests.lending.counter.desk import decide, take, teller, till
from tests.lending.counter.test_taking import ABOVE, code, state
from tideover.contact.gate import verdict_ask
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.business_time import now
from tideover.core.models import Approval
from tideover.core.problems import Forbidden, Refused
from tideover.lending.counter.cash import expected_minor
from tideover.lending.counter.doctor import tills_check
from tideover.lending.counter.taking import slip_cancel_ask, slip_give_back
from tideover.lending.counter.tills import till_close, till_count
from tideover.lending.models import CounterSeries, Receipt, Slip, Till, TillMove
from tideover.lending.rules.counter import CashSlip, count_minor, handover_problem, large_cash, working_day_after


def close(box: Till, bag: int, vault: int = 0, number: str = "BAG-1", **more: Any) -> Any:
    said = {"bag_number": number, "bag_minor": bag, "vault_minor": vault, "actor": box.teller, **more}
    return till_close(box, **said)


def test_a_day_that_fits_is_closed_by_one_person(house: House) -> None:
    box = till(house)
    take(house, box, 23_456)
    count = till_count(box, {10_000: 12, 2_000: 1, 1_000: 1, 100: 4, 50: 1, 5: 1, 1: 1}, actor=box.teller)
    assert (count.counted_minor, count.expected_minor, count.difference_minor) == (123_456, 123_456, 0)
    done = close(box, 100_000, 23_456)
    assert done.state == "closed" and done.bag_number == "BAG-1" and expected_minor(box) == 0
    assert close(box, 100_000, 23_456).pk == box.pk, "the same again changes nothing"
    with pytest.raises(Refused) as other:
        close(box, 123_456)
    assert code(other) == "not_counted"


def test_the_count_of_a_day_is_never_changed(house: House) -> None:
    box = till(house)
    first = till_count(box, {10_000: 10}, actor=box.teller)
    assert till_count(box, {10_000: 10, 5_000: 0}, actor=box.teller) == first
    with pytest.raises(Refused) as again:
        till_count(box, {10_000: 9}, actor=box.teller)
    assert code(again) == "counted_already"


@pytest.mark.parametrize("pieces", [{123: 1}, {100: -1}, {100: 10**7}])
def test_a_count_that_cannot_be(house: House, pieces: dict[int, int]) -> None:
    with pytest.raises(Refused) as refused:
        till_count(till(house), pieces, actor=teller(house))
    assert code(refused) == "bad_count" and Till.objects.get().state == "open"


def test_a_small_difference_needs_a_reason_and_a_large_one_a_second_person(house: House) -> None:
    box = till(house)
    till_count(box, {10_000: 10, 500: 1}, actor=box.teller)
    with pytest.raises(Refused) as silent:
        close(box, 100_500)
    assert code(silent) == "missing"
    assert close(box, 100_500, reason="the payer left without the change").state == "closed" and expected_minor(box) == 0

    short = till(house)
    till_count(short, {10_000: 9, 500: 2}, actor=short.teller)
    asked = close(short, 91_000, number="BAG-2", reason="counted three times, a note is missing")
    assert isinstance(asked, Approval) and asked.amount_minor == 9_000
    short.refresh_from_db()
    assert short.state == "counted" and short.approval == asked.reference and expected_minor(short) == 100_000
    with pytest.raises(Refused) as twice:
        close(short, 91_000, number="BAG-3", reason="another reason")
    assert code(twice) == "already_asked"
    with pytest.raises(Forbidden):
        decide(asked.reference, short.teller)
    decide(asked.reference, house.staff["branch_head"])
    short.refresh_from_db()
    assert short.state == "closed" and short.bag_minor == 91_000 and expected_minor(short) == 0


def test_all_of_it_goes_and_a_bag_goes_once(house: House) -> None:
    box = till(house)
    till_count(box, {10_000: 10}, actor=box.teller)
    for bag, vault, number, want in (
        (90_000, 0, "B", "not_all"), (100_000, 0, " ", "no_bag"), (0, 100_000, "B", "empty_bag"), (-1, 100_001, "B", "negative"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            close(box, bag, vault, number)
        assert code(refused) == want
    assert close(box, 100_000, 0, "B").state == "closed"
    second = till(house)
    till_count(second, {10_000: 10}, actor=second.teller)
    with pytest.raises(Refused) as used:
        close(second, 100_000, 0, "B")
    assert code(used) == "bag_used"


def test_a_till_left_behind_is_counted_by_the_head_of_the_branch(house: House) -> None:
    today, head = till(house), house.staff["branch_head"]
    with pytest.raises(Forbidden):
        till_count(today, {10_000: 10}, actor=head)
    left = till(house, name="teller_2", at=now() - timedelta(days=1))
    till_count(left, {10_000: 9}, actor=head)
    asked = close(left, 90_000, number="B-2", reason="the teller is ill", actor=head)
    with pytest.raises(Forbidden):
        decide(asked.reference, head)
    decide(asked.reference, house.staff["payments"])
    left.refresh_from_db()
    assert left.state == "closed"


def _step(house: House, boxes: list[Till], rng: random.Random, n: int) -> None:
    """One thing that happens at a counter; what cannot be is refused and changes nothing."""
    head = house.staff["branch_head"]
    box = rng.choice(boxes)
    slip = rng.choice(list(Slip.objects.order_by("pk"))) if Slip.objects.exists() else None
    act = rng.choice(("take", "take", "take", "above", "decide", "cancel", "give_back", "count", "open"))
    if act == "take":
        how = rng.choice(({"method": "cash"}, {"method": "cash"}, {"method": "pos", "reference": "1"}))
        take(house, box, rng.randrange(1, 300_000), f"k{n}", **how)
    elif act == "above":
        take(house, box, ABOVE + rng.randrange(1000), f"k{n}", note="x")
    elif act == "decide" and slip and slip.state == "awaiting":
        decide(slip.approval, head, grant=rng.random() < 0.5)
    elif act == "cancel" and slip:
        decide(slip_cancel_ask(slip, reason="x", actor=slip.till.teller).reference, head, grant=rng.random() < 0.8)
    elif act == "give_back" and slip:
        slip_give_back(slip, box, reason="x", actor=box.teller)
    elif act == "count" and rng.random() < 0.3:
        pieces = {100: expected_minor(box) // 100 + rng.randrange(-3, 4), 1: expected_minor(box) % 100}
        if till_count(box, pieces, actor=box.teller) and rng.random() < 0.7:
            close(box, count_minor(pieces), number=f"B{n}", reason="x")
    elif act == "open":
        boxes.append(till(house, rng.randrange(0, 50_000), box.teller.username, key=f"o{n}"))


def _true(house: House) -> None:
    """What must hold of tills, slips and receipts after anything."""
    back = {m.slip_id: m for m in TillMove.objects.filter(kind="returned")}
    gone = list(Slip.objects.filter(state="returned", method="cash"))
    assert {s.pk: -s.amount_minor for s in gone} == {pk: m.amount_minor for pk, m in back.items()}
    for box in Till.objects.all():
        cash = box.float_minor + sum(s.amount_minor for s in box.slips.filter(method="cash").exclude(state="cancelled"))
        cash -= sum(s.amount_minor for s in gone if back[s.pk].till_id == box.pk)
        assert expected_minor(box) == (0 if box.state == "closed" else cash)
        if box.state != "open":
            assert box.count.expected_minor == cash, "nothing moves after the count"
    for s in Slip.objects.filter(receipt__isnull=False, amount_minor__gt=1_000_000):
        [step] = Approval.objects.get(reference=s.approval, state="granted").steps.all()
        assert step.decided_by.username != s.taken_by
    booked = Slip.objects.filter(state="booked")
    assert {s.receipt_id for s in booked} == set(Receipt.objects.filter(reversed_at=None).values_list("pk", flat=True))
    assert all(s.receipt is not None and s.receipt.amount_minor == s.amount_minor for s in booked.select_related("receipt"))
    assert not Slip.objects.filter(state="cancelled", receipt__reversed_at=None).exists()
    for series in CounterSeries.objects.filter(kind="slip"):
        numbers = list(Slip.objects.filter(till__branch=series.branch).order_by("pk").values_list("sequence", flat=True))
        assert numbers == list(range(1, series.last + 1))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_till_holds_what_the_slips_say(house: House, seed: int) -> None:
    rng, before = random.Random(seed), state(house)
    boxes = [till(house, 50_000, name) for name in ("teller", "teller_2")]
    for n in range(40):
        try:
            with transaction.atomic():
                _step(house, boxes, rng, n)
        except Refused:
            pass
        boxes = [Till.objects.select_related("teller").get(pk=b.pk) for b in boxes][-4:]
        _true(house)
    if not Receipt.objects.filter(reversed_at=None).exists():
        assert state(house) == before


def test_pure_rules() -> None:
    from datetime import date

    assert handover_problem(5, 5, 0, "B") == "" and handover_problem(0, 0, 0, "") == ""
    days = [date(2026, 11, 24), date(2026, 11, 25)]
    slips = [CashSlip(1, 7, days[0], 3_000_000), CashSlip(1, 7, days[0], 2_000_000), CashSlip(1, 7, days[1], 4_999_999)]
    [found] = large_cash([*slips, CashSlip(2, 7, days[0], 2_000_000)], 5_000_000)
    assert (found.day, found.amount_minor, found.payments) == (days[0], 5_000_000, 2)
    assert working_day_after(date(2026, 11, 26), 5, lambda d: d.weekday() < 5) == date(2026, 12, 3)


def test_doctor_finds_a_till_that_does_not_fit(house: House) -> None:
    box = till(house)
    slip = take(house, box, ABOVE, note="x")
    take(house, box, 300)
    assert tills_check().ok
    Slip.objects.filter(pk=slip.pk).update(amount_minor=ABOVE - 1)
    assert tills_check().detail == f"not: {box.number}"
    Slip.objects.filter(pk=slip.pk).update(amount_minor=ABOVE, sequence=3)
    assert tills_check().detail == f"not: HZ {box.day.year}"
    Slip.objects.filter(pk=slip.pk).update(sequence=1)
    Receipt.objects.update(received_on=box.day - timedelta(days=1))
    assert tills_check().detail == f"not: {Slip.objects.latest('pk').number}"


def test_nobody_asks_for_money_that_waits_at_the_counter(house: House) -> None:
    def stopped() -> bool:
        call: dict[str, Any] = {"party": house.borrower, "contracts": [house.loan], "channel": Channel.CALL, "actor": "t"}
        return "contact.hold.money_here" in verdict_ask(**call, purpose=Purpose.COLLECTION, at=now()).rules

    assert not stopped()
    slip = take(house, till(house), ABOVE, note="x")
    assert stopped()
    decide(slip.approval, house.staff["branch_head"], grant=False)
    assert stopped(), "refused, but the money is here until it is given back"
    slip_give_back(slip, slip.till, reason="x", actor=slip.till.teller)
    assert not stopped()
    again = take(house, slip.till, ABOVE, note="x")
    decide(again.approval, house.staff["branch_head"])
    assert not stopped()
