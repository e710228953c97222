"""What the gate shows on pages of others: what is allowed now with a person or about a loan; the way to one's own choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Count
from django.urls import reverse

from tideover.contact.models import VerdictRow
from tideover.contact.now import allowed_now
from tideover.core.access import can
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.models import Role, User
from tideover.core.panels import ExceptionRow
from tideover.lending.models import Contract, Party
from tideover.lending.selectors import contracts_visible


def person_now(user: User, party: Party) -> Mapping[str, Any]:
    """What is allowed with a person about all their loans in the reader's scope."""
    loans = contracts_visible(user, business_date()).filter(borrower=party).select_related("entity").order_by("pk")
    return _panel(user, party, list(loans)) | {"asks_clock": False}


def loan_now(user: User, contract: Contract) -> Mapping[str, Any]:
    """What is allowed with the borrower of a loan about it."""
    asks = can(user, "contact-clock")
    return _panel(user, contract.borrower, [contract]) | {"contract": contract, "asks_clock": asks}


def _panel(user: User, party: Party, loans: list[Contract]) -> dict[str, Any]:
    return {
        "now": allowed_now(party, loans, at=now()),
        "party": party,
        "may_call": can(user, "contact-call"),
        "may_address": can(user, "contact-addresses"),
        "may_log": can(user, "contact-log"),
    }


def mine(user: User, _user: User) -> Mapping[str, Any] | None:
    """The way to one's own choices, for somebody who is a borrower."""
    return {} if getattr(user, "party", None) else None


def blocked_today(user: User, on: Any) -> Mapping[str, Any]:
    """For compliance: contacts that somebody wanted to make today and that the gate did not allow."""
    found = VerdictRow.objects.filter(recorded_at__gte=start_of_day(on), allowed=False).aggregate(n=Count("pk"))
    address = f"{reverse('contact-log')}?allowed=no&from={on}" if found["n"] else ""
    row = ExceptionRow(
        label="Contacts not allowed today", count=found["n"], oldest=on if found["n"] else None, amount_minor=None,
        owner=str(Role.COMPLIANCE.label), act_by=None, late=False, address=address,
    )  # fmt: skip
    return {"rows": [row]}
