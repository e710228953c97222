"""The permission matrix: every route and act, and the roles that may. What is not listed is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from tideover.core.models import Role, User

EVERYONE = frozenset(Role)
STAFF = EVERYONE - {Role.BORROWER}
READS_LOANS = STAFF - {Role.ENGINEER}
WRITES_EVENTS = frozenset({Role.PAYMENTS, Role.BRANCH_HEAD, Role.FINANCE})
BOOKS_MONEY = frozenset({Role.PAYMENTS, Role.FINANCE})

PUBLIC = frozenset({"sign-in", "sign-out", "set-language", "set-look"})
"""Routes that need no sign-in."""

PERMISSIONS: dict[str, frozenset[Role]] = {
    "home": EVERYONE,
    "settings": EVERYONE,
    "book": READS_LOANS,
    "book-csv": READS_LOANS,
    "loan-list": READS_LOANS,
    "loan": READS_LOANS,
    "loan-what-if": READS_LOANS,
    "person": READS_LOANS,
    "my-schedule": frozenset({Role.BORROWER}),
    "my-receipts": frozenset({Role.BORROWER}),
    "action-log": frozenset({Role.COMPLIANCE, Role.AUDITOR, Role.ENGINEER}),
    "api:loans-list": READS_LOANS,
    "api:loan-get": READS_LOANS,
    "api:loan-schedule": READS_LOANS,
    "api:loan-events": READS_LOANS,
    "api:loan-event-create": WRITES_EVENTS,
    "api:loan-what-if": READS_LOANS,
    "api:receipts-create": BOOKS_MONEY,
    "api:receipt-reverse": BOOKS_MONEY,
    "api:payments-create": BOOKS_MONEY,
    "api:payments-batch": BOOKS_MONEY,
    "api:products-list": STAFF,
    "reveal-personal": frozenset(
        {Role.COUNSELLOR, Role.CUSTOMER_MANAGER, Role.COLLECTOR, Role.TEAM_LEAD, Role.COMPLAINTS, Role.LEGAL}
    ),
}


def can(user: User | AnonymousUser, permission: str) -> bool:
    """Whether the user's role has the permission; an unlisted permission is nobody's."""
    return bool(user.is_authenticated) and getattr(user, "role", None) in PERMISSIONS.get(permission, frozenset())


def require(permission: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """A view that only the permission's roles may open; others get the sign-in page or 403."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not can(request.user, permission):
                raise PermissionDenied(permission)
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate
