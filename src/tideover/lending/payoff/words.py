"""Why there is no quote or no debit, in the words of borrowers and of staff."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _

Words = dict[str, Callable[[], str]]
MINE: Words = {
    "core_decides": lambda: _("The bank's account system says what pays your loan off. Call us: we ask it for you."),
    "in_flight": lambda: _("A payment is on its way from your bank. Once it is here, we can say what pays the loan off."),
    "charge_ahead": lambda: _("A charge falls due in the next days. From then on we can say the sum; or call us."),
    "rate_reset": lambda: _("Your rate is set anew in these days. Choose a day before it, or ask again after it."),
    "too_far": lambda: _("Choose a day that lies nearer."),
    "day_past": lambda: _("The days of this sum are over. Ask for a new one below."),
    "void": lambda: _("The bank took back a payment that was counted here. Please ask for a new sum."),
    "changed": lambda: _("The sum has changed since the page was shown. Please look at it again."),
    "no_mandate": lambda: _("You have not switched automatic payment on. You can transfer the sum instead."),
    "outside_mandate": lambda: _("Your leave for automatic payment does not cover today. You can transfer the sum instead."),
    "no_account": lambda: _("The bank takes nothing from your account just now. You can transfer the sum instead."),
    "over_cap": lambda: _("It is more than you let us take at once. Transfer it, or change the limit first."),
    "over_month": lambda: _("It is more than you let us take in a month. Transfer it, or change the limit first."),
    "missed_cut_off": lambda: _("The bank takes nothing more today, but tomorrow it can. A transfer counts until midnight."),
    "hold": lambda: _("We take nothing from your account at the moment. Transfer the sum, or call us."),
    "dispute": lambda: _("While your objection is open we take nothing by ourselves. Transfer the sum, or call us."),
}  # fmt: skip
"""To the borrower, by code."""
STAFF: Words = {
    "core_decides": lambda: _("The core keeps this loan; ask it for the sum."),
    "in_flight": lambda: _("Money is on its way from the bank: the sum is certain when it is here."),
    "charge_ahead": lambda: _("A charge falls due later: from that day on the sum is certain."),
    "rate_reset": lambda: _("The rate is fixed anew in these days: quote up to the day before."),
    "too_far": lambda: _("The day lies further ahead than a quote reaches."),
    "day_past": lambda: _("The day is past."),
    "nothing_owed": lambda: _("Nothing is owed on this loan."),
    "missing": lambda: _("Say why."),
    "ended": lambda: _("This quote has ended already."),
}
"""To staff, by code."""


def said(code: str, message: str, words: Words = MINE) -> str:
    """What was refused, in the page's language; the plain message where there are no words for it."""
    return words[code]() if code in words else message
