"""What every page needs: who is here, how it should look, and where they may go."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from tideover.core.access import can

RAIL = (
    ("home", "My desk", "house"),
    ("work", "Queue", "inbox"),
    ("approvals", "Approvals", "check-check"),
    ("book", "The book", "book-open"),
    ("loan-list", "Loans", "list"),
    ("counter", "Counter", "receipt"),
    ("tills", "Tills", "calculator"),
    ("receipts", "Receipts", "wallet"),
    ("suspense", "Suspense", "inbox"),
    ("statements", "Statements", "file-text"),
    ("breaks", "Breaks", "split"),
    ("books", "Books", "calculator"),
    ("debits", "Debits", "wallet"),
    ("message-list", "Messages", "mail"),
    ("message-templates", "Wordings", "file-text"),
    ("letter-batches", "Letters", "printer"),
    ("call-lists", "Calls", "phone"),
    ("contact-log", "Contact log", "phone"),
    ("holds", "Holds", "hand-helping"),
    ("day", "The day", "calendar-days"),
    ("products", "Products", "package"),
    ("experiments", "Experiments", "split"),
    ("action-log", "Action log", "shield-check"),
    ("settings", "Settings", "settings"),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the shells."""
    user = getattr(request, "user", None)
    look = request.session.get("look", {}) if hasattr(request, "session") else {}
    rail = [item for item in RAIL if user is not None and can(user, item[0])]
    match = getattr(request, "resolver_match", None)
    may_find = user is not None and can(user, "loan-list")
    return {
        "look": look, "rail": rail, "may_find": may_find, "route": match.url_name if match else "",
        "hotline": settings.HOTLINE, "counsellor_line": settings.COUNSELLOR_LINE,
    }  # fmt: skip
