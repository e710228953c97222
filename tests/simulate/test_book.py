"""A small demo has every product, every stage and every role, and the same seed gives the same book."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Count, Q

from tideover.core.models import Role, User
from tideover.daily.close import close_day, tapes
from tideover.engine.events import EventKind
from tideover.lending.doctor import checks
from tideover.lending.models import (
    Branch,
    Collateral,
    Complaint,
    Contract,
    Dispute,
    Facility,
    HelpRequest,
    LegalEntity,
    LoanEvent,
    LoanParty,
    Party,
    Promise,
    StandingRow,
)
from tideover.lending.products import CATALOGUE
from tideover.lending.selectors import BUCKET_ORDER
from tideover.simulate.book import build
from tideover.tape import store

AS_OF, LOANS = date(2026, 11, 25), 720


@pytest.fixture
def demo(db: None, settings: Any, tmp_path: Path) -> None:
    """The demo's book in small, and its last day closed."""
    settings.TAPE_DIR = tmp_path
    build(LOANS, AS_OF, 1, quiet=True)
    close_day(AS_OF, today=AS_OF)


def test_the_last_close_knows_all_that_happened(demo: None) -> None:
    assert not StandingRow.objects.exclude(bucket="closed").filter(as_of__lt=AS_OF).exists()
    known = store.query("SELECT sum(event_count) AS n FROM loans", tapes()).to_pylist()[0]["n"]
    assert known == LoanEvent.objects.count()


def test_every_stage_product_and_role_is_there(demo: None) -> None:
    rows = StandingRow.objects
    buckets = Counter(rows.values_list("bucket", flat=True))
    assert {b: buckets[b] for b in BUCKET_ORDER if buckets[b] < 2} == {}
    products = Counter(Contract.objects.values_list("product__code", flat=True))
    assert len(products) == len(list(CATALOGUE.glob("*.yaml"))) and min(products.values()) >= 5
    kinds = Counter(EventKind(k) for k in LoanEvent.objects.values_list("kind", flat=True))
    for kind in (
        EventKind.PAYMENT, EventKind.PAYOFF, EventKind.REVERSAL, EventKind.RATE_CHANGE, EventKind.DEFER, EventKind.WAIVER,
        EventKind.REAMORTISE, EventKind.RESTRUCTURE, EventKind.ACCELERATION, EventKind.WRITE_OFF, EventKind.GUARANTOR_PAYMENT,
    ):  # fmt: skip
        assert kinds[kind] > 0, kind.name
    assert rows.filter(next_due_on__range=(AS_OF, AS_OF + timedelta(days=7)), bucket="current").count() >= 10, "due soon"
    written_off = Q(events__kind=EventKind.WRITE_OFF)
    assert (
        Contract.objects.filter(written_off)
        .filter(events__kind=EventKind.PAYMENT, events__effective_on__gt=AS_OF - timedelta(days=5))
        .exists()
    ), "money after a write-off"
    assert LoanParty.objects.filter(role="guarantor_joint").count() >= 5 and Collateral.objects.exists()
    assert Facility.objects.count() >= 5
    assert Facility.objects.annotate(n=Count("drawdowns")).filter(n__gte=2).exists(), "a limit drawn more than once"
    assert set(User.objects.values_list("role", flat=True)) == {r.value for r in Role}
    assert LegalEntity.objects.count() == 2 and Branch.objects.count() == 6
    assert {k: Party.objects.filter(kind=k).count() > 50 for k in ("person", "enterprise")} == {
        "person": True,
        "enterprise": True,
    }
    for left in (Promise, HelpRequest, Complaint, Dispute):
        assert left.objects.exists(), left.__name__
    classes = set(rows.values_list("five_category", flat=True))
    assert classes == {"normal", "special_mention", "substandard", "doubtful", "loss"}
    late = rows.filter(days_past_due__gt=90).exclude(bucket="written_off").count()
    assert late < LOANS * 0.08, "a lender in trouble, not a lender lost"


def test_the_demo_is_a_sound_book(demo: None) -> None:
    assert [(c.name, c.detail) for c in checks() if not c.ok and c.name != "reference rates"] == []


def test_drawdowns_stay_inside_their_limit_and_days(demo: None) -> None:
    for facility in Facility.objects.prefetch_related("drawdowns__standing"):
        drawn = sum(c.standing.principal_minor for c in facility.drawdowns.all())
        assert 0 <= drawn <= facility.limit_minor and facility.opened_on <= min(c.signed_on for c in facility.drawdowns.all())
