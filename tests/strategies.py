"""Random loans and histories for properties; `random_loan` is seeded, so a failure can be replayed from its seed."""

from __future__ import annotations

import random

from tideover.engine import terms as T
from tideover.engine.events import DeferInterest, Event, EventKind, PauseWhat, PrepayMode
from tideover.engine.terms import Component, Method, Terms, day

START = day("2024-01-05")


def random_terms(rng: random.Random) -> Terms:
    """Plausible terms over every method, day count, allocation and lateness convention."""
    method = rng.choice([Method.ANNUITY, Method.EQUAL_PRINCIPAL, Method.INTEREST_ONLY, Method.BULLET, Method.FLAT])
    disbursed = START + rng.randrange(400)
    order = list(Component)
    rng.shuffle(order)
    dated = method in (Method.INTEREST_ONLY, Method.BULLET)
    return Terms(
        principal_minor=rng.choice([rng.randrange(10_000, 99_999_999), 1_200_000]),
        disbursed_on=disbursed,
        method=method,
        annual_rate_ppm=rng.choice([0, 43_125, 60_000, 151_999, 360_000]),
        day_count=rng.choice([T.DayCount.PERIODS, T.DayCount.ACT_360, T.DayCount.ACT_365F, T.DayCount.THIRTY_360]),
        instalments=0 if dated else rng.randrange(1, 25),
        first_due_on=T.NO_DAY if dated else disbursed + rng.randrange(20, 45),
        maturity_on=disbursed + rng.randrange(30, 500) if dated else T.NO_DAY,
        rounding=rng.choice([T.Rounding.HALF_UP, T.Rounding.HALF_EVEN]),
        accruals=rng.choice(list(T.Accruals)),
        penalty=rng.choice([None, T.PenaltyTerms(), T.PenaltyTerms(base=T.PenaltyBase.PRINCIPAL_INTEREST, grace_days=3)]),
        allocation_order=tuple(order),
        allocation_by=rng.choice(list(T.AllocateBy)),
        surplus=rng.choice(list(T.Surplus)),
        prepayment_interest=rng.choice(list(T.PrepaymentInterest)),
        dpd=T.DpdTerms(grace_days=rng.choice([0, 3]), materiality_abs_minor=rng.choice([0, 100])),
    )


def random_events(rng: random.Random, terms: Terms) -> list[Event]:
    """A history with payments on time, late, in part and too much; charges, waivers, deferrals, pauses, reversals, backdating."""
    out: list[Event] = []
    for seq in range(1, rng.randrange(1, 14)):
        on = terms.disbursed_on + rng.randrange(0, 600)
        known = on + rng.choice([0, 0, 0, rng.randrange(0, 90)])
        amount = rng.randrange(1, max(2, terms.principal_minor // 3))
        roll = rng.random()
        base = {"seq": seq, "on": on, "recorded_at": known}
        if roll < 0.6:
            out.append(Event(**base, kind=EventKind.PAYMENT, amount_minor=amount))
        elif roll < 0.68:
            mode = rng.choice(list(PrepayMode))
            out.append(Event(**base, kind=EventKind.PREPAYMENT, amount_minor=amount, prepay_mode=mode))
        elif roll < 0.76 and out:
            out.append(Event(**base, kind=EventKind.REVERSAL, of_seq=rng.choice(out).seq))
        elif roll < 0.84:
            out.append(Event(**base, kind=EventKind.CHARGE, component=Component.FEE, amount_minor=amount // 50 + 1, until=on))
        elif roll < 0.9:
            out.append(Event(**base, kind=EventKind.WAIVER, component=Component.PENALTY, amount_minor=-1))
        elif roll < 0.95:
            where = rng.choice([DeferInterest.FIRST_ROW, DeferInterest.WAIVED])
            out.append(Event(**base, kind=EventKind.DEFER, rows=rng.randrange(1, 4), defer_interest=where))
        else:
            out.append(Event(**base, kind=EventKind.PAUSE, from_day=on, until=on + 30, pause_what=PauseWhat.PENALTY))
    return out


def random_loan(rng: random.Random) -> tuple[Terms, list[Event], int]:
    """Terms, events and a day to ask about."""
    terms = random_terms(rng)
    return terms, random_events(rng, terms), terms.disbursed_on + rng.randrange(0, 700)
