"""What the counter makes known to the house: approvals, exception rows, and the codes of its slips."""

from __future__ import annotations


def register() -> None:
    """From the `ready` of the app."""
    from tideover.lending.counter import approvals, codes, panels

    approvals.kinds_register()
    panels.panels_register()
    codes.codes_register()
