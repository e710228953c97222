"""Where statements ask for pay-off quotes that a payer's words name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from tideover.lending.rules.bank_match import Quote


def quotes_named(entity_id: int, words: Collection[str], amount_minor: int, on: date) -> list[Quote]:
    """The quotes of a lender whose numbers are among the words, and whether the amount fits each on the day. This lender gives
    none that have numbers."""
    return []
