"""What statements make known to the house: approvals and work."""

from __future__ import annotations


def register() -> None:
    """From the `ready` of the app."""
    from tideover.lending.statements import approvals, asking

    approvals.kinds_register()
    asking.kind_register()
