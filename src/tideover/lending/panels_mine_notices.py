"""What stands between a borrower and us, in their words: an arrangement, a question, a complaint, a pause."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.core.business_time import business_date, now
from tideover.core.written import day_text
from tideover.lending.models import Hold, Party, Promise
from tideover.lending.services_holds import open_now
from tideover.lending.words import money

MISSED_DAYS = 14
"""How long the home speaks of an arrangement whose day has passed."""


def notices_of(party: Party) -> list[str]:
    """Sentences for the head of the home, the arrangements first; two queries."""
    today, language = business_date(), get_language() or "en"
    promises = Promise.objects.filter(party=party, withdrawn_at=None, kept_at=None).order_by("due_on")
    out = [_arranged(p, today, language) for p in promises if (today - p.due_on).days <= MISSED_DAYS]
    kinds: dict[str, Any] = {}
    for hold in Hold.objects.filter(open_now(now()), party=party).order_by("ends_at"):
        kinds.setdefault(hold.kind, hold)
    if "dispute" in kinds:
        out.append(_("We are looking into what you questioned. We do not remind you about it until you have an answer."))
    if "complaint" in kinds:
        out.append(_("We are looking into your complaint, and you will get an answer."))
    if (pause := kinds.get("breathing_space")) is not None:
        out.append(_pause(pause, language))
    if "cease_contact" in kinds:
        out.append(_("You asked us to leave you alone. We write only what the law obliges us to send; you can always reach us."))
    return out


def _arranged(p: Promise, today: date, language: str) -> str:
    values = {"amount": money(p.amount_minor), "day": day_text(p.due_on, language)}
    if p.due_on < today:
        words = _("We have not received the %(amount)s of %(day)s yet. If things have changed, tell us and we find another day.")
        return words % values
    return _("You told us that %(amount)s comes by %(day)s. If things change, tell us and we find another day.") % values


def _pause(hold: Hold, language: str) -> str:
    if hold.ends_at is None:
        return _("Reminders are paused for now.")
    last = business_date(hold.ends_at - timedelta(microseconds=1))
    return _("Reminders are paused until %(day)s.") % {"day": day_text(last, language)}
