"""Pages and REST of pay-offs: what a borrower reads in each state and can do, staff's quotes, money that is left, bad input."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House, loan, mandate
from tests.lending.debits.worlds import clock
from tests.lending.payoff.conftest import ACCOUNT
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.core.business_time import business_date
from tideover.engine.events import EventKind
from tideover.lending.journal import event_append
from tideover.lending.models import Collateral, Contract, Debit, HeldWish, PayoffQuote, Receipt
from tideover.lending.models.organisation import BookMode
from tideover.lending.payoff import paying, views_mine
from tideover.lending.payoff.selectors import asked_on
from tideover.lending.payoff.services import payoff_quote
from tideover.lending.receipts.services import Payer, Source, receipt_record

TODAY = business_date()
LAST = TODAY + timedelta(days=6)


@pytest.fixture(autouse=True)
def noon(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon: the bank still takes something today."""
    settings.DEBIT_FOLDER = tmp_path
    monkeypatch.setattr(views_mine, "now", lambda: clock(12))
    monkeypatch.setattr(paying, "now", lambda: clock(12))


@pytest.fixture
def mine(house: House) -> Contract:
    """A loan of the borrower's whose first instalment lies ahead."""
    return loan(
        "N-1", house.borrower, house.branch, disbursed_on=TODAY - timedelta(days=10), first_due_on=TODAY + timedelta(days=21)
    )


def read(house: House, address: str, language: str = "en", status: int = 200) -> str:
    response = client_for(house, "borrower", language).get(address)
    assert response.status_code == status
    return str(response.content.decode())


def send(house: House, address: str, status: int = 302, **form: object) -> str:
    response = client_for(house, "borrower").post(address, form)
    assert response.status_code == status, response.content.decode()
    return str(response.content.decode())


def quoted(contract: Contract) -> tuple[PayoffQuote, int]:
    q = payoff_quote(contract, valid_until=LAST, actor="borrower")
    return q, asked_on(q, TODAY) or 0


def pays(house: House, amount: int, names: str, account: str = ACCOUNT) -> Receipt:
    return receipt_record(
        entity_id=house.entity.pk, party=house.borrower, amount_minor=amount, received_on=TODAY,
        payer=Payer("李明", account, "ICBC"), source=Source("bank"), idempotency_key=f"{names}{amount}", actor="payments",
        designation=[{"debt": names}],
    )  # fmt: skip


def yuan(minor: int) -> str:
    return f"¥{minor / 100:,.2f}"


def test_what_it_costs_and_a_sum_in_writing(house: House, mine: Contract) -> None:
    page = read(house, "/my/payoff/N-1")
    assert "you save" in page and "article 677" in page and page.count("<tr>") == 8 and 'name="until"' in page
    assert "checked" not in page, "nothing is chosen for them"
    assert "Choose until which day" in send(house, "/my/payoff/N-1", 422, act="quote")
    send(house, "/my/payoff/N-1", act="quote", until=LAST.isoformat())
    q = PayoffQuote.objects.get()
    page = read(house, "/my/payoff/N-1")
    assert q.number in page and yuan(asked_on(q, TODAY) or 0) in page and "not switched automatic payment on" in page
    chinese = read(house, "/my/payoff/N-1", "zh-hans")
    assert q.number in chinese and "有效到" in chinese and "holds until" not in chinese
    assert "nearer" in send(house, "/my/payoff/N-1", 422, act="quote", until=(TODAY + timedelta(days=99)).isoformat())


def test_paid_from_the_account_of_the_mandate_once(house: House, mine: Contract) -> None:
    mandate(mine)
    q, amount = quoted(mine)
    page = read(house, "/my/payoff/N-1")
    assert f"Pay {yuan(amount)} now" in page and page.count("btn--primary") == 1
    assert "has changed" in send(house, "/my/payoff/N-1", 422, act="pay", quote=q.number, shown=amount - 1)
    assert not Debit.objects.exists()
    for _ in range(2):
        send(house, "/my/payoff/N-1", act="pay", quote=q.number, shown=amount)
    assert Debit.objects.get().amount_minor == amount
    page = read(house, "/my/payoff/N-1")
    assert (
        "on its way" in page and "do not transfer it as well" in page and "<form" not in page.split("<main")[1].split("</main")[0]
    )


def test_paid_off_says_so_and_what_is_over_can_be_had_back(house: House, mine: Contract) -> None:
    q, amount = quoted(mine)
    Collateral.objects.create(contract=mine, kind="flat", value_minor=1, valued_on=TODAY)
    for n, other in enumerate((house.loan, house.second_loan)):
        event_append(other, kind=EventKind.PAYOFF, effective_on=TODAY, idempotency_key=f"o{n}", actor="t")
    pays(house, amount + 1_230, q.number)
    page = read(house, "/my/payoff/N-1")
    assert "paid off" in page and "¥12.30 was more than needed" in page and "free again" in page
    assert "You have ¥12.30 with us" in read(house, "/")


def test_a_fen_that_was_missing_is_said(house: House, mine: Contract) -> None:
    q, amount = quoted(mine)
    pays(house, amount - 1, q.number)
    assert "¥0.01 was still missing" in read(house, "/my/payoff/N-1")


