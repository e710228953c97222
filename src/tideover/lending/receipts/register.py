"""What receipts register from the `ready` of the app: kinds of approval and of work."""

from __future__ import annotations

from tideover.lending.receipts import approvals, payer, proposals


def register() -> None:
    """Make everything of this package known to the kit."""
    approvals.kind_register()
    proposals.kinds_register()
    payer.kinds_register()
