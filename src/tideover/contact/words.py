"""Why a contact is not allowed, in the words of the house: made from the rule itself, so that any pack has words."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from tideover.contact.rules.model import Outcome
from tideover.contact.rules.policy import COUNTS, Cap, Days, Per, Policy, Wait, Window
from tideover.lending.words import word


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _window(w: Window) -> str:
    values = {"opens": _clock(w.opens), "closes": _clock(w.closes)}
    if w.days == Days.HOLIDAYS:
        return _("On public holidays only from %(opens)s to %(closes)s, by the person's clock") % values
    if w.days == Days.DAYS_OFF:
        return _("On days off only from %(opens)s to %(closes)s, by the person's clock") % values
    return _("Only from %(opens)s to %(closes)s, by the person's clock") % values


def _counted(cap: Cap) -> str:
    kinds: Mapping[frozenset[Outcome], str] = {
        COUNTS["conversation"]: _("conversations"),
        COUNTS["unanswered"]: _("calls that nobody answered"),
        COUNTS["connected"]: _("calls that reached the number"),
        COUNTS["delivered"]: _("messages"),
    }
    return kinds.get(cap.counts, _("contacts"))


def _cap(cap: Cap) -> str:
    whose = {Per.PERSON: _("with one person"), Per.NUMBER: _("to one number"), Per.DEBT: _("about one loan")}[cap.per]
    values = {"most": cap.most, "what": _counted(cap), "whose": whose, "days": cap.days}
    if cap.days == 1:
        return _("At most %(most)s %(what)s a day %(whose)s") % values
    return _("At most %(most)s %(what)s in %(days)s days %(whose)s") % values


def _wait(wait: Wait) -> str:
    return _("After a conversation about a loan no call about it for %(days)s days") % {"days": wait.days}


def rule_words(policy: Policy, rule: str) -> str:
    """What a rule says, in the page's language; an unknown one reads as its id."""
    if rule == "preference.channel":
        return _("They asked not to be reached this way")
    if rule == "preference.time":
        return _("They asked not to be reached at this time")
    if rule.startswith("hold."):
        return _("On hold: %(what)s") % {"what": word(rule.removeprefix("hold."))}
    for w in policy.windows:
        if w.id == rule:
            return _window(w)
    for c in policy.caps:
        if c.id == rule:
            return _cap(c)
    for t in policy.waits:
        if t.id == rule:
            return _wait(t)
    for h in policy.holds.values():
        if h.id == rule:
            return _("On hold: %(what)s") % {"what": word(h.kind)}
    if any(n.id == rule for n in policy.consents):
        return _("No consent to be reached this way")
    if policy.third is not None and policy.third.id == rule:
        return _("A third person may be asked only where the person cannot be reached, once, and never about the debt")
    return rule
