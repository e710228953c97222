"""What debits show on pages of others: a link for borrowers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tideover.core.models import User
from tideover.lending.models import Mandate


def mine(user: User, _thing: object) -> Mapping[str, Any] | None:
    """The borrower's link to their mandate."""
    party = getattr(user, "party", None)
    if party is None:
        return None
    return {"on": Mandate.objects.filter(party=party, withdrawn_at=None).exists()}


def panels_register() -> None:
    """Put them into their slots."""
    from tideover.core.panels import Panel, register

    register("borrower.links", Panel("my-debits", "lending/debits/my_panel.html", mine, "my-debits", 40))
