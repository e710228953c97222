"""What pay-offs make known to the house, from the `ready` of the app: work and panels."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core.work import WorkKind
from tideover.core.work import register as work_register


def register() -> None:
    """Make everything of this package known."""
    from tideover.lending.payoff.panels import panels_register
    from tideover.lending.payoff.taking import WORK

    work_register(
        WorkKind(
            WORK,
            gettext_noop("Quote kept at the lender's cost"),
            address=lambda item: reverse("loan", args=[item.subject_id]),
            outcomes={"plain": gettext_noop("as it should be"), "mended": gettext_noop("the cause was mended")},
        )
    )
    panels_register()
