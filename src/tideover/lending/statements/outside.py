"""What statements ask of their neighbours, who register it from the `ready` of the app: debit batches, pay-off quotes, refunds.

Without a neighbour nothing is a settlement, no number is a quote's, and the desk does not offer to send money back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from tideover.core.models import Approval, User
from tideover.lending.models import Receipt
from tideover.lending.rules.bank_match import Quote

BatchExpected = Callable[[int, int, date], str | None]
"""(entity id, amount in minor units, day) -> number of the debit batch that such a credit line settles; None: of none. The bank's
one line for a batch is no receipt again: its money is here by the batch's own answers."""
BatchCredited = Callable[[str, date, str], None]
"""(number of the batch, day, reference of the line): write down that its line came; in the transaction that asked."""
QuotesNamed = Callable[[int, frozenset[str], int, date], list[Quote]]
"""(entity id, words of the payer, amount in minor units, day) -> pay-off quotes whose numbers are among the words."""
CounterNamed = Callable[[int, frozenset[str], int], str | None]
"""(entity id, words of the payer, amount in minor units) -> number of the slip or of the bag of a counter that such a credit line
brings to the bank; None: of none. Its money is here by the slips already and is no receipt again."""
RefundAsk = Callable[..., Approval]
"""refund_ask(receipt, *, amount_minor, reason, actor) -> the approval that waits for a second person."""

_known: dict[str, Any] = {}


def register(
    *,
    batch_expected: BatchExpected | None = None,
    batch_credited: BatchCredited | None = None,
    quotes_named: QuotesNamed | None = None,
    counter_named: CounterNamed | None = None,
    refund_ask: RefundAsk | None = None,
) -> None:
    """Say how a neighbour is asked; what is left out stays as it is."""
    said = {
        "expected": batch_expected, "credited": batch_credited, "quotes": quotes_named, "counter": counter_named,
        "refund": refund_ask,
    }  # fmt: skip
    _known.update({k: v for k, v in said.items() if v is not None})


def batch_of(entity_id: int, amount_minor: int, on: date, line: str) -> str | None:
    """The batch that a credit line settles, marked as credited; None when the line is something else."""
    number: str | None = _known["expected"](entity_id, amount_minor, on) if "expected" in _known else None
    if number is not None and "credited" in _known:
        _known["credited"](number, on, line)
    return number


def quotes_of(entity_id: int, words: frozenset[str], amount_minor: int, on: date) -> tuple[Quote, ...]:
    """The pay-off quotes that a payer named."""
    return tuple(_known["quotes"](entity_id, words, amount_minor, on)) if "quotes" in _known else ()


def counter_of(entity_id: int, words: frozenset[str], amount_minor: int) -> str | None:
    """The slip or the bag of a counter that a credit line names; None when it is something else."""
    number: str | None = _known["counter"](entity_id, words, amount_minor) if "counter" in _known else None
    return number


def sends_back() -> bool:
    """Whether money can be sent back from here."""
    return "refund" in _known


def send_back(receipt: Receipt, *, reason: str, actor: User) -> Approval:
    """Ask a second person to send unplaced money back to the account that it came from."""
    asked: Approval = _known["refund"](receipt, amount_minor=receipt.unapplied_minor, reason=reason, actor=actor)
    return asked
