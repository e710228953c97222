"""The one place that turns instants into the lender's business dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone


def now() -> datetime:
    """This instant (UTC, aware): the only reading of the wall clock outside commands."""
    return timezone.now()


def business_date(at: datetime | None = None) -> date:
    """The lender's business date of an instant (now when None)."""
    return (at or now()).astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE)).date()


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start_of_day(on: date) -> datetime:
    """The first instant of a business date."""
    return datetime.combine(on, time(), ZoneInfo(settings.BUSINESS_TIME_ZONE))


def micros(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC: how the engine orders knowledge."""
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def instant(us: int) -> datetime:
    """The instant (UTC, aware) of `micros`."""
    return EPOCH + timedelta(microseconds=us)
