"""The day and the worker settle what nobody does by hand: fees charged, signatures closed, documents wiped, each counted once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House
from tests.lending.test_documents_pages import issue
from tideover.contact.outbox import worker
from tideover.core.business_time import business_date, now
from tideover.core.models import Document, Role, Signature
from tideover.daily.close import close_day
from tideover.daily.models import CloseRun
from tideover.lending.signing import borrower_ask

OPENING = {"code": "opening", "name_zh": "手续费", "name_en": "Opening fee", "when": "payout", "amount_minor": 500}


@pytest.fixture(autouse=True)
def tape_dir(settings: Any, tmp_path: Path) -> None:
    settings.TAPE_DIR = tmp_path


def waiting(house: House) -> Signature:
    """A request to sign whose time is over."""
    row = borrower_ask(issue(house, "contract"), on=business_date(), at=now(), actor=house.staff[Role.LEGAL])
    Signature.objects.filter(pk=row.pk).update(expires_at=now() - timedelta(minutes=1))
    return row


def test_the_close_does_it_and_says_so_once(house: House) -> None:
    row, old = waiting(house), issue(house)
    Document.objects.filter(pk=old.pk).update(keep_until=business_date() - timedelta(days=1))
    product = house.loan.product
    product.fees = [OPENING]
    product.save()
    today = business_date()
    closed = close_day(today, today=today)
    loans = CloseRun.objects.get().loans
    assert dict(closed.counts) == {"fees_charged": loans, "signatures_expired": 1, "documents_wiped": 1}
    assert CloseRun.objects.get().counts == dict(closed.counts)
    row.refresh_from_db()
    old.refresh_from_db()
    assert row.state == "expired" and not old.content
    assert close_day(today, today=today).counts == closed.counts, "closed already: nothing more is done"
    earlier = close_day(today - timedelta(days=3), today=today)
    assert earlier.counts == {}, "an old day says nothing about today's papers"


def test_the_worker_settles_too(house: House) -> None:
    row = waiting(house)
    worker.run(batch=10, once=True, parent=0, pause_s=0, stopped=lambda: False)
    row.refresh_from_db()
    assert row.state == "expired"
