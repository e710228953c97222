"""Why a contact is not allowed, in the words of the house: made from the rule itself, so that any pack has words."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.contact.facts import instant_of
from tideover.contact.rules.gate import ADDRESS_RULE
from tideover.contact.rules.model import Channel, FaultFact
from tideover.contact.rules.policy import COUNTS, Cap, Days, Per, Policy, Wait, Window
from tideover.core.business_time import business_date
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
    """How many of what, as part of a sentence."""
    n = {"n": cap.most}
    if cap.counts == COUNTS["conversation"]:
        return _("%(n)s conversations") % n
    if cap.counts == COUNTS["unanswered"]:
        return _("%(n)s calls that nobody answered") % n
    if cap.counts == COUNTS["connected"]:
        return _("%(n)s calls that reached the number") % n
    if cap.counts == COUNTS["delivered"]:
        return _("%(n)s messages") % n
    return _("%(n)s contacts") % n


def _cap(cap: Cap) -> str:
    values = {"what": _counted(cap), "days": cap.days}
    if cap.days == 1:
        says = {
            Per.PERSON: _("At most %(what)s a day with one person"),
            Per.NUMBER: _("At most %(what)s a day to one number"),
            Per.DEBT: _("At most %(what)s a day about one loan"),
        }
    else:
        says = {
            Per.PERSON: _("At most %(what)s in %(days)s days with one person"),
            Per.NUMBER: _("At most %(what)s in %(days)s days to one number"),
            Per.DEBT: _("At most %(what)s in %(days)s days about one loan"),
        }
    return says[cap.per] % values


def _wait(wait: Wait) -> str:
    return _("After a conversation about a loan no call about it for %(days)s days") % {"days": wait.days}


ARTICLES_ZH = {
    "(article not verified here)": "（条款号未核对）",
    "calls not answered": "无人接听的拨打",
    "choice of person; third persons": "联系对象；第三人",
    "(heirs, within the estate)": "（继承人，以遗产为限）",
    "(cards: 2 years)": "（信用卡：2 年）",
    "house rule; ": "机构内部规则；",
    "whole": "全文",
}
"""Articles that the packs describe in English, in Chinese."""


def cited(source: str) -> str:
    """Where a rule is written, as it reads in the page's language: 第 70 条 for art. 70."""
    if not (get_language() or "").startswith("zh"):
        return source
    zh = re.sub(r"\bart\. (\d+)", r"第 \1 条", source)
    for en, said in ARTICLES_ZH.items():
        zh = zh.replace(en, said)
    return zh


def fault_words(faults: Iterable[FaultFact], channel: Channel | None) -> str:
    """What is known of the address on a channel: how often it was refused since when; without facts, only that it was."""
    found = [f for f in faults if f.channel == channel]
    if not found:
        return _("This address cannot be reached. Verify or replace it.")
    since = instant_of(min(f.since for f in found))
    assert since is not None
    values = {"n": sum(f.refusals for f in found), "day": business_date(since).isoformat()}
    return _("This address cannot be reached (refusals since %(day)s: %(n)s). Verify or replace it.") % values


def rule_words(policy: Policy, rule: str, faults: Iterable[FaultFact] = (), channel: Channel | None = None) -> str:
    """What a rule says, in the page's language; an unknown one reads as its id. faults, channel: of the decision."""
    if rule == ADDRESS_RULE:
        return fault_words(faults, channel)
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