def test_days_that_are_over_and_what_was_paid_since(house: House, mine: Contract) -> None:
    q, _amount = quoted(mine)
    event_append(
        mine, kind=EventKind.PAYMENT, effective_on=TODAY, amount_minor=5_000, idempotency_key="k", actor="t",
    )  # fmt: skip
    assert "You paid ¥50.00 since" in read(house, "/my/payoff/N-1")
    PayoffQuote.objects.filter(pk=q.pk).update(valid_until=TODAY - timedelta(days=1), first_on=TODAY - timedelta(days=2))
    page = read(house, "/my/payoff/N-1")
    assert "its days are over" in page and "What it costs" in page and "A new sum in writing" in page


def test_beside_a_core_nothing_is_promised(house: House, mine: Contract) -> None:
    house.entity.book_mode = BookMode.OVERLAY
    house.entity.save()
    page = read(house, "/my/payoff/N-1")
    assert "account system" in page and 'name="until"' not in page
    assert "account system" in send(house, "/my/payoff/N-1", 422, act="quote", until=LAST.isoformat())


def test_loans_of_others_are_not_there(house: House) -> None:
    assert client_for(house, "borrower").get("/my/payoff/T-3").status_code == 404
    assert client_for(house, "collector").get("/my/payoff/T-1").status_code == 403


def test_money_with_us_is_kept_or_sent_back(house: House) -> None:
    held = receipt_record(
        entity_id=house.entity.pk, party=house.borrower, amount_minor=9_000_000, received_on=TODAY, payer=Payer("李明", ACCOUNT),
        source=Source("bank"), idempotency_key="all", actor="payments",
    )  # fmt: skip
    left = held.unapplied_minor
    assert left > 0 and yuan(left) in read(house, "/") and yuan(left) in read(house, "/my/held")
    send(house, "/my/held", receipt=held.number, wish="send_back")
    assert HeldWish.objects.get().wish == "send_back" and "to go back" in read(house, "/my/held")
    row = client_for(house, "payments").get("/receipts?show=wanted_back").content.decode()
    assert held.number in row and "Money that people want back" in client_for(house, "payments").get("/").content.decode()
    send(house, "/my/held", receipt=held.number, wish="keep")
    assert HeldWish.objects.get().wish == "keep"
    assert client_for(house, "borrower").post("/my/held", {"receipt": "R-9", "wish": "keep"}).status_code == 404
    Receipt.objects.filter(pk=held.pk).update(payer_account=b"")
    assert "do not know from which account" in send(house, "/my/held", 422, receipt=held.number, wish="send_back")


def test_nothing_with_us_says_so(house: House) -> None:
    assert "Nothing of yours is with us" in read(house, "/my/held")


def test_staff_make_and_withdraw_on_pages(house: House, mine: Contract) -> None:
    desk = client_for(house, "payments")
    assert desk.get("/loans/N-1/payoff-quotes").status_code == 200
    assert "Enter a day" in desk.post("/loans/N-1/payoff-quotes/make", {"until": "soon"}).content.decode()
    assert desk.post("/loans/N-1/payoff-quotes/make", {"until": LAST.isoformat()}).status_code == 302
    q = PayoffQuote.objects.get()
    assert (
        q.number in desk.get("/loans/N-1").content.decode() and q.number in desk.get("/loans/N-1/payoff-quotes").content.decode()
    )
    assert "Say why" in desk.post(f"/payoff-quotes/{q.number}/withdraw", {"reason": " "}).content.decode()
    assert desk.post(f"/payoff-quotes/{q.number}/withdraw", {"reason": "wrong"}).status_code == 302
    assert PayoffQuote.objects.get().ended == "withdrawn"
    assert client_for(house, "auditor").post("/loans/N-1/payoff-quotes/make", {}).status_code == 403
    assert desk.post("/payoff-quotes/JQ00000000/withdraw", {"reason": "x"}).status_code == 404


def test_rest(house: House, mine: Contract) -> None:
    c = client(house, "payments")
    made = post(c, "/loans/N-1/payoff-quotes", {"valid_until": LAST.isoformat()})
    assert made.status_code == 200, made.content
    q = made.json()
    assert (q["state"], len(q["days"]), q["loan_id"], q["since"]) == (
        "open", 7, "N-1", {"lower": "0.00", "higher": "0.00", "void": False},
    )  # fmt: skip
    assert re.fullmatch(r"JQ\d{8}", q["number"])
    day = q["days"][0]
    assert sum(round(float(a) * 100) for a in day["parts"].values()) == round(float(day["amount"]) * 100)
    assert post(c, "/loans/N-1/payoff-quotes", {"valid_until": LAST.isoformat()}).json()["number"] == q["number"]
    late = post(c, "/loans/N-1/payoff-quotes", {"valid_until": "2031-01-01"})
    assert late.status_code == 422 and late.json()["errors"][0]["code"] == "too_far"
    body = {"party": "P-0001", "entity": "BANK", "amount": day["amount"], "received_on": TODAY.isoformat(), "source": "app"}
    receipt = post(c, "/receipts", {**body, "designation": [{"debt": q["number"]}]}).json()
    read_back = c.get(f"/api/v1/payoff-quotes/{q['number']}").json()
    assert (read_back["state"], read_back["receipt"], read_back["waived"]) == ("used", receipt["number"], "0.00")
    assert c.get("/api/v1/loans/N-1/payoff-quotes").json()["items"][0]["state"] == "used"
    assert post(c, f"/payoff-quotes/{q['number']}/withdraw", {"reason": "x"}).status_code == 422
    assert client(house, "auditor").get(f"/api/v1/payoff-quotes/{q['number']}").status_code == 200
