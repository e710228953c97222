"""Time zones by name, as the tables of offsets that the rules read."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tideover.contact.rules.model import Zone

FIRST, LAST = 1990, 2060
STEP = 7 * 86_400


class UnknownZone(LookupError):
    """There is no time zone of this name."""


@cache
def zone(name: str) -> Zone:
    """Offsets of a zone such as Asia/Shanghai from 1990 to 2060. Raises UnknownZone."""
    try:
        info = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UnknownZone(f"there is no time zone {name}") from error

    def offset(at: int) -> int:
        there = datetime.fromtimestamp(at, UTC).astimezone(info).utcoffset()
        assert there is not None
        return int(there.total_seconds())

    at, end = int(datetime(FIRST, 1, 1, tzinfo=UTC).timestamp()), int(datetime(LAST, 1, 1, tzinfo=UTC).timestamp())
    starts, offsets = [-(2**62)], [offset(at)]
    while at < end:
        later = at + STEP
        if (then := offset(later)) != offsets[-1]:
            low, high = at, later
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if offset(middle) == then else (middle, high)
            starts.append(high)
            offsets.append(then)
        at = later
    return Zone(tuple(starts), tuple(offsets))
