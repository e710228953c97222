"""The doctor finds what it is there to find."""

from __future__ import annotations

from django.db import connection

from tests.factories import House
from tideover.lending import triggers
from tideover.lending.doctor import checks
from tideover.lending.models import StandingRow


def failing() -> list[str]:
    return [c.name for c in checks() if not c.ok]


def test_a_sound_book(house: House) -> None:
    assert failing() == []


def test_a_changed_standing_is_named(house: House) -> None:
    StandingRow.objects.filter(contract=house.loan).update(payoff_minor=1)
    assert failing() == ["standing = replay"]
    assert "T-1 (payoff_minor)" in checks()[-1].detail


def test_a_missing_trigger_is_named(house: House) -> None:
    on = " ON lending_loanevent" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER lending_loanevent_no_delete{on}")
    assert failing() == ["triggers"]
    triggers.install()
