"""Wordings under Regulation F: each passes the pack's rules, and is blocked once a disclosure or the way out is taken away."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.contact.test_outbox import NOON, queue, ready  # noqa: F401
from tests.factories import House
from tideover.contact.message_templates import (
    CHANNELS_OF,
    LANGUAGES,
    Speaker,
    catalogue_read,
    example_values,
    flags_of,
    pack_of,
    template_from,
    template_in_force,
    text_make,
)
from tideover.contact.models import Message, MessageTemplate
from tideover.contact.rules.content import AMOUNT
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.contact.rules.validation import validation_end
from tideover.core.packs.load import calendar
from tideover.lending.models import ContactRecord
from tideover.lending.services_points import point_set
from tideover.sources.services import consent_give

TODAY = date(2026, 11, 24)
US = [template_from(e) for e in catalogue_read() if pack_of(e["code"]) == "us"]
HOME = {e["code"] for e in catalogue_read() if pack_of(e["code"]) == "cn"}
SPEAKER = Speaker(("示例银行", "Example Bank"), "us", "USD")
RULE = "contact.content.required."
MINI_MIRANDA = {
    "en": "This communication is from a debt collector attempting to collect a debt, and any information obtained will be used "
    "for that purpose.",
    "zh-hans": "本信息来自债务催收方，旨在收取债务，所得信息将用于这一目的。",
}
WAYS_OUT = {
    "en": (
        "Reply STOP to opt out of texts.",
        "To opt out of e-mail from us, reply STOP to this e-mail or use its unsubscribe link.",
    ),
    "zh-hans": ("回复 STOP 退订短信。", "不想再收到我们的邮件，请回复 STOP 退订。"),
}


def texts() -> list[tuple[MessageTemplate, str, str, Channel]]:
    return [
        (t, lang, v, channel) for t in US for lang in LANGUAGES for v in t.texts.get(lang, {}) for channel in CHANNELS_OF[v]
    ]  # fmt: skip


def broken(t: MessageTemplate, language: str, variant: str, channel: Channel, *taken: str, flags: Any = ()) -> set[str]:
    """Rules that a text breaks once some words are taken out of it."""
    wording = dict(t.texts[language][variant])
    for words in taken:
        wording["body"] = wording["body"].replace(words, "")
    made = text_make(t, channel, language, example_values(t, language), SPEAKER, wording, TODAY, flags)
    assert not made.faults or made.findings, made.faults
    return {f.rule.removeprefix(RULE) for f in made.findings}


def test_every_wording_of_the_house_has_one_for_the_united_states() -> None:
    assert {t.code.removeprefix("us.") for t in US} == HOME | {"notice.validation"}


@pytest.mark.parametrize("t", US, ids=lambda t: t.code)
def test_every_text_passes_also_as_the_first_communication(t: MessageTemplate) -> None:
    for one, language, variant, channel in texts():
        if one is t:
            assert broken(t, language, variant, channel, flags=("initial",)) == set(), (language, variant, channel)


def test_without_the_disclosure_every_text_that_needs_it_is_blocked() -> None:
    needs = 0
    for t, language, variant, channel in texts():
        if t.purpose == Purpose.REPLY or t.recipient != Recipient.DEBTOR:
            continue
        needs += 1
        call = ("this call is from a debt collector.", "本通电话来自债务催收方。")
        assert "debt_collector" in broken(t, language, variant, channel, MINI_MIRANDA[language], *call), (
            t.code,
            language,
            variant,
        )
        first = broken(t, language, variant, channel, MINI_MIRANDA[language], flags=("initial",))
        assert ("initial" in first) == (t.purpose != Purpose.SERVICE)
    assert needs > 100


def test_without_the_way_out_every_electronic_message_is_blocked() -> None:
    seen = set()
    for t, language, variant, channel in texts():
        if variant not in ("sms", "mail") or channel == Channel.PUSH or t.purpose == Purpose.REPLY:
            continue
        assert broken(t, language, variant, channel, *WAYS_OUT[language]) == {"opt_out"}, (t.code, language, variant, channel)
        seen.add(channel)
    assert seen == {Channel.SMS, Channel.EMAIL, Channel.WECOM, Channel.MINI_PROGRAM}


def test_no_text_message_names_a_sum_and_sums_elsewhere_are_in_dollars() -> None:
    for t, language, variant, channel in texts():
        made = text_make(t, channel, language, example_values(t, language), SPEAKER, t.texts[language][variant], TODAY)
        assert "¥" not in made.subject + made.body
        if variant == "sms":
            assert not AMOUNT.search(made.body) and len(made.body) < 300, made.body


@pytest.mark.parametrize(
    ("taken", "rule"),
    [
        ("we must stop collection on any amount you dispute", "validation_dispute"),
        ("name and address of the original creditor", "validation_creditor"),
        ("www.cfpb.gov/debt-collection", "validation_rights"),
        ("attempting to collect a debt, and any information", "validation_collector"),
    ],
)
def test_a_validation_notice_that_lacks_a_part_is_blocked(taken: str, rule: str) -> None:
    t = next(t for t in US if t.code == "us.notice.validation")
    assert flags_of(t) == ("validation",) and set(t.texts["en"]) == {"mail", "letter"}
    assert rule in broken(t, "en", "letter", Channel.LETTER, taken)


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (date(2026, 10, 5), date(2026, 11, 12)),  # Columbus Day on the 12th, so received on the 13th
        (date(2026, 11, 20), date(2026, 12, 30)),  # Thanksgiving on the 26th
        (date(2026, 11, 21), date(2026, 12, 30)),  # a Saturday
    ],
)
def test_the_last_day_to_dispute(sent: date, end: date) -> None:
    assert validation_end(sent, calendar("us-federal"), received_after=5, period=30) == end


@pytest.fixture
def american(ready: House) -> House:  # noqa: F811
    """The house under the US pack; its borrower reads English and has mail."""
    ready.entity.jurisdiction, ready.entity.currency = "us", "USD"
    ready.entity.save()
    for c in (ready.loan, ready.second_loan):
        c.entity, c.currency = ready.entity, "USD"
    ready.borrower.language = ready.borrower.user.language = "en"
    ready.borrower.branch = ready.branch
    ready.branch.entity = ready.entity
    ready.borrower.user.save()
    ready.borrower.save()
    consent_give(ready.borrower, None, purpose="contact", given_how="app", given_at=NOON, actor="t")
    point_set(ready.borrower, "email", "ann@example.com", source="staff", actor="t")
    return ready


def test_an_american_gets_the_american_wording(american: House) -> None:
    at = NOON.replace(hour=22)  # 10 a.m. in New York
    m = queue(american, at=at, channel=Channel.EMAIL)
    assert (m.state, m.reason, m.template.code) == ("drafted", "", "us.late.one_payment")
    assert "$1,273.63" in m.body and "from a debt collector attempting" in m.body and m.body.endswith("unsubscribe link.")
    text = queue(american, "k2", at=at)
    assert text.state == "drafted" and "reply stop" in text.body.lower() and "$" not in text.body
    assert template_in_force("late.one_payment", NOON.date()).code == "late.one_payment"


def test_the_first_communication_needs_more_than_the_later_ones(american: House) -> None:
    t = template_in_force("late.one_payment", NOON.date(), "us")
    short = t.texts["en"]["mail"]["body"].replace(MINI_MIRANDA["en"], "This is from a debt collector.")
    t.texts["en"]["mail"]["body"] = short
    t.save()
    at = NOON.replace(hour=22)
    assert queue(american, at=at, channel=Channel.EMAIL).reason == RULE + "initial"
    ContactRecord.objects.create(
        party=american.borrower, at=at, direction="out", channel="letter", purpose="statutory", outcome="delivered",
        about=f"|{american.loan.pk}|", actor="t", recorded_at=at,
    )  # fmt: skip
    assert queue(american, "k2", at=at, channel=Channel.EMAIL).state == "drafted"
    other = queue(american, "k3", at=at, channel=Channel.EMAIL, contracts=[american.second_loan])
    assert other.reason == RULE + "initial", "each debt has its own first communication"


def test_a_validation_notice_prints_the_last_day_to_dispute(american: House) -> None:
    values = {
        "creditor": "Tide Bank", "collector_address": "PO Box 1", "itemized_on": date(2026, 4, 1), "itemized": 10_000,
        "interest": 0, "fees": 0, "paid": 0, "total": 10_000,
    }  # fmt: skip
    m = queue(american, at=NOON, channel=Channel.EMAIL, template="notice.validation", purpose=Purpose.STATUTORY, values=values)
    assert m.state == "drafted", m.reason
    assert "Call or write to us by 18 June to dispute" in m.body and "$100.00" in m.body
    assert Message.objects.count() == 1
