"""The counter's money on a bank statement: a bag that was paid in, or a card or transfer that a slip stands for."""

from __future__ import annotations

from tideover.lending.models import Match, Slip, Till
from tideover.lending.rules.bank_match import words_of


def counter_named(entity_id: int, words: frozenset[str], amount_minor: int) -> str | None:
    """The bag or the slip that a credit line brings to the bank, by its number in the line's words and its amount; each once.

    None: of none. A slip is named by its own number or by what stands on the terminal's or the bank's slip (all words of it).
    """
    if not words:
        return None
    bags = Till.objects.filter(branch__entity=entity_id, bag_number__in=words, bag_minor=amount_minor)
    found = list(bags.order_by("pk").values_list("bag_number", flat=True))
    slips = Slip.objects.exclude(method="cash").filter(
        amount_minor=amount_minor, till__branch__entity=entity_id, state__in=("awaiting", "booked")
    )  # fmt: skip
    for number, reference in slips.order_by("pk").values_list("number", "reference"):
        named = words_of(reference)
        if number.upper() in words or (named and named <= words):
            found.append(number)
    gone = set(Match.objects.filter(kind="own", of__in=found, undone_at=None).values_list("of", flat=True)) if found else set()
    return next((n for n in found if n not in gone), None)
