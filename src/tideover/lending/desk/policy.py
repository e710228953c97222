"""Who answers for a row of the desk, and by when: policy.yaml, and over it the file that TIDEOVER_DESK_POLICY names."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from django.conf import settings

from tideover.core.business_time import business_date
from tideover.core.models import Role
from tideover.core.problems import refuse

HOUSE = Path(__file__).with_name("policy.yaml")


class Target(NamedTuple):
    """Who answers, and within how many hours of the oldest."""

    owner: Role
    hours: int

    def due(self, oldest: date | datetime | None) -> date | None:
        """The business day by which the oldest should be settled."""
        if oldest is None:
            return None
        after = oldest + timedelta(hours=self.hours)
        return business_date(after) if isinstance(after, datetime) else oldest + timedelta(days=self.hours // 24)


@cache
def targets() -> dict[str, Target]:
    """The target of each row. Raises Refused when the lender's file cannot be used."""
    out = _read(HOUSE)
    return out | _read(Path(settings.DESK_POLICY), known=out) if settings.DESK_POLICY else out


def _read(path: Path, known: dict[str, Target] | None = None) -> dict[str, Target]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {str(kind): _target(str(kind), said, known) for kind, said in raw.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise refuse("bad_policy", f"the desk policy {path} cannot be used: {error}") from error


def _target(kind: str, said: dict[str, Any], known: dict[str, Target] | None) -> Target:
    if known is not None and kind not in known:
        raise ValueError(f"{kind} is not one of {', '.join(known)}")
    hours = said["hours"]
    if set(said) != {"owner", "hours"} or not isinstance(hours, int) or not 0 <= hours <= 24 * 366:
        raise ValueError(f"{kind} is {{owner: role, hours: 0 or more}}")
    return Target(Role(said["owner"]), hours)
