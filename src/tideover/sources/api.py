"""REST of the consent ledger."""

from datetime import date, datetime
from typing import Any

from ninja import Router
from pydantic import Field

from tideover.core.rest import Instant
from tideover.lending.api_rows import Kind, RowIn, RowOut, rows_register
from tideover.sources.models import Consent
from tideover.sources.rules.consents import GIVEN_HOW, PURPOSES
from tideover.sources.services import consent_give, consent_withdraw

router = Router(tags=["consents"])


class ConsentIn(RowIn):
    purpose: str = Field(max_length=40, description=", ".join(PURPOSES))
    channel: str = Field("", max_length=20, description="empty: every channel")
    given_how: str = Field(max_length=20, description=", ".join(GIVEN_HOW))
    evidence: str = Field("", max_length=120, description="number of the clause, hash of the recording")
    scope: str = Field("", max_length=200)
    given_at: Instant
    expires_at: Instant | None = None


class ConsentOut(RowOut):
    purpose: str
    channel: str
    given_how: str
    evidence: str
    scope: str
    given_at: datetime
    expires_at: datetime | None
    withdrawn_at: datetime | None


def _withdraw(row: Consent, *, on: date, actor: str) -> Any:
    return consent_withdraw(row, how="branch", actor=actor)


CONSENTS = Kind("consents", "a consent for one purpose", Consent, consent_give, ConsentIn, ConsentOut, "withdrawn_at", _withdraw)
rows_register(router, CONSENTS)
