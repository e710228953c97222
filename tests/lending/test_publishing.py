"""Products and reference rates are published by two people; what a reset does is said before, and is what then happens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.factories import House
from tests.strategies import random_terms
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.contact.message_templates import templates_seed
from tideover.contact.models import Message
from tideover.contact.rate_notices import notices_send
from tideover.core.approvals import approval_decide, kind_of
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.packs.rules import fixings
from tideover.core.packs.rules.fixings import MissingFixing
from tideover.core.problems import Refused
from tideover.engine.events import Event, EventKind
from tideover.lending import doctor, publishing, rates
from tideover.lending.models import Contract, Product, PublishedRate, ResetNotice
from tideover.lending.products import CATALOGUE, product_load
from tideover.lending.resets import resets_record
from tideover.lending.rules.reset_effect import rate_before, reset_effect
from tideover.lending.selectors import loan_standing
from tideover.lending.services import contract_open
from tideover.lending.words import money
from tideover.web.house_rows import missing_fixings

TEXT = (CATALOGUE / "consumer_equal_principal.yaml").read_text(encoding="utf-8")


def next_version(**words: str) -> str:
    today = business_date()
    text = TEXT.replace("version: 1", "version: 2", 1)
    lines = [f"valid_from: {today}" if line.startswith("valid_from:") else line for line in text.splitlines()]
    for old, new in words.items():
        lines = [line.replace(old, new) for line in lines]
    return "\n".join(lines) + "\n"


def test_a_version_is_on_offer_once_a_second_person_agreed(house: House) -> None:
    risk = client(house, "risk")
    first = post(risk, "/products", {"yaml": next_version(), "reason": "cheaper"})
    assert first.status_code == 202 and Product.objects.filter(code="consumer-equal-principal").count() == 1
    a = Approval.objects.get(reference=first.json()["approval"])
    changed = {s.what: (s.now, s.then) for s in kind_of(a.kind).show(a)}
    assert changed["version"] == ("1", "2") and "conventions.method" not in changed
    approval_decide(a, grant=True, reason="ok", actor=house.staff["compliance"])
    old, new = Product.objects.filter(code="consumer-equal-principal").order_by("version")
    assert (old.valid_to, new.valid_from, new.valid_to) == (business_date(), business_date(), None)
    house.loan.refresh_from_db()
    assert house.loan.product == old, "what was signed keeps its version"
    assert post(risk, "/products", {"yaml": next_version()}).json()["version"] == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"version: 2": "version: 3"}, "bad_version"),
        ({f"valid_from: {business_date()}": "valid_from: 2024-01-01"}, "in_the_past"),
        ({"annual_rate_ppm: ": "annual_rate_ppm: 9"}, None),
    ],
)
def test_what_cannot_be_published_is_refused_with_its_reason(house: House, words: dict[str, str], code: str | None) -> None:
    with pytest.raises(Refused) as error:
        publishing.product_ask(text=next_version(**words), reason="x", actor=house.staff["risk"])
    codes = [p.code for p in error.value.problems]
    assert code in codes if code else any("art" in p.message or "第" in p.message for p in error.value.problems), codes


def test_a_version_asked_for_on_an_older_one_is_stale(house: House) -> None:
    first = publishing.product_ask(text=next_version(), reason="x", actor=house.staff["risk"])
    other = publishing.product_ask(text=next_version() + "# other\n", reason="x", actor=house.staff["risk"])
    approval_decide(first, grant=True, reason="ok", actor=house.staff["compliance"])
    assert approval_decide(other, grant=True, reason="ok", actor=house.staff["compliance"]).closed_why == "stale"


@dataclass
class Floating:
    contract: Contract
    house: House


@pytest.fixture
def floating(house: House) -> Floating:
    product = product_load((CATALOGUE / "sme_lpr_floating.yaml").read_text(encoding="utf-8"))
    contract = contract_open(
        number="F-1", product=product, borrower=house.borrower, branch=house.branch, principal_minor=30_000_000,
        annual_rate_ppm=rates.fixing("lpr_1y", date(2025, 4, 21)) + 12_500, signed_on=date(2025, 4, 21),
        disbursed_on=date(2025, 4, 21), due_day=21, maturity_on=date(2026, 4, 21), actor="t",
    )  # fmt: skip
    return Floating(contract, house)


def test_what_is_said_before_a_reset_is_what_happens(floating: Floating) -> None:
    """LPR 3.10 % → 3.00 %: 300,000 × 4.35 % or 4.25 % × 31 or 30 days ÷ 360."""
    c = floating.contract
    [coming] = rates.coming_resets([c], date(2025, 7, 1))
    effect = coming.effect
    assert effect is not None and coming.reset_on == date(2025, 7, 21)
    assert (effect.old_rate_ppm, effect.new_rate_ppm) == (rates.fixing("lpr_1y", date(2025, 4, 21)) + 12_500, effect.new_rate_ppm)
    resets_record(c, until=date(2025, 7, 21), actor="close")
    c.refresh_from_db()
    after = loan_standing(c, date(2025, 7, 21))
    row = next(r for r in after.rows if r.due_on == effect.first_due_on)
    assert row.total_minor == effect.new_instalment_minor != effect.old_instalment_minor


def test_notices_are_made_once_and_the_borrower_reads_them(floating: Floating, monkeypatch: pytest.MonkeyPatch) -> None:
    resets = rates.coming_resets([floating.contract], date(2025, 7, 1))
    assert rates.notices_make(resets, actor="risk") == 1
    assert rates.notices_make(resets, actor="risk") == 0 and ResetNotice.objects.count() == 1
    ResetNotice.objects.update(reset_on=business_date() + timedelta(days=3))
    notice = ResetNotice.objects.get()
    words = client_for(floating.house, "borrower").get("/").content.decode()
    assert money(notice.old_instalment_minor) in words and money(notice.new_instalment_minor) in words


def test_the_outbox_gets_each_notice_once(floating: Floating, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2025, 7, 1, 12, tzinfo=UTC)
    assert notices_send(at, actor="close") == (1, 0), "no template is in force yet: the notice waits"
    templates_seed(date(2025, 1, 1), actor="t")
    assert notices_send(at, actor="close") == (0, 1) and notices_send(at, actor="close") == (0, 0)
    message, notice = Message.objects.get(), ResetNotice.objects.get()
    assert message.key == notice.message == "reset:F-1:2025-07-21"
    assert money(notice.new_instalment_minor) in message.body and message.template.code == "rate.reset"


@pytest.mark.parametrize("seed", range(30))
def test_a_reset_to_the_rate_that_holds_changes_no_rate_and_a_lower_one_costs_less(seed: int) -> None:
    terms = random_terms(random.Random(seed))
    on = terms.disbursed_on + 40
    same = reset_effect(terms, [], on, terms.annual_rate_ppm)
    if same is None:
        return
    assert same.old_rate_ppm == same.new_rate_ppm == terms.annual_rate_ppm
    higher = reset_effect(terms, [], on, terms.annual_rate_ppm + 50_000)
    assert higher is not None and higher.new_left_minor >= same.new_left_minor
    event = Event(seq=1, on=on - 5, kind=EventKind.RATE_CHANGE, rate_ppm=77_000)
    assert rate_before(terms, [event], on) == 77_000
    assert rate_before(terms, [event, Event(seq=2, on=on - 4, kind=EventKind.REVERSAL, of_seq=1)], on) == terms.annual_rate_ppm


def test_a_rate_is_published_by_two_people_and_then_holds(house: House) -> None:
    risk = house.staff["risk"]
    with pytest.raises(MissingFixing):
        rates.fixing("lpr_1y", date(2026, 6, 25))
    bad: list[tuple[dict[str, Any], str]] = [
        ({"index": "libor"}, "unknown_index"),
        ({"on": date(2026, 6, 21)}, "not_a_publication_day"),
        ({"rate_ppm": 0}, "bad_rate"),
        ({"on": date(2027, 1, 20)}, "in_the_future"),
    ]
    base: dict[str, Any] = {"index": "lpr_1y", "on": date(2026, 6, 22), "rate_ppm": 34_500, "reason": "published", "actor": risk}
    for words, code in bad:
        with pytest.raises(Refused) as error:
            publishing.rate_ask(**(base | words))
        assert error.value.problems[0].code == code
    a = publishing.rate_ask(**base)
    approval_decide(a, grant=True, reason="checked against the website", actor=house.staff["finance"])
    assert rates.fixing("lpr_1y", date(2026, 6, 25)) == 34_500 and PublishedRate.objects.get().approval == a
    assert rates.fixing("lpr_1y", date(2026, 5, 25)) == 30_000, "the pack's own still hold"
    with pytest.raises(Refused):
        publishing.rate_ask(**base)


def test_publishing_mends_the_alarm(house: House) -> None:
    """Once published, a fixing is in what the doctor, the homes and the price caps read; the pack's own is never replaced."""
    on, later = date(2026, 6, 22), date(2026, 6, 25)
    lacks = {c.name: c.detail for c in doctor.checks()}["reference rates"]
    assert "2026-06" in lacks and missing_fixings(later)["lpr_1y"] == on
    with pytest.raises(MissingFixing):
        fixings.fixing(rates.pack_here("cn"), "lpr_1y", later)
    for index in rates.indices():
        a = publishing.rate_ask(index=index, on=on, rate_ppm=34_500, reason="chinamoney.com.cn", actor=house.staff["risk"])
        approval_decide(a, grant=True, reason="checked", actor=house.staff["finance"])
    assert "2026-06" not in {c.name: c.detail for c in doctor.checks()}["reference rates"]
    assert missing_fixings(later) == {} and fixings.fixing(rates.pack_here("cn"), "lpr_1y", later) == 34_500
    both = fixings.with_fixings(rates.pack("cn"), [("lpr_1y", date(2026, 5, 20), 1)])
    assert fixings.fixing(both, "lpr_1y", date(2026, 5, 25)) == 30_000
