"""The borrower's home in every state: what is said, that changes add up, that no number is lost, that words stay kind."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import polib
import pytest
from django.utils.translation import override

from tests.factories import House
from tests.web.test_pages import BANNED_EN, BANNED_ZH, ROOT, client_for
from tideover.core.business_time import business_date, now
from tideover.core.models import Role, User
from tideover.engine.events import EventKind
from tideover.lending.models import Contract, Hold
from tideover.lending.panels_mine import MyLoan, my_loans
from tideover.lending.services import event_record
from tideover.lending.services_rows import complaint_open, dispute_open, help_request_open, promise_make

TODAY = business_date()
KEYS = iter(f"mine-{n}" for n in range(1000))


def book(loan: Contract, kind: EventKind, minor: int = 0, on: date = TODAY, **extra: Any) -> int:
    loan.refresh_from_db()
    made = event_record(loan, kind=kind, effective_on=on, amount_minor=minor, idempotency_key=next(KEYS), actor="t", extra=extra)
    return int(made.seq)


def mine(house: House, number: str = "T-1") -> MyLoan:
    return next(m for m in my_loans(house.staff["borrower"]) if m.contract.number == number)


def text(house: House, address: str = "/", language: str = "en") -> str:
    page = client_for(house, "borrower", language).get(address)
    assert page.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", page.content.decode()).split())


def add_up(m: MyLoan) -> dict[str, int]:
    with override("en"):
        c = m.changes
    assert c is not None
    assert c.before_minor + sum(amount for _label, amount in c.lines) == c.now_minor == m.due_minor
    return dict(c.lines)


def test_what_changed_adds_up_and_names_what_was_paid(house: House) -> None:
    before = mine(house)
    lines = add_up(before)
    assert list(lines) == ["Interest on the late part"] and lines["Interest on the late part"] > 0
    book(house.loan, EventKind.PAYMENT, 300_000, TODAY - timedelta(days=2))
    lines = add_up(mine(house))
    assert lines["What you paid"] == -300_000


def test_what_changed_adds_up_through_fees_waivers_reversals_and_the_whole_loan_due(house: House) -> None:
    paid = book(house.loan, EventKind.PAYMENT, 100_000, TODAY - timedelta(days=5))
    book(house.loan, EventKind.WAIVER, 500, TODAY - timedelta(days=3), component="penalty")
    assert add_up(mine(house))["What we took off"] == -500
    book(house.loan, EventKind.REVERSAL, 0, TODAY - timedelta(days=1), of_seq=paid)
    assert "What you paid" not in add_up(mine(house))
    book(house.loan, EventKind.ACCELERATION)
    add_up(mine(house))


def test_a_loan_whose_whole_sum_fell_due_says_since_when_and_the_way_out(house: House) -> None:
    assert mine(house).whole_due_since is None
    seq = book(house.loan, EventKind.ACCELERATION)
    assert mine(house).whole_due_since == TODAY
    assert "a counsellor can look for steps with you" in text(house)
    book(house.loan, EventKind.REVERSAL, of_seq=seq)
    assert mine(house).whole_due_since is None


def test_nothing_to_come_makes_no_heading_and_late_interest_is_worked_out(house: House) -> None:
    words = text(house)
    assert "What comes next" not in words and "Progress 0 of 3 paid" in words
    assert re.search(r"No\. 1: ¥[\d,.]+ × 6% × 3/2 ÷ 360 × \d+ days = ¥", words), words


def test_how_many_payments_are_late_stands_in_both_languages(house: House) -> None:
    assert "3 payments have not arrived yet" in text(house)
    assert "有 3 期还款还没有到账" in text(house, language="zh-hans")


def test_chinese_keeps_every_value_of_the_english_sentence() -> None:
    po = polib.pofile(str(ROOT / "src/tideover/web/locale/zh_Hans/LC_MESSAGES/django.po"))
    values = re.compile(r"%\(\w+\)[sd]")
    for entry in po:
        zh = entry.msgstr_plural[0] if entry.msgid_plural else entry.msgstr
        assert set(values.findall(entry.msgid_plural or entry.msgid)) == set(values.findall(zh)), entry.msgid


def test_a_loan_paid_off_leads_to_its_letter(house: House) -> None:
    for loan in (house.loan, house.second_loan):
        book(loan, EventKind.PAYOFF)
    page = client_for(house, "borrower").get("/").content.decode()
    assert "Everything is paid off" in page and "How to pay" not in page


@pytest.mark.parametrize(("language", "banned"), [("en", BANNED_EN), ("zh-hans", BANNED_ZH)])
def test_notices_say_what_stands_and_stay_kind(house: House, language: str, banned: tuple[str, ...]) -> None:
    who, loan = house.borrower, house.loan
    promise_make(who, loan, amount_minor=30_000, promised_on=TODAY, due_on=TODAY + timedelta(days=3), actor="t")
    promise_make(
        who, loan, amount_minor=40_000, promised_on=TODAY - timedelta(days=9), due_on=TODAY - timedelta(days=3), actor="t"
    )
    promise_make(
        who, loan, amount_minor=50_000, promised_on=TODAY - timedelta(days=90), due_on=TODAY - timedelta(days=60), actor="t"
    )
    dispute_open(who, loan, opened_on=TODAY, subject="amount", actor="t")
    complaint_open(who, loan, source="phone", opened_on=TODAY, subject="tone", actor="t")
    Hold.objects.create(
        party=who, contract=loan, actor="t", recorded_at=now(), kind="breathing_space", starts_at=now(),
        ends_at=now() + timedelta(days=9), review_on=TODAY,
    )  # fmt: skip
    help_request_open(who, loan, reason="", actor="borrower")
    book(house.loan, EventKind.ACCELERATION)
    words = text(house, language=language)
    assert "¥300.00" in words and "¥400.00" in words and "¥500.00" not in words
    assert len(re.findall("核实|looking into", words)) == (1 if language == "zh-hans" else 2)
    assert ("我的求助" if language == "zh-hans" else "My request for help") in words
    for address in ("/", "/my/documents", "/my/help", "/my/contact?saved=withdrawn", "/settings", "/my/messages"):
        said = text(house, address, language).lower()
        assert [b for b in banned if b in said] == [], address


def test_a_sign_in_without_a_loan_finds_a_person_to_talk_to(house: House) -> None:
    house.staff["stranger"] = User.objects.create_user(username="stranger", role=Role.BORROWER)
    page = client_for(house, "stranger").get("/my/help")
    assert page.status_code == 200 and "No loan belongs to this sign-in" in page.content.decode()
    assert "400-000-0001" in page.content.decode()


def test_each_document_says_what_it_is_good_for(house: House) -> None:
    assert "for a landlord or a bank who asks how you pay" in text(house, "/my/documents")
