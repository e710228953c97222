"""Holds: each kind commits with its cause or not at all, ends with it, and is reviewed within its longest length."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.factories import House
from tests.factories import debit as debit_row
from tideover.core.access import PERMISSIONS
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.models import Role, WorkItem
from tideover.core.packs.load import pack
from tideover.core.problems import Refused
from tideover.core.work_sources import work_sync
from tideover.engine.events import EventKind
from tideover.engine.terms import day
from tideover.lending import causes, services_rows
from tideover.lending.debits.moves import debit_move
from tideover.lending.imports.bulk import BulkEvent, append
from tideover.lending.models import (
    Complaint,
    Debit,
    Dispute,
    HelpRequest,
    Hold,
    HoldReview,
    LoanEvent,
    Notice,
    Promise,
    Receipt,
    StandingRow,
)
from tideover.lending.panels import EXCEPTIONS
from tideover.lending.payments import NewPayment
from tideover.lending.receipts import holds as receipt_holds
from tideover.lending.receipts.payer import watch_list_load
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.rules.debits import State
from tideover.lending.rules.holds import KINDS, HoldTerm, hold_end, hold_kinds, hold_term, term_read
from tideover.lending.services import event_record, payments_record
from tideover.lending.services_holds import hold_place, hold_review, open_now
from tideover.web.api import api
from tideover.web.home import HOMES

TODAY = business_date()


def event(house: House, kind: EventKind, key: str = "k", amount: int = 0, on: date = TODAY, **extra: Any) -> LoanEvent:
    return event_record(
        house.loan, kind=kind, effective_on=on, amount_minor=amount, extra=extra or None, idempotency_key=key, actor="head"
    )


def promise(house: House, amount: int = 10_000, days: int = 5) -> Promise:
    return services_rows.promise_make(
        house.borrower, house.loan, amount_minor=amount, promised_on=TODAY, due_on=TODAY + timedelta(days=days), actor="t"
    )


def debit(house: House) -> Debit:
    row = Debit.objects.filter(reference="D-1").first() or debit_row(house.loan, "drafted")
    return row if row.state != State.DRAFTED else debit_move(row, State.SENT, actor="payments")


def notice(kind: str) -> Callable[[House], Any]:
    return lambda h: services_rows.notice_receive(h.borrower, None, kind=kind, received_on=TODAY, source="family", actor="legal")


def stopped_money(house: House) -> Receipt:
    watch_list_load("un", b"name\nEvil Zhao\n", actor="compliance")
    return receipt_record(
        party=house.borrower, entity_id=house.entity.pk, amount_minor=500, received_on=TODAY, payer=Payer("Evil Zhao"),
        source=Source("bank"), idempotency_key="stopped", actor="payments",
    )  # fmt: skip


CAUSES: dict[str, tuple[Callable[[House], Any], Callable[[], int]]] = {
    "hardship_request": (
        lambda h: services_rows.help_request_open(h.borrower, h.loan, reason="", actor="b"),
        HelpRequest.objects.count,
    ),
    "live_promise": (promise, Promise.objects.count),
    "plan_kept": (lambda h: event(h, EventKind.DEFER, rows=1, defer_interest="spread"), LoanEvent.objects.count),
    "dispute": (
        lambda h: services_rows.dispute_open(h.borrower, h.loan, opened_on=TODAY, subject="x", actor="t"),
        Dispute.objects.count,
    ),
    "complaint": (
        lambda h: services_rows.complaint_open(h.borrower, None, source="12378", opened_on=TODAY, subject="x", actor="t"),
        Complaint.objects.count,
    ),
    "death": (notice("death"), Notice.objects.count),
    "incapacity": (notice("incapacity"), Notice.objects.count),
    "insolvency": (lambda h: event(h, EventKind.INSOLVENCY), LoanEvent.objects.count),
    "breathing_space": (
        lambda h: event(h, EventKind.PAUSE, until=(TODAY + timedelta(days=20)).isoformat(), pause_what=2),
        LoanEvent.objects.count,
    ),
    "cease_contact": (notice("cease_contact"), Notice.objects.count),
    "money_here": (stopped_money, Receipt.objects.count),
    "debit_in_flight": (debit, lambda: Debit.objects.exclude(state="drafted").count()),
}


def test_every_kind_of_hold_has_its_cause() -> None:
    assert set(CAUSES) == set(KINDS) <= set(hold_kinds(pack("cn"), TODAY))


@pytest.mark.parametrize("kind", KINDS)
def test_hold_and_cause_are_there_together_or_not_at_all(house: House, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cause, count = CAUSES[kind]

    def broken(*args: Any, **values: Any) -> Hold:
        hold_place(*args, **values)
        raise RuntimeError("stop here")

    for module in (causes, services_rows, receipt_holds):
        monkeypatch.setattr(module, "hold_place", broken)
    with pytest.raises(RuntimeError):
        cause(house)
    assert (count(), Hold.objects.count()) == (0, 0)
    monkeypatch.undo()
    cause(house)
    term = hold_term(pack("cn"), kind, TODAY)
    [hold] = Hold.objects.filter(kind=kind)
    assert count() == 1 and hold.owner == term.owner and hold.review_on == TODAY + timedelta(days=term.review_days)
    assert hold.cause and (hold.ends_at is None) == (term.days_max is None and kind != "breathing_space")
    assert hold.contract_id == (None if kind in PERSON else house.loan.pk)


PERSON = ("hardship_request", "complaint", "death", "incapacity", "insolvency", "cease_contact", "money_here")


@pytest.mark.parametrize("kind", ["hardship_request", "live_promise", "dispute", "complaint", "death", "cease_contact"])
def test_a_hold_ends_with_its_cause(house: House, kind: str) -> None:
    services_rows.row_close(CAUSES[kind][0](house), on=TODAY, actor="t")
    assert Hold.objects.get(kind=kind).lifted_at is not None


def test_a_reversed_event_ends_what_it_placed(house: House) -> None:
    event(house, EventKind.INSOLVENCY)
    event(house, EventKind.REVERSAL, "r", of_seq=1)
    assert Hold.objects.get().lifted_why == "its event was reversed"


def test_a_debit_with_a_result_ends_its_hold(house: House) -> None:
    row = debit(house)
    debit_move(row, State.UNKNOWN, actor="bank")
    assert Hold.objects.get().lifted_at is None
    debit_move(row, State.FAILED, actor="bank")
    assert Hold.objects.get().lifted_at is not None
    with pytest.raises(AssertionError):
        debit_move(row, State.SENT, actor="bank")


def test_money_still_on_its_way_is_held_again_after_the_longest_length(house: House) -> None:
    row = debit(house)
    Hold.objects.update(starts_at=now() - timedelta(days=6), ends_at=now() - timedelta(days=1))
    debit_move(row, State.UNKNOWN, actor="bank")
    assert Hold.objects.filter(open_now(now()), kind="debit_in_flight").count() == 1
    causes.debit_holds(row.contract, row.reference, moves=True, actor="bank")
    assert Hold.objects.count() == 2


def test_a_promise_is_kept_by_what_comes_in_by_any_way_and_holds_again_when_it_is_taken_back(house: House) -> None:
    mine = promise(house, 10_000)
    event(house, EventKind.PAYMENT, "p1", 4_000)
    assert Hold.objects.get().lifted_at is None
    payments_record(house.staff["payments"], [NewPayment("T-1", 6_000, TODAY, "p2")])
    mine.refresh_from_db()
    assert mine.kept_at is not None and Hold.objects.get().lifted_why == "the promise was kept"
    event(house, EventKind.REVERSAL, "r", of_seq=2)
    mine.refresh_from_db()
    assert mine.kept_at is None and Hold.objects.filter(lifted_at=None).count() == 1


def test_the_next_day_sees_promises_kept_by_an_imported_payment(house: House) -> None:
    mine = promise(house, 10_000)
    append([(house.loan.pk, [BulkEvent(int(EventKind.PAYMENT), day(TODAY), 10_000, "b")])], "core")
    assert causes.promises_look(TODAY) == 1
    mine.refresh_from_db()
    assert mine.kept_at is not None


def test_a_promise_ends_with_its_day_and_a_past_one_holds_nothing(house: House) -> None:
    promise(house, days=0)
    assert Hold.objects.get().ends_at == start_of_day(TODAY + timedelta(days=1))
    services_rows.promise_make(
        house.borrower,
        house.loan,
        amount_minor=1,
        promised_on=TODAY - timedelta(days=9),
        due_on=TODAY - timedelta(days=1),
        actor="t",
    )
    assert Hold.objects.count() == 1


def test_a_plan_holds_while_it_is_kept(house: House) -> None:
    event(house, EventKind.DEFER, rows=1, defer_interest="spread")
    StandingRow.objects.filter(contract=house.loan).update(days_past_due=40, oldest_due_on=TODAY - timedelta(days=40))
    assert causes.plans_look(TODAY) == 0, "what was late before the plan does not break it"
    StandingRow.objects.filter(contract=house.loan).update(days_past_due=2, oldest_due_on=TODAY)
    assert causes.plans_look(TODAY) == 1 and Hold.objects.get().lifted_why == "the plan is not kept"


def test_events_that_come_in_bulk_place_holds_too(house: House) -> None:
    rows = [BulkEvent(int(EventKind.INSOLVENCY), day(TODAY), 0, "i")]
    append([(house.loan.pk, rows)], "core")
    assert Hold.objects.get().kind == "insolvency"
    append([(house.loan.pk, [BulkEvent(int(EventKind.REVERSAL), day(TODAY), 0, "v", {"of_seq": 1})])], "core")
    assert Hold.objects.get().lifted_at is not None


def test_a_hold_is_lifted_by_a_review_with_a_reason_only_and_by_no_collector(house: House) -> None:
    assert not any(p.startswith("/api/v1/holds/") and p.endswith("/close") for p in api.get_openapi_schema()["paths"])
    for act in ("holds-review", "help-requests-close", "complaints-close", "disputes-close", "notices-close"):
        assert Role.COLLECTOR not in PERMISSIONS[f"api:{act}"], act


def test_a_review_that_is_due_is_shown_once(house: House) -> None:
    hold = hold_place(house.borrower, house.loan, kind="dispute", starts_at=now() - timedelta(days=9), actor="t")
    assert hold.review_on is not None and hold.review_on < TODAY
    assert "hold" not in EXCEPTIONS and "hold" not in {key for keys in HOMES.values() for key in keys}
    work_sync(TODAY)
    assert [w.kind for w in WorkItem.objects.filter(done_at=None)] == ["hold.review"]


def test_a_review_keeps_extends_within_the_longest_length_or_lifts(house: House) -> None:
    at = now()
    hold = hold_place(
        house.borrower, house.loan, kind="breathing_space", starts_at=at, ends_at=at + timedelta(days=10), actor="t"
    )
    for act, end, reason, code in (
        ("keep", None, " ", "missing"),
        ("forget", None, "x", "bad_act"),
        ("extend", at + timedelta(days=9), "x", "bad_dates"),
        ("extend", at + timedelta(days=63), "x", "over_longest"),
    ):
        with pytest.raises(Refused) as refused:
            hold_review(hold, act=act, reason=reason, ends_at=end, actor="t")
        assert refused.value.problems[0].code == code
    assert HoldReview.objects.count() == 0
    longer = hold_review(hold, act="extend", reason="still ill", ends_at=at + timedelta(days=60), actor="lead")
    assert longer.ends_at == at + timedelta(days=60) and longer.review_on == TODAY + timedelta(days=31)
    assert hold_review(hold, act="lift", reason="well again", actor="lead").lifted_why == "well again"
    assert [r.act for r in HoldReview.objects.order_by("pk")] == ["extend", "lift"]
    with pytest.raises(Refused):
        hold_review(hold, act="keep", reason="x", actor="lead")


def test_terms_are_read_from_the_pack_or_refused_by_key() -> None:
    at = start_of_day(TODAY)
    assert hold_term(pack("us"), "live_promise", TODAY) == HoldTerm("live_promise")
    assert hold_end(HoldTerm("x", 3), at, None) == at + timedelta(days=3)
    assert hold_end(HoldTerm("x"), at, None) is None
    for values in ({"days_max": -1}, {"review_days": True}, {"owner": 3}):
        with pytest.raises(ValueError, match=next(iter(values))):
            term_read("x", values)
