"""Why an amount is what it is, for its borrower: how the late part is worked out, and what changed in the last 30 days."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.core.written import day_text
from tideover.engine.events import EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth, Standing
from tideover.engine.terms import Component, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import engine_events
from tideover.lending.models import Contract, LoanEvent
from tideover.lending.panels_loan import brings_money, late_sentences
from tideover.lending.words import word

LOOK_BACK_DAYS = 30
LATE = (Component.PENALTY, Component.COMPOUND)
FEES = (Component.FEE, Component.THIRD_PARTY_FEE, Component.RECOVERY_COST)
SILENT = frozenset({EventKind.WAIVER, EventKind.REVERSAL, EventKind.DEBIT, EventKind.WRITE_OFF, EventKind.CHARGE})
"""Kinds that a line of their own already tells of, or that change nothing for the borrower."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is due now against an earlier day (minor units): the lines add up from `before_minor` to `now_minor`."""

    since: int
    before_minor: int
    lines: list[tuple[str, int]]
    now_minor: int


def late_how(contract: Contract, standing: Standing) -> list[str]:
    """The interest on the late part, instalment by instalment, as a product where that gives the figure to the cent."""
    return late_sentences(terms_for(contract), standing, lambda on: day_text(date_of(on), get_language() or "en"))


def due_of(s: Standing) -> int:
    """What is due on the standing's day, minor units."""
    extra = s.penalty_minor + s.compound_minor + s.fee_minor + s.third_party_fee_minor + s.recovery_cost_minor
    return sum(r.outstanding_minor for r in s.rows if r.due_on <= s.as_of) + extra


def due_changes(contract: Contract, events: list[LoanEvent], s: Standing, days: int = LOOK_BACK_DAYS) -> Changes | None:
    """What made the amount due differ from that of `days` ago; None when it is the same.

    Both days are replayed from the journal as it is known now, so that a payment booked late counts on its own day.
    """
    since = max(s.as_of - days, day(contract.disbursed_on))
    then = replay(terms_for(contract), engine_events(events), since, None, Depth.TRACE)
    before, total = due_of(then), due_of(s)
    money = {e.seq for e in events if brings_money(e)}
    waivers = {e.seq for e in events if e.kind in (EventKind.WAIVER, EventKind.CHARGE_WAIVER)}
    new = [t for t in s.trace if since < t.on <= s.as_of]
    paid = sum(sum(t.amounts_minor) for t in new if t.seq in money)
    waived = sum(sum(t.amounts_minor) for t in new if t.seq in waivers)
    gone = [sum(t.amounts_minor[c] for t in new if t.seq in money | waivers) for c in Component]
    fell_due = sum(r.total_minor for r in s.rows if since < r.due_on <= s.as_of)
    # A new plan may turn late interest into principal: that is a change of the plan, not interest that shrank.
    late = max(0, _late(s) - _late(then) + sum(gone[c] for c in LATE))
    fees = max(0, _fees(s) - _fees(then) + sum(gone[c] for c in FEES))
    known = [("fell_due", fell_due), ("grown_late", late), ("fees_added", fees), ("paid_since", -paid), ("waived_since", -waived)]
    rest = total - before - sum(amount for _name, amount in known)
    lines = [(LABELS[name](), amount) for name, amount in known if amount]
    if rest:
        lines.append((_other(events, since, s.as_of), rest))
    return Changes(since, before, lines, total) if lines else None


LABELS = {
    "fell_due": lambda: _("Fell due since then"),
    "grown_late": lambda: _("Interest on the late part"),
    "fees_added": lambda: _("Fees"),
    "paid_since": lambda: _("What you paid"),
    "waived_since": lambda: _("What we took off"),
}


def _other(events: list[LoanEvent], since: int, until: int) -> str:
    """The names of the acts that changed the plan in a span of days."""
    kinds = [EventKind(e.kind) for e in events if since < day(e.effective_on) <= until and not brings_money(e)]
    names = dict.fromkeys(word(k.name.lower()) for k in kinds if k not in SILENT)
    return _("Change of the plan") + (f" ({' · '.join(names)})" if names else "")


def _late(s: Standing) -> int:
    return s.penalty_minor + s.compound_minor


def _fees(s: Standing) -> int:
    return s.fee_minor + s.third_party_fee_minor + s.recovery_cost_minor
