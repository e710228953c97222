"""Posting over random books: every day in balance, the sum of postings is the positions, in whatever order the days came."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from tests.accounting.books import days, end_of, happen, ledger, post, sub_ledger
from tests.daily.books import AS_OF, START, book_build
from tests.factories import House
from tideover.accounting import doctor
from tideover.accounting.charts import FOLDER, chart_load
from tideover.accounting.models import BookRun, Entry, LoanPosition, PeriodClose, Turnover
from tideover.accounting.posting import books_post
from tideover.accounting.selectors import income_by_month, trial_balance
from tideover.accounting.services import period_close_ask, period_digest
from tideover.core.approvals import approval_decide
from tideover.core.models import Approval, Role, User
from tideover.core.problems import Refused
from tideover.engine.events import EventKind as K
from tideover.lending.models import Contract, LoanParty, Receipt

LOANS = 50
pytestmark = pytest.mark.django_db


def sound() -> None:
    failed = [c for c in doctor.checks() if not c.ok]
    assert not failed, failed


def old_loan(house: House, number: str = "L-1") -> Contract:
    """¥12,000 at 6 % in three equal principal parts from 20 January 2026; the house's own loans are put aside."""
    c = house.loan
    Contract.objects.filter(pk=c.pk).update(created_at=end_of(date(2026, 1, 20)))
    Contract.objects.exclude(pk=c.pk).update(created_at=end_of(date(2030, 1, 1)))
    return Contract.objects.get(pk=c.pk)


@pytest.mark.parametrize("seed", [1, 2])
def test_day_by_day_and_at_once_end_alike(house: House, seed: int) -> None:
    book_build(house, LOANS, seed)
    Contract.objects.filter(number__startswith="L").update(created_at=end_of(date(2030, 1, 1)))
    with transaction.atomic():
        post(AS_OF, first=START)
        at_once = sub_ledger()
        sound()
        transaction.set_rollback(True)
    assert not Entry.objects.exists() and len(at_once) > 30
    seen = START
    while seen < AS_OF:  # days of very different length, each from what was known on its evening
        seen = min(AS_OF, seen + timedelta(days=1 + seed * 7 + seen.day % 13))
        post(seen, first=START)
    sound()
    assert Entry.objects.filter(kind="adjusting").exists(), "no news of earlier days in this book"
    skipped = set(BookRun.objects.order_by("-last_day")[0].skipped)  # an event that cannot happen: what was posted stays
    assert len(skipped) < LOANS // 3
    assert {k: v for k, v in sub_ledger().items() if k not in skipped} == {k: v for k, v in at_once.items() if k not in skipped}


def test_every_day_is_in_balance_and_posting_again_posts_nothing(house: House) -> None:
    book_build(house, LOANS, 3)
    post(AS_OF, first=START)
    count = Entry.objects.count()
    assert count > 5000
    for entity in {e.entity for e in Entry.objects.select_related("entity")[:50]}:
        for on in days(START, AS_OF)[::29]:
            found = trial_balance(entity, on)
            assert found.is_zero and (on == START or found.lines)
    again = post(AS_OF)
    assert again is not None and again.entries == 0 and Entry.objects.count() == count
    assert post(AS_OF - timedelta(days=5)) is None


def test_news_of_a_closed_month_is_booked_in_the_open_one_with_its_own_day(house: House) -> None:
    c = old_loan(house)
    post(date(2026, 3, 2), first=date(2026, 1, 20))
    period_close(house, date(2026, 1, 1))
    period_close(house, date(2026, 2, 1))
    before = period_digest(house.entity, date(2026, 2, 1))
    happen(c, 1, K.PAYMENT, date(2026, 2, 20), 406_000, known=date(2026, 3, 3))
    post(date(2026, 3, 3))
    adjusting = Entry.objects.filter(kind="adjusting")
    assert adjusting and {(e.booked_on, e.effective_on, e.contract_id) for e in adjusting} == {
        (date(2026, 3, 3), date(2026, 2, 20), c.pk)
    }
    by = {e.position: e for e in adjusting}
    assert by["principal.paid"].amount_minor == 400_000 and by["interest.paid"].amount_minor == 6_200 - 200
    assert period_digest(house.entity, date(2026, 2, 1)) == before
    sound()


