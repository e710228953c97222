"""What receipts register from the `ready` of the app: kinds of approval and of work."""

from __future__ import annotations

from tideover.lending.beside.instructions import CONFIRMED
from tideover.lending.receipts import approvals, correct, payer, proposals, refunds, screening
from tideover.lending.receipts.services import core_took_back


def register() -> None:
    """Make everything of this package known to the kit."""
    for module in (approvals, correct, refunds, screening):
        module.kind_register()
    proposals.kinds_register()
    payer.kinds_register()
    CONFIRMED.append(core_took_back)
