"""Organisation, parties of a loan and products hold from a day to the day before another; the past keeps what held then."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.factories import House
from tests.lending.test_packs import opened
from tideover.core.models import Role
from tideover.core.problems import Refused
from tideover.lending.models import Branch, LegalEntity, LoanParty, Staff, Team
from tideover.lending.selectors import contracts_visible, post_of
from tideover.lending.services_agreements import loan_party_add
from tideover.lending.services_organisation import (
    branch_create,
    entity_create,
    organisation_end,
    staff_create,
    team_create,
)

START, MOVED = date(2024, 1, 1), date(2026, 3, 1)
ONE = timedelta(days=1)
ACTOR = "engineer"


def organised(house: House) -> tuple[LegalEntity, Branch, Team, Staff]:
    entity = entity_create(code="NEW", name_zh="新", name_en="New", lender_type="micro_lender", valid_from=START, actor=ACTOR)
    branch = branch_create(entity=entity, code="NX", name_zh="新", name_en="New", region="x", valid_from=START, actor=ACTOR)
    team = team_create(branch=branch, code="NT", name_zh="新", name_en="New", valid_from=START, actor=ACTOR)
    staff = staff_create(
        username="newcomer", role="collector", number="N-1", name_zh="新", name_en="New", entity=entity, branch=branch,
        team=team, valid_from=START, actor=ACTOR,
    )  # fmt: skip
    return entity, branch, team, staff


def test_each_level_holds_from_its_first_day_to_the_day_before_its_end(house: House) -> None:
    for row in reversed(organised(house)):
        assert [row.holds_on(d) for d in (START - ONE, START, date(2099, 1, 1))] == [False, True, True]
        ended = organisation_end(row, valid_to=MOVED, actor=ACTOR)
        assert [ended.holds_on(d) for d in (START, MOVED - ONE, MOVED)] == [True, True, False]
        with pytest.raises(Refused, match="ended on 2026-03-01"):
            organisation_end(row, valid_to=date(2027, 1, 1), actor=ACTOR)


def test_nothing_begins_before_or_lasts_longer_than_what_it_belongs_to(house: House) -> None:
    entity, branch, _, _ = organised(house)
    with pytest.raises(Refused, match="the entity holds from 2024-01-01"):
        branch_create(entity=entity, code="E", name_zh="早", name_en="E", region="", valid_from=START - ONE, actor=ACTOR)
    with pytest.raises(Refused, match="last longer"):
        organisation_end(branch, valid_to=MOVED, actor=ACTOR)


def test_somebody_who_moves_sees_the_old_branch_until_the_day_and_the_new_one_from_it(house: House) -> None:
    collector = house.staff["collector"]
    old = collector.posts.get()
    organisation_end(old, valid_to=MOVED, actor=ACTOR)
    staff_create(
        username="collector", role="collector", number="C-2", name_zh="陈明", name_en="Chen Ming", entity=house.entity,
        branch=house.other_branch, team=None, valid_from=MOVED, actor=ACTOR,
    )  # fmt: skip
    seen = {d: set(contracts_visible(collector, d).values_list("number", flat=True)) for d in (MOVED - ONE, MOVED)}
    assert seen == {MOVED - ONE: {"T-1", "T-2"}, MOVED: {"T-3"}}
    assert [post_of(collector, d).number for d in (MOVED - ONE, MOVED)] == [old.number, "C-2"]  # type: ignore[union-attr]
    organisation_end(collector.posts.get(number="C-2"), valid_to=MOVED + 30 * ONE, actor=ACTOR)
    assert post_of(collector, MOVED + 30 * ONE) is None
    assert not contracts_visible(collector, MOVED + 30 * ONE).exists()


def test_a_contract_is_signed_only_where_branch_entity_and_manager_hold(house: House) -> None:
    manager = Staff.objects.get(user__role=Role.CUSTOMER_MANAGER)
    Branch.objects.filter(pk=house.branch.pk).update(valid_to=date(2024, 1, 22))
    LegalEntity.objects.filter(pk=house.entity.pk).update(valid_from=date(2024, 1, 23))
    Staff.objects.filter(pk=manager.pk).update(valid_to=date(2024, 1, 1))
    branch, manager = Branch.objects.get(pk=house.branch.pk), Staff.objects.get(pk=manager.pk)
    with pytest.raises(Refused) as caught:
        opened(house, branch=branch, manager=manager)
    assert {(p.code, p.field) for p in caught.value.problems} == {
        ("outside_validity", "branch"), ("outside_validity", "entity"), ("outside_validity", "manager"),
    }  # fmt: skip
    Branch.objects.update(valid_to=date(2024, 1, 23))
    LegalEntity.objects.update(valid_from=START)
    assert opened(house, branch=Branch.objects.get(pk=branch.pk)).branch_id == branch.pk


def test_a_loan_keeps_who_stood_in_it_and_when(house: House) -> None:
    heir = house.other_borrower
    loan_party_add(
        house.loan, heir, role="guarantor_joint", valid_from=date(2026, 1, 20), valid_to=MOVED, cap_minor=500_000, actor=ACTOR
    )
    loan_party_add(house.loan, heir, role="heir", valid_from=MOVED, actor=ACTOR)

    def roles(on: date) -> set[str]:
        rows = LoanParty.objects.filter(contract=house.loan, valid_from__lte=on).exclude(valid_to__lte=on)
        return set(rows.values_list("role", flat=True))

    assert roles(MOVED - ONE) == {"borrower", "guarantor_joint"} and roles(MOVED) == {"borrower", "heir"}
    with pytest.raises(Refused, match="already"):
        loan_party_add(house.loan, heir, role="heir", valid_from=MOVED, actor=ACTOR)
