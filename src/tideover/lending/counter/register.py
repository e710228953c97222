"""What the counter makes known to the house: approvals, exception rows, the codes of its slips, and its money at the bank."""

from __future__ import annotations


def register() -> None:
    """From the `ready` of the app."""
    from tideover.lending.counter import approvals, bank, codes, panels
    from tideover.lending.statements import outside

    approvals.kinds_register()
    panels.panels_register()
    codes.codes_register()
    outside.register(counter_named=bank.counter_named)
