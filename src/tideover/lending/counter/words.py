"""What the counter refuses, in the page's language."""

from __future__ import annotations

from django.utils.translation import gettext as _


def said(code: str, message: str) -> str:
    """Words for a refusal; the plain message where there are none."""
    words = {
        "amount_not_positive": _("Enter an amount, for example 1200.00"),
        "unknown_method": _("Choose how they pay"),
        "no_reference": _("Enter the number on the terminal's or the bank's slip"),
        "payer_half_named": _("A payer who is not the borrower needs a name and the number of the paper that they show"),
        "no_loan_here": _("They have no loan with this lender."),
        "bad_designation": _("That is no loan of theirs. Choose one from the list."),
        "missing": _("Say why."),
        "no_note": _("Above the limit a second person decides: say what the money is and where it comes from"),
        "till_counted": _("This till is counted. Money goes into the next one; the slip is taken back by payments operations."),
        "till_of_another_day": _("This till is of an earlier day. Count it first, then open one of today."),
        "till_is_open": _("You have an open till already. Count and close it first."),
        "not_your_till": _("This till belongs to somebody else."),
        "not_enough_cash": _("Your till does not hold that much cash. Take it from the vault first."),
        "decision_waits": _("A second person has it before them. Wait for the decision."),
        "not_awaiting": _("This money waits for nobody any more."),
        "not_booked": _("This slip is not booked, so there is nothing to cancel."),
        "taken_back": _("The receipt was taken back already."),
        "other_branch": _("The slip is of another branch."),
        "no_till": _("Open your till of today first."),
        "already_asked": _("The same is waiting for a decision already."),
        "may_not_ask": _("Your role may not ask for this."),
        "bad_float": _("Enter the cash that the vault gave you, for example 1000.00, or 0"),
        "bad_count": _("Enter how many notes and coins there are, as whole numbers"),
        "counted_already": _("The till is counted. A count is never changed: say in the reason what was wrong with it."),
        "not_counted": _("Count the till first; a closed till stays closed."),
        "negative": _("An amount below zero cannot be handed over."),
        "not_all": _("Bag and vault together must be what was counted."),
        "no_bag": _("Money that goes to the bank needs the number of its bag."),
        "empty_bag": _("A bag needs an amount."),
        "bag_used": _("A bag with this number went with another till. Read the number again."),
        "idempotency_conflict": _("This form was sent before with something else in it. Start again from the counter."),
        "refunded": _("Part of it went back to its payer already."),
    }
    return words.get(code, message)
