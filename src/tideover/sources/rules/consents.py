"""Which consents live at an instant, and what they allow. Pure: records and an instant in, an answer out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

PURPOSES = ("contact", "contact_hours", "contact_asked", "third_person", "credit_report", "share_data", "sensitive_data")
"""What a consent can be for: to be contacted; also outside the lawful hours; having asked for a contact; that a third person is
asked; that a credit report is read; that data go to another; that sensitive data are used."""
GIVEN_HOW = ("contract_clause", "app", "recording", "paper", "branch")


@dataclass(frozen=True, slots=True)
class ConsentFact:
    """One consent. channel: empty for every channel; loan: id of the loan it is limited to, or None for the person as such."""

    purpose: str
    given_at: datetime
    channel: str = ""
    loan: int | None = None
    expires_at: datetime | None = None
    withdrawn_at: datetime | None = None


def is_live(consent: ConsentFact, at: datetime) -> bool:
    """Whether a consent holds at an instant: from the instant it is given to the one before it expires or is withdrawn."""
    ends = [e for e in (consent.expires_at, consent.withdrawn_at) if e is not None]
    return consent.given_at <= at and all(at < e for e in ends)


def allows(consents: Iterable[ConsentFact], at: datetime, purpose: str, channel: str = "", loans: Iterable[int] = ()) -> bool:
    """Whether the consents that hold at an instant allow a purpose by a channel for every loan asked about.

    A consent without a channel covers all channels, one without a loan all loans; those limited to a loan cover that loan. A
    question that names no loan is covered by any of them.
    """
    found = {c.loan for c in consents if c.purpose == purpose and c.channel in ("", channel) and is_live(c, at)}
    return bool(found) and (None in found or set(loans) <= found)
