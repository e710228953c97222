"""The bank's credit for a batch, as statements say it: it is no receipt again."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.problems import refuse
from tideover.lending.models import DebitBatch


def batch_credit(
    batch: DebitBatch, *, amount_minor: int, on: date, line: str, actor: str, before_minor: int | None = None
) -> bool:
    """Write down that a bank line (its reference) credits a batch. before_minor: what was credited of it when the line was
    recognised; False, and nothing changes, where another line was faster.

    Raises Refused where somebody says it by hand and it would be more than the bank was asked to take.
    """
    with transaction.atomic():
        row = DebitBatch.objects.select_for_update(of=("self",), no_key=True).get(pk=batch.pk)
        if before_minor is not None and row.credited_minor != before_minor:
            return False
        if before_minor is None and row.credited_minor + amount_minor > row.total_minor:
            raise refuse("more_than_asked", f"batch {row.number} asked for less than this and what was credited before", "of")
        row.credited_minor, row.credited_on, row.credited_by = row.credited_minor + amount_minor, on, line
        row.save(update_fields=["credited_minor", "credited_on", "credited_by"])
        log(actor, "debit.credit", "debit_batch", row.number, {"line": line})
    return True


def batch_credit_undo(number: str, *, amount_minor: int, line: str, actor: str) -> None:
    """A line that was taken for the credit of a batch is something else."""
    with transaction.atomic():
        row = DebitBatch.objects.select_for_update(of=("self",), no_key=True).get(number=number)
        row.credited_minor -= amount_minor
        if not row.credited_minor:
            row.credited_on, row.credited_by = None, ""
        row.save(update_fields=["credited_minor", "credited_on", "credited_by"])
        log(actor, "debit.credit_undo", "debit_batch", number, {"line": line})
