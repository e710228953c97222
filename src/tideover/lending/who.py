"""Who a sign-in name is, in the page's language: staff by the name on their post, what runs by itself as the system."""

from __future__ import annotations

from django.utils.translation import gettext as _

from tideover.core.business_time import business_date
from tideover.lending.models import Staff

ITSELF = frozenset(
    {"outbox", "house", "close", "demo", "system", "books", "worker", "lender-init", "import", "debit-worker", "bank"}
)
"""Names under which programs act, not people."""


def staff_names() -> dict[str, tuple[str, str]]:
    """Sign-in name → (name in Chinese, name in English) of every post, the latest post last."""
    rows = Staff.objects.filter(valid_from__lte=business_date()).order_by("valid_from", "pk")
    return {name: (zh, en) for name, zh, en in rows.values_list("user__username", "name_zh", "name_en")}


def who_words(actor: str, names: dict[str, tuple[str, str]], zh: bool) -> str:
    """The name to show for a sign-in name; an unknown one reads as itself."""
    if actor in names:
        return names[actor][0 if zh else 1] or actor
    return _("the system") if actor in ITSELF else actor
