"""Reading the consent ledger: a person's consents as the rules read them, as they were known at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import QuerySet

from tideover.core.sql import among, rows_read
from tideover.lending.models import Party
from tideover.sources.models import Consent
from tideover.sources.rules.consents import ConsentFact, is_live

FIELDS = ("party_id", "purpose", "given_at", "channel", "contract_id", "expires_at", "withdrawn_at")


def consents_by_party(parties: Sequence[int]) -> dict[int, list[ConsentFact]]:
    """Every consent of these parties (ids), live or not."""
    out: dict[int, list[ConsentFact]] = {}
    where, params = among("party_id", list(parties))
    for party, *values in rows_read(Consent, FIELDS, where, params):
        out.setdefault(party, []).append(ConsentFact(*values))
    return out


def consent_fact(row: Consent) -> ConsentFact:
    """A stored consent as the rules read it."""
    return ConsentFact(row.purpose, row.given_at, row.channel, row.contract_id, row.expires_at, row.withdrawn_at)


def consents_of(party: Party) -> QuerySet[Consent]:
    """A person's consents, the newest first."""
    return Consent.objects.filter(party=party).select_related("contract").order_by("-given_at", "-pk")


def live_now(rows: Iterable[Consent], at: datetime) -> list[Consent]:
    """Those that hold at an instant."""
    return [row for row in rows if is_live(consent_fact(row), at)]