def test_a_closed_period_takes_no_entry_and_no_entry_can_be_changed(house: House) -> None:
    old_loan(house)
    post(date(2026, 3, 2), first=date(2026, 1, 20))
    period_close(house, date(2026, 1, 1))
    row = Entry.objects.filter(period=date(2026, 1, 1)).first()
    assert row is not None
    for spoil in (
        lambda: Entry.objects.filter(pk=row.pk).update(amount_minor=1),
        lambda: Entry.objects.filter(pk=row.pk).delete(),
        lambda: PeriodClose.objects.all().delete(),
        lambda: Entry.objects.create(
            **{f.attname: getattr(row, f.attname) for f in Entry._meta.fields if f.name not in ("id", "voucher")}, voucher=999
        ),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            spoil()
    with pytest.raises(Refused, match="closed"):
        period_close_ask(house.entity, date(2026, 1, 1), reason="again", actor=house.staff["finance"])
    assert books_post(date(2026, 1, 25), cut_off=end_of(date(2026, 3, 9))) is None


def period_close(house: House, period: date) -> Approval:
    asked = period_close_ask(house.entity, period, reason="month end", actor=house.staff["finance"])
    return approval_decide(asked, grant=True, reason="looked at", actor=second(house))


def second(house: House) -> User:
    return house.staff["risk"]


def test_closing_needs_a_second_person_order_and_whole_months(house: House) -> None:
    old_loan(house)
    post(date(2026, 3, 2), first=date(2026, 1, 20))
    finance = house.staff["finance"]
    with pytest.raises(Refused, match="close periods in order"):
        period_close_ask(house.entity, date(2026, 2, 1), reason="x", actor=finance)
    with pytest.raises(Refused, match="is posted through"):
        period_close_ask(house.entity, date(2026, 3, 1), reason="x", actor=finance)
    with pytest.raises(Refused):
        period_close_ask(house.entity, date(2026, 1, 1), reason="x", actor=house.staff["auditor"])
    asked = period_close_ask(house.entity, date(2026, 1, 1), reason="x", actor=finance)
    with pytest.raises(Refused, match="second person"):
        approval_decide(asked, grant=True, reason="mine", actor=finance)
    assert not PeriodClose.objects.exists()
    approval_decide(asked, grant=True, reason="yes", actor=second(house))
    closed = PeriodClose.objects.get()
    assert (closed.asked_by, closed.decided_by) == (finance.username, second(house).username)
    assert second(house).role == Role.RISK


def test_non_accrual_day_by_day(house: House) -> None:
    """Due 20 February 2026 and never paid: day 91 is 22 May. Interest leaves income then, and comes back when all is paid."""
    c = old_loan(house)
    post(date(2026, 5, 21), first=date(2026, 1, 20))
    row = LoanPosition.objects.get(pk=c.pk)
    assert row.nonaccrual_since is None and "off.interest" not in row.amounts
    income = row.amounts["interest.recognised"]
    post(date(2026, 5, 22))
    row = LoanPosition.objects.get(pk=c.pk)
    assert row.nonaccrual_since == date(2026, 5, 22)
    assert row.amounts.get("interest.recognised", 0) == 0 and row.amounts["off.interest"] == income
    turned = Entry.objects.filter(booked_on=date(2026, 5, 22), position="interest.recognised")
    assert [(e.turned, e.amount_minor, e.debit) for e in turned] == [(True, income, "601101")]
    happen(c, 1, K.PAYMENT, date(2026, 6, 1), 100_000)
    post(date(2026, 6, 1))
    row = LoanPosition.objects.get(pk=c.pk)
    assert row.nonaccrual_since is not None, "a part of the arrears does not cure"
    assert row.amounts["interest.recognised"] == row.amounts["interest.paid"]
    happen(c, 2, K.PAYOFF, date(2026, 6, 10))
    post(date(2026, 6, 10))
    row = LoanPosition.objects.get(pk=c.pk)
    assert row.nonaccrual_since is None and "off.interest" not in row.amounts
    assert income_by_month(house.entity)[-1].received_minor > 0
    sound()


def test_vat_stops_at_day_90_and_is_due_when_the_money_comes(house: House) -> None:
    """Settlement day 20 February: interest that arises after 21 May is taxed when received."""
    c = old_loan(house)
    found = {}
    for on in (date(2026, 5, 21), date(2026, 5, 22), date(2026, 6, 30)):
        post(on, first=date(2026, 1, 20))
        found[on] = LoanPosition.objects.get(pk=c.pk).amounts["vat.output"]
    assert found[date(2026, 5, 21)] == found[date(2026, 5, 22)] == found[date(2026, 6, 30)] > 0
    happen(c, 1, K.PAYOFF, date(2026, 7, 1))
    post(date(2026, 7, 1))
    a = LoanPosition.objects.get(pk=c.pk).amounts
    gross = sum(a.get(f"{n}.paid", 0) for n in ("interest", "penalty", "compound"))
    assert a["vat.output"] == round(gross * 6 / 106) > found[date(2026, 6, 30)]


def test_write_off_and_recovery(house: House) -> None:
    c = old_loan(house)
    happen(c, 1, K.WRITE_OFF, date(2026, 6, 1))
    post(date(2026, 6, 1), first=date(2026, 1, 20))
    owner = house.entity.pk
    assert ledger()[owner, "1304"] == 1_200_000 and ledger()[owner, "9004"] == 1_200_000
    assert not any((owner, code) in ledger() for code in ("130301", "130302", "130303", "113201", "113202", "113203"))
    assert ledger()[owner, "601101"] == -ledger()[owner, "222101"] > 0, "tax that fell due on lost interest stays due"
    happen(c, 2, K.PAYMENT, date(2026, 7, 1), 500_000)
    post(date(2026, 7, 1))
    a = LoanPosition.objects.get(pk=c.pk).amounts
    assert a["principal.recovered"] == a["principal.paid"] > 0
    assert ledger()[owner, "1304"] == 1_200_000 - a["principal.paid"] == ledger()[owner, "9004"]
    assert a["interest.recognised"] == a["interest.paid"] > 0
    happen(c, 3, K.WAIVER, date(2026, 7, 2), -1, component="principal")
    post(date(2026, 7, 2))
    assert ledger()[owner, "1304"] == 1_200_000 - a["principal.paid"], "a waiver after the write-off is no second loss"
    assert (owner, "9004") not in ledger() and (owner, "671101") not in ledger()
    sound()


def test_a_co_lender_bears_its_share(house: House) -> None:
    c = old_loan(house)
    LoanParty.objects.create(contract=c, party=house.other_borrower, role="co_lender", share_ppm=300_000, valid_from=c.signed_on)
    happen(c, 1, K.PAYMENT, date(2026, 2, 20), 406_000)
    post(date(2026, 2, 20), first=date(2026, 1, 20))
    owner, found = house.entity.pk, ledger()
    assert found[owner, "122105"] == 360_000 and found[owner, "224104"] == -(120_000 + 1_800)
    assert found[owner, "130301"] == 560_000 and found[owner, "9007"] == 240_000
    assert found[owner, "1011"] == -1_200_000 + 406_000
    sound()


def test_suspense_and_its_end(house: House) -> None:
    old_loan(house)
    r = Receipt.objects.create(
        number="R-1", entity=house.entity, party=house.borrower, amount_minor=5_000, unapplied_minor=5_000, source_kind="bank",
        received_on=date(2026, 1, 22), recorded_at=end_of(date(2026, 1, 22)), payer_name="x", idempotency_key="k",
        body_hash=b"", actor="t",
    )  # fmt: skip
    post(date(2026, 1, 25), first=date(2026, 1, 20))
    entry = Entry.objects.get(position="suspense")
    assert (entry.booked_on, entry.debit, entry.credit, entry.amount_minor) == (date(2026, 1, 22), "1011", "224102", 5_000)
    Receipt.objects.filter(pk=r.pk).update(unapplied_minor=0, placed_minor=F("amount_minor"))
    post(date(2026, 1, 26))
    assert (house.entity.pk, "224102") not in ledger()
    sound()


def test_another_chart_moves_every_balance_on_its_first_day(house: House) -> None:
    c = old_loan(house)
    post(date(2026, 2, 25), first=date(2026, 1, 20))
    text = (FOLDER / "cn.yaml").read_text(encoding="utf-8").replace("1970-01-01", "2026-03-01", 1)
    text = text.replace('"130302"', '"1303.90"').replace('"601101"', '"6011.10"')
    chart_load(house.entity, text, "mine.yaml", actor="test")
    happen(c, 1, K.PAYMENT, date(2026, 3, 2), 100_000)
    post(date(2026, 3, 2))
    owner, found = house.entity.pk, ledger()
    assert (owner, "130302") not in found and (owner, "601101") not in found and found[owner, "6011.10"] < 0
    assert Entry.objects.filter(kind="chart", booked_on=date(2026, 3, 1)).exists()
    sound()
    with pytest.raises(Refused, match="is booked through"):
        chart_load(house.entity, text.replace("2026-03-01", "2026-02-15", 1), "mine.yaml", actor="test")


def test_breaks_are_found(house: House) -> None:
    """Broken on purpose, one after the other: an amount of the sub-ledger, a turnover, a voucher that is missing."""
    c = old_loan(house)
    post(date(2026, 2, 25), first=date(2026, 1, 20))
    sound()
    with transaction.atomic():
        row = LoanPosition.objects.get(pk=c.pk)
        row.amounts["interest.recognised"] += 1
        row.save()
        assert {x.name for x in doctor.checks() if not x.ok} == {"sub-ledger = ledger", "sub-ledger = replay"}
        transaction.set_rollback(True)
    with transaction.atomic():
        t = Turnover.objects.filter(account="601101").first()
        assert t is not None
        t.credit_minor += 1
        t.save()
        assert {x.name for x in doctor.checks() if not x.ok} == {"trial balance"}
        transaction.set_rollback(True)
    if connection.vendor == "sqlite":
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("DROP TRIGGER accounting_entry_no_delete")
                cursor.execute("DELETE FROM accounting_entry WHERE voucher = 3")
            assert "vouchers" in {x.name for x in doctor.checks() if not x.ok}
            transaction.set_rollback(True)
    sound()


def test_a_run_that_stopped_half_way_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from tideover.accounting import posting

    book_build(house, 30, 5)
    monkeypatch.setattr(posting, "PART", 7)
    real, calls = posting.moved, []

    def dies(*args: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(posting, "moved", dies)
    with pytest.raises(KeyboardInterrupt):
        post(AS_OF, first=START)
    run = BookRun.objects.get(state="running")
    assert run.done_to > 0 and not Entry.objects.exists()
    found = post(AS_OF)
    assert found is not None and found.first_day == START and BookRun.objects.get().state == "done"
    sound()
