"""What the ledger shows on the page of a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tideover.core.business_time import now
from tideover.core.models import User
from tideover.lending.models import Party
from tideover.sources.selectors import consents_of, live_now


def person_consents(user: User, party: Party) -> Mapping[str, Any]:
    """Every consent of a person, and which live now."""
    rows = list(consents_of(party))
    live = {c.pk for c in live_now(rows, now())}
    return {"rows": [(c, c.pk in live) for c in rows]}
