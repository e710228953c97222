"""What every page needs: who is here, how it should look, and where they may go."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tideover.core.access import can

RAIL = (("home", "My desk"), ("book", "The book"), ("loan-list", "Loans"), ("action-log", "Action log"))


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the shells."""
    user = getattr(request, "user", None)
    look = request.session.get("look", {}) if hasattr(request, "session") else {}
    rail = [(name, label) for name, label in RAIL if user is not None and can(user, name)]
    match = getattr(request, "resolver_match", None)
    return {"look": look, "rail": rail, "route": match.url_name if match else ""}
