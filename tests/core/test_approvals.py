"""Approvals: never the asker, never twice, by role, amount and place; what is applied is what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.factories import House
from tideover.core import approvals
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, approval_decide, approval_withdraw, approvals_to_decide
from tideover.core.authority import Line, one_of
from tideover.core.business_time import business_date, now
from tideover.core.models import ActionLog, Approval, AuthorityVersion, Role, User
from tideover.core.problems import Refused, refuse

APPLIED: list[Any] = []
STAMP = {"S-1": "1"}
ASKS = frozenset({Role.PAYMENTS, Role.FINANCE, Role.BRANCH_HEAD})


def _apply(a: Approval, actor: User) -> Any:
    if a.payload.get("bad"):
        raise refuse("impossible", "it cannot be done")
    APPLIED.append(a.payload)
    return {"done": a.payload}


def _show(a: Approval) -> list[Shown]:
    return [Shown("limit", "1", "2")]


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    APPLIED.clear()
    STAMP["S-1"] = "1"
    table = (
        Line((frozenset({Role.BRANCH_HEAD, Role.FINANCE}),), up_to_minor=10_000),
        Line((frozenset({Role.BRANCH_HEAD, Role.FINANCE}), frozenset({Role.RISK, Role.FINANCE}))),
    )
    kept = dict(approvals._kinds)
    approvals.register(ApprovalKind("t.one", "one", ASKS, one_of(Role.FINANCE, Role.PAYMENTS), _apply, _show))
    approvals.register(ApprovalKind("t.sum", "sum", ASKS, table, _apply, _show, stamp=lambda s, p: STAMP[s[1]]))
    yield
    approvals._kinds.clear()
    approvals._kinds.update(kept)


def ask(user: User, kind: str = "t.one", **given: Any) -> Approval:
    base: dict[str, Any] = {"subject": ("thing", "S-1"), "payload": {"x": 1}, "reason": "because"}
    return approval_ask(kind, **(base | given), actor=user)


def code(error: pytest.ExceptionInfo[Refused]) -> str:
    return error.value.problems[0].code


def test_a_second_person_decides_and_what_was_asked_is_applied(house: House) -> None:
    a = ask(house.staff["payments"])
    assert [x.reference for x in approvals_to_decide(house.staff["finance"])] == [a.reference]
    assert approvals_to_decide(house.staff["payments"]) == []
    done = approval_decide(a, grant=True, reason="fine", actor=house.staff["finance"])
    assert (done.state, APPLIED, done.outcome) == ("granted", [{"x": 1}], {"done": {"x": 1}})
    assert list(ActionLog.objects.order_by("id").values_list("action", flat=True))[-2:] == ["approval.ask", "approval.grant"]
    with pytest.raises(Refused) as error:
        approval_decide(a, grant=True, reason="again", actor=house.staff["payments"])
    assert code(error) == "not_open" and len(APPLIED) == 1


def test_the_asker_the_wrong_role_and_another_branch_may_not(house: House) -> None:
    a = ask(house.staff["finance"], branch="NB", entity="BANK", kind="t.sum", amount_minor=1)
    for who, why in (("finance", "own_request"), ("collector", "no_authority"), ("branch_head", "out_of_reach")):
        with pytest.raises(Refused) as error:
            approval_decide(a, grant=True, reason="x", actor=house.staff[who])
        assert (code(error), error.value.status) == (why, 403)
    assert not APPLIED
    with pytest.raises(Refused) as error:
        ask(house.staff["collector"])
    assert code(error) == "may_not_ask"


def test_above_an_amount_two_different_people_decide(house: House) -> None:
    a = ask(house.staff["payments"], "t.sum", amount_minor=10_001)
    finance, risk = house.staff["finance"], house.staff["risk"]
    assert approval_decide(a, grant=True, reason="ok", actor=finance).state == "open"
    with pytest.raises(Refused) as error:
        approval_decide(a, grant=True, reason="ok", actor=finance)
    assert code(error) == "decided_before" and not APPLIED
    assert approval_decide(a, grant=True, reason="ok", actor=risk).state == "granted"
    small = ask(house.staff["payments"], "t.sum", amount_minor=10_000)
    assert approval_decide(small, grant=True, reason="ok", actor=finance).state == "granted"


def test_a_refusal_ends_it(house: House) -> None:
    a = ask(house.staff["payments"], "t.sum", amount_minor=10_001)
    assert approval_decide(a, grant=False, reason="no", actor=house.staff["finance"]).state == "refused"
    assert not APPLIED


def test_a_subject_that_changed_is_refused(house: House) -> None:
    a = ask(house.staff["payments"], "t.sum", amount_minor=5)
    STAMP["S-1"] = "2"
    done = approval_decide(a, grant=True, reason="ok", actor=house.staff["finance"])
    assert (done.state, done.closed_why, APPLIED) == ("refused", "stale", [])


@pytest.mark.parametrize("how", ["left", "another role"])
def test_what_somebody_asked_who_may_not_ask_any_more_is_not_done(house: House, how: str) -> None:
    a = ask(house.staff["payments"])
    User.objects.filter(username="payments").update(**({"is_active": False} if how == "left" else {"role": Role.COLLECTOR}))
    done = approval_decide(a, grant=True, reason="ok", actor=house.staff["finance"])
    assert (done.state, done.closed_why, APPLIED) == ("refused", "asker", [])


def test_what_was_asked_under_a_milder_authority_must_be_asked_again(house: House) -> None:
    a = ask(house.staff["payments"], "t.sum", amount_minor=10_000)
    table = 't.sum: [{up_to: "50.00", steps: [[finance]]}, {steps: [[finance], [risk]]}]'
    AuthorityVersion.objects.create(text=table, valid_from=business_date(), recorded_at=now())
    done = approval_decide(a, grant=True, reason="ok", actor=house.staff["finance"])
    assert (done.state, done.closed_why, APPLIED) == ("refused", "authority", [])
    again = ask(house.staff["payments"], "t.sum", amount_minor=10_000)
    assert again.steps_needed == [["finance"], ["risk"]]
    assert approval_decide(again, grant=False, reason="no", actor=house.staff["finance"]).closed_why == "decided"


def test_a_new_role_between_the_steps_gives_nobody_a_second_say(house: House) -> None:
    a = ask(house.staff["payments"], "t.sum", amount_minor=10_001)
    approval_decide(a, grant=True, reason="ok", actor=house.staff["finance"])
    User.objects.filter(username="finance").update(role=Role.RISK)
    for who in ("finance", "payments"):
        User.objects.filter(username="payments").update(role=Role.FINANCE)
        with pytest.raises(Refused) as error:
            approval_decide(a, grant=True, reason="ok", actor=User.objects.get(username=who))
        assert code(error) == {"finance": "decided_before", "payments": "own_request"}[who]
    assert not APPLIED


def test_a_payload_that_was_changed_is_not_applied(house: House) -> None:
    a = ask(house.staff["payments"])
    Approval.objects.filter(pk=a.pk).update(payload={"x": 2})
    with pytest.raises(Refused) as error:
        approval_decide(a, grant=True, reason="ok", actor=house.staff["finance"])
    assert code(error) == "changed_payload" and not APPLIED
    assert approvals.broken() == [a.reference]


def test_a_payload_that_was_changed_together_with_its_hash_is_found_by_the_log(house: House) -> None:
    a = ask(house.staff["payments"])
    a.payload = {"x": 2}
    Approval.objects.filter(pk=a.pk).update(payload=a.payload, payload_hash=approvals.payload_hash(a))
    assert approvals.broken() == [a.reference]


def test_the_doctor_finds_a_grant_without_a_second_person(house: House) -> None:
    a = ask(house.staff["payments"])
    assert approvals.broken() == []
    Approval.objects.filter(pk=a.pk).update(state="granted")
    assert approvals.broken() == [a.reference]


def test_what_cannot_be_applied_stays_open(house: House) -> None:
    a = ask(house.staff["payments"], payload={"bad": True})
    with pytest.raises(Refused):
        approval_decide(a, grant=True, reason="ok", actor=house.staff["finance"])
    a.refresh_from_db()
    assert a.state == "open" and not a.steps.exists()


def test_clock_withdrawal_and_the_same_request_twice(house: House) -> None:
    a = ask(house.staff["payments"])
    with pytest.raises(Refused) as error:
        ask(house.staff["payments"])
    assert code(error) == "already_asked"
    with pytest.raises(Refused):
        approval_withdraw(a, actor=house.staff["finance"])
    assert approval_withdraw(a, actor=house.staff["payments"]).state == "withdrawn"
    late = ask(house.staff["payments"])
    Approval.objects.filter(pk=late.pk).update(expires_at=now() - timedelta(seconds=1))
    with pytest.raises(Refused) as error:
        approval_decide(late, grant=True, reason="ok", actor=house.staff["finance"])
    late.refresh_from_db()
    assert (code(error), late.state) == ("expired", "expired")
