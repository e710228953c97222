"""Sentences of refusals as pages say them; REST keeps the English ones of the services."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from tideover.core.problems import Problem, Refused

SAYS = {
    "missing": _("Please fill this in: what you write is kept with it."),
    "too_late": _("It has been handed over and can no longer be taken back."),
    "not_resendable": _("Only what certainly did not arrive is sent again."),
    "no_letters": _("No letter may go out now."),
    "bad_date": _("The day cannot be: choose one that is possible and not past."),
    "posted": _("This batch has been posted."),
    "not_posted": _("This letter has not been posted."),
    "settled": _("That is entered already."),
    "not_in_batch": _("This letter is not in a batch that waits for the post."),
    "unknown_act": _("Choose what happened to the letter."),
    "bad_size": _("There is no loan of that kind now, or more than a list can hold."),
    "no_script": _("This wording has no words for a call."),
    "done": _("This call has been made."),
    "not_begun": _("Begin the call first: the gate is asked then."),
    "unknown_outcome": _("Choose how the call ended."),
    "bad_seconds": _("A call lasts a whole number of seconds."),
    "in_review": _("This version waits for its review. Take it back first."),
    "not_in_review": _("This version does not wait for a review."),
    "not_a_draft": _("Only a draft can be sent for review."),
    "legal_only": _("Only legal says what is a demand or a notice before a negative record."),
    "not_in_force": _("This version is not in force."),
    "later_version": _("A version that begins later is published: choose a later day, or retire it."),
    "no_text": _("A text is missing: every text is needed in both languages."),
    "undeclared": _("A place in a text is not among the declared variables."),
    "bad_place": _("A place is written {name}, a count {name|day|days}; no other braces."),
    "demand_without_claim": _("A demand names the creditor {lender}, the loan {loan} and a sum of money."),
    "bad_variable": _("A variable is a line: name, type, example. Money is in fen."),
    "bad_example": _("The example of a variable does not fit its type."),
    "bad_code": _("A code is letters, digits and dots; a gateway's code is a line: gateway, code."),
    "bad_hours": _("A message waits 1 to 2160 hours."),
    "no_authority": _("Nobody has the authority to decide this."),
    "not_yours": _("Only who asked for the review can take it back."),
    "may_not_ask": _("Your role may not ask for this review."),
    "already_asked": _("The same is waiting for a decision."),
    "no_font": _("The font of documents is not installed: run python scripts/fonts.py."),
    "no_glyph": _("No font here has a character of the text."),
}
"""By the code of a problem. One without a sentence is said as the service says it."""


def said(problem: Problem) -> str:
    """A problem in the page's language, with what it is about where that is a rule of content or a place in a text."""
    words = str(SAYS.get(problem.code, problem.message))
    if problem.code == "content":
        return f"{problem.field.removeprefix('texts.')}: {problem.message}"
    return f"{problem.field.removeprefix('texts.')}: {words}" if problem.field.startswith("texts.") else words


FIELDS = {
    "name_zh": _("Name in Chinese"), "name_en": _("Name in English"), "note": _("What changes, and why"),
    "hours": _("Waits at most (hours)"), "variables": _("Variables: name, type, example, a line each"),
    "gateway_codes": _("Codes of gateways: gateway and code, a line each"), "purpose": _("Purpose"),
    "recipient": _("Written to"),
}  # fmt: skip
"""Fields of the form of a wording, as they are called there."""


def at_fields(problems: Iterable[Problem]) -> list[tuple[str, str]]:
    """(id of the control, sentence that names it) of each problem of the form of a wording, each once; without a control: the
    sentence alone, with an empty id."""
    out = []
    for p in problems:
        place = p.field.removeprefix("texts.").split(".")
        if p.field in FIELDS:
            out.append((p.field, f"{FIELDS[p.field]}: {said(p)}"))
        elif len(place) == 2 and p.field.startswith("texts."):
            out.append((f"{place[0]}-{place[1]}-b", said(p)))
        else:
            out.append(("", said(p)))
    return list(dict.fromkeys(out))


def all_said(problems: Iterable[Problem]) -> list[str]:
    """Each sentence once, in order."""
    return list(dict.fromkeys(map(said, problems)))


def refusal(error: Refused) -> str:
    """A refusal as one sentence or more."""
    return " ".join(all_said(error.problems))
