"""What statements make known to the house: approvals, work, exception rows."""

from __future__ import annotations


def register() -> None:
    """From the `ready` of the app."""
    from tideover.lending.statements import approvals, asking, panels

    approvals.kinds_register()
    asking.kind_register()
    panels.panels_register()
