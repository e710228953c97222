"""Wordings: who drafts, who grants, what is in force on a day, what keeps one from being sent for review."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import House
from tideover.contact.approvals import template_recall, template_send
from tideover.contact.message_templates import (
    template_draft,
    template_get,
    template_in_force,
    template_publish,
    template_retire,
    templates_seed,
)
from tideover.core.approvals import approval_decide
from tideover.core.business_time import business_date
from tideover.core.models import ActionLog
from tideover.core.problems import Refused

TODAY = business_date()
WORDS = {
    "zh-hans": {"app": {"subject": "今天", "body": "今天有一期还款 {due_amount}。"}},
    "en": {"app": {"subject": "Today", "body": "{due_amount} is due today."}},
}


@pytest.fixture
def seeded(house: House) -> House:
    templates_seed(TODAY - timedelta(days=30), actor="test")
    return house


def draft(code: str = "reminder.due_today", may_flag: bool = False, **given: Any) -> Any:
    return template_draft(code, given={"texts": WORDS, **given}, note="shorter", may_flag=may_flag, actor="team_lead")


def test_a_change_is_in_force_only_when_a_second_person_grants_it(seeded: House) -> None:
    asker, other = seeded.staff["team_lead"], seeded.staff["compliance"]
    t = draft()
    assert (t.version, t.state, template_in_force(t.code, TODAY).version) == (2, "draft", 1)
    asked = template_send(t, valid_from=TODAY, reason="clearer", actor=asker)
    assert template_get(t.code).state == "review" and template_in_force(t.code, TODAY).version == 1
    with pytest.raises(Refused):
        approval_decide(asked, grant=True, reason="mine", actor=asker)
    approval_decide(asked, grant=True, reason="read both languages", actor=other)
    assert template_in_force(t.code, TODAY).version == 2
    assert template_in_force(t.code, TODAY - timedelta(days=1)).version == 1, "what held on a past day stays"
    assert ActionLog.objects.filter(action="template.publish").count() == 1


def test_a_future_day_leaves_todays_wording_until_then(seeded: House) -> None:
    then = TODAY + timedelta(days=10)
    asked = template_send(draft(), valid_from=then, reason="x", actor=seeded.staff["team_lead"])
    approval_decide(asked, grant=True, reason="x", actor=seeded.staff["legal"])
    assert [template_in_force("reminder.due_today", d).version for d in (TODAY, then - timedelta(days=1), then)] == [1, 1, 2]


def test_what_was_changed_after_it_was_read_is_not_granted(seeded: House) -> None:
    t = draft()
    asked = template_send(t, valid_from=TODAY, reason="x", actor=seeded.staff["team_lead"])
    with pytest.raises(Refused, match="waits for its review"):
        draft()
    t.refresh_from_db()
    t.texts["en"]["app"]["body"] = "changed behind the reviewer's back {due_amount}"
    t.save()
    approval_decide(asked, grant=True, reason="x", actor=seeded.staff["compliance"])
    assert template_in_force(t.code, TODAY).version == 1


def test_only_legal_flags_and_only_legal_grants_what_is_flagged(seeded: House) -> None:
    with pytest.raises(Refused, match="only legal"):
        draft(is_demand=True)
    claim = {
        lang: {"letter": {"subject": "x", "body": f"{{lender}} {{loan}} {{due_amount}} {help}"}}
        for lang, help in (("zh-hans", "有困难可以安排"), ("en", "a plan is possible"))
    }
    t = template_draft("reminder.due_today", given={"texts": claim, "is_demand": True}, note="", may_flag=True, actor="legal")
    asked = template_send(t, valid_from=TODAY, reason="x", actor=seeded.staff["team_lead"])
    with pytest.raises(Refused):
        approval_decide(asked, grant=True, reason="x", actor=seeded.staff["compliance"])
    approval_decide(asked, grant=True, reason="x", actor=seeded.staff["legal"])
    assert template_in_force(t.code, TODAY).is_demand


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": {"zh-hans": WORDS["zh-hans"]}}, "both languages"),
        ({"texts": {**WORDS, "en": {"app": {"body": "{unknown} is due"}}}}, "declared"),
        ({"texts": {**WORDS, "en": {"app": {"body": "final notice: {due_amount}"}}}}, "contact.content.forbidden.threat"),
        ({"texts": {**WORDS, "zh-hans": {"app": {"body": "{due_amount}！"}}}}, "contact.content.forbidden.shouting"),
        ({"variables": {"due_amount": {"type": "money", "example": "12.50"}}}, "must be an amount"),
        ({"variables": {"due_amount": {"type": "code", "example": 1}}}, "needs a type"),
        ({"texts": {lang: {**x, "sms": {"body": "{due_amount}"}} for lang, x in WORDS.items()}}, "no_amount"),
    ],
)
def test_a_wording_that_breaks_a_rule_is_not_even_sent_for_review(seeded: House, change: dict[str, Any], message: str) -> None:
    t = template_draft("reminder.due_today", given={"texts": WORDS, **change}, note="", may_flag=False, actor="team_lead")
    with pytest.raises(Refused, match=message):
        template_send(t, valid_from=TODAY, reason="x", actor=seeded.staff["team_lead"])


def test_a_demand_must_name_creditor_loan_and_sum(seeded: House) -> None:
    t = template_draft("reminder.due_today", given={"texts": WORDS, "is_demand": True}, note="", may_flag=True, actor="legal")
    with pytest.raises(Refused, match="names the creditor"):
        template_send(t, valid_from=TODAY, reason="x", actor=seeded.staff["legal"])


def test_recalled_refused_and_retired(seeded: House) -> None:
    lead = seeded.staff["team_lead"]
    asked = template_send(draft(), valid_from=TODAY, reason="x", actor=lead)
    assert template_recall(template_get("reminder.due_today"), actor=lead).state == "draft"
    with pytest.raises(Refused):
        approval_decide(asked, grant=True, reason="x", actor=seeded.staff["compliance"])
    asked = template_send(draft(), valid_from=TODAY, reason="again", actor=lead)
    approval_decide(asked, grant=False, reason="too short", actor=seeded.staff["compliance"])
    assert template_recall(template_get("reminder.due_today"), actor=lead).state == "draft"
    with pytest.raises(Refused, match="second person"):
        template_publish(template_get("reminder.due_today"), valid_from=TODAY, approval="", actor="team_lead")
    template_retire(template_in_force("loan.settled", TODAY), on=TODAY, reason="no longer", actor="legal")
    with pytest.raises(Refused, match=r"no template loan\.settled"):
        template_in_force("loan.settled", TODAY)


def test_seeding_again_changes_nothing(seeded: House) -> None:
    assert templates_seed(TODAY, actor="test") == 0
