"""A credit line as the bank's own for a batch of debits: found, and marked on the batch, so that it is no receipt again."""

from __future__ import annotations

from tideover.lending.debits.credit import batch_credit
from tideover.lending.debits.selectors import batch_expected, batch_named, names_debited
from tideover.lending.models import BankLine, DebitBatch
from tideover.lending.rules.bank_out import Out, batches_named, may_settle
from tideover.lending.rules.payer_names import best_fit

THEIRS = ("same", "pinyin", "masked")


def batch_of(line: BankLine, out: Out, *, names_loan: bool) -> DebitBatch | None:
    """The batch that a credit line settles: the one that it names, or the one of its amount where the line can be a bank's."""
    entity = line.account.entity_id
    numbers = batches_named(out.words)
    if numbers and (named := batch_named(entity, numbers, line.amount_minor)) is not None:
        return named
    if names_loan or not may_settle(out.said, line.name, line.counter_account):
        return None
    found = batch_expected(entity, line.amount_minor, line.booked_on)
    if found is None or (line.name and best_fit(line.name, names_debited(found)) in THEIRS):
        return None
    return found


def settle(line: BankLine, out: Out, *, names_loan: bool, actor: str) -> DebitBatch | None:
    """Mark the batch that a line settles as credited by it; None where it settles none. In the line's transaction."""
    found = batch_of(line, out, names_loan=names_loan)
    if found is None:
        return None
    done = batch_credit(
        found, amount_minor=line.amount_minor, on=line.booked_on, line=line.reference, actor=actor,
        before_minor=found.credited_minor,
    )  # fmt: skip
    return found if done else None
