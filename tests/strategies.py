"""Random loans and histories for properties; `random_loan` is seeded, so a failure can be replayed from its seed."""

from __future__ import annotations

import random

from tideover.engine import terms as T
from tideover.engine.columns import COMPILED_KINDS
from tideover.engine.event_problems import CHARGEABLE
from tideover.engine.events import DebitStatus, DeferInterest, Event, EventKind, PauseWhat, PrepayMode, RowPolicy
from tideover.engine.judgment import ORDER_JUDGMENT, JudgmentTerms
from tideover.engine.reference_judgment import NOT_AFTER_JUDGMENT
from tideover.engine.terms import Component, Method, Terms, day
from tideover.engine.terms_problems import row_count

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
        prepayment_interest=rng.choice([T.PrepaymentInterest.AT_DUE, T.PrepaymentInterest.SETTLE_ALL]),
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


# --- every term and every event, for holding the kernel to the reference -------------------------------------------------


def wide_terms(rng: random.Random) -> Terms:
    """Terms over every convention that the kernel compiles."""
    terms = random_terms(rng)
    method = terms.method
    calendar = T.Calendar("t", frozenset({5, 6}), frozenset(START + rng.randrange(900) for _ in range(40)))
    penalty = rng.choice(
        [
            None,
            T.PenaltyTerms(
                ratio_num=rng.choice([3, 13, 2]),
                ratio_den=rng.choice([2, 10]),
                rate_ppm=rng.choice([-1, -1, 180_000]),
                base=rng.choice(list(T.PenaltyBase)),
                day_count=rng.choice(list(T.DayCount)[:8]),
                grace_days=rng.choice([0, 0, 3, 10]),
                grace_from=rng.choice(list(T.Shift)),
                restart_on_grace_end=rng.random() < 0.2,
                compound_on_interest=rng.random() < 0.8,
                compound_joins_base=rng.choice(list(T.JoinsBase)),
                compound_rate_before_maturity=rng.choice(list(T.CompoundRate)),
                compound_rate_after_maturity=rng.choice(list(T.CompoundRate)),
                compound_day_count=rng.choice(list(T.DayCount)[:8]),
                cap_minor=rng.choice([-1, -1, rng.randrange(3000), rng.randrange(terms.principal_minor // 20)]),
            ),
        ]
    )
    changes: dict[str, object] = {
        "penalty": penalty,
        "interest_basis": T.InterestBasis(method != Method.FLAT and rng.random() < 0.35),
        "day_count": rng.choice(list(T.DayCount)[:8]),
        "part_period": rng.choice(list(T.PartPeriod)),
        "first_period": rng.choice(list(T.FirstPeriod)[:2]),
        "odd_first": rng.choice(list(T.OddFirst)[:2]),
        "business_day": rng.choice(list(T.BusinessDay)[:5]),
        "calendar": calendar,
        "accrual_dates": rng.choice(list(T.Shift)),
        "late_from": rng.choice(list(T.Shift)),
        "rounding": rng.choice(list(T.Rounding)),
        "rounding_unit_minor": rng.choice([1, 1, 10]),
        "round_where": rng.choice([T.RoundWhere.PER_ROW, T.RoundWhere.PER_ROW, T.RoundWhere.PER_DAY]),
        "instalment_multiple_minor": rng.choice([1, 1, 100]),
        "residue": rng.choice(list(T.Residue)),
        "interest_free_rows": min(rng.choice([0, 0, 2]), row_count(terms)),
        "grace_interest_rows": min(rng.choice([0, 0, 2]), row_count(terms) - 1),
        "grace_principal_rows": min(rng.choice([0, 0, 1]), row_count(terms) - 1),
        "allocation_over_dpd": rng.choice([-1, -1, 30]),
        "allocation_over_order": (Component.PRINCIPAL, Component.INTEREST),
        "dpd": T.DpdTerms(
            counts_interest=rng.random() < 0.8,
            materiality_abs_minor=rng.choice([0, 100]),
            materiality_rel_ppm=rng.choice([0, 10_000]),
            materiality_per=rng.choice(list(T.MaterialityPer)),
            grace_days=rng.choice([0, 3]),
            restart_on_grace_end=rng.random() < 0.3,
        ),
    }
    if rng.random() < 0.2:
        start, most = terms.disbursed_on + rng.randrange(-20, 100), rng.choice([10**4, 10**13])
        points, den, cap = rng.choice([10_000, 200_000]), rng.choice([2, 3]), rng.choice([500, 10**6, 10**13])
        changes |= {"subsidy": T.SubsidyTerms(points, 1, den, cap, start, start + 200, most)}
    if method in (Method.ANNUITY, Method.EQUAL_PRINCIPAL) and rng.random() < 0.3:
        changes |= {"balloon_minor": rng.randrange(terms.principal_minor)}
    if rng.random() < 0.15:
        changes |= {"unit": T.Unit.WEEK, "every": 2}
    elif rng.random() < 0.1:
        changes |= {"unit": T.Unit.QUARTER}
    if rng.random() < 0.15:
        days = sorted({terms.disbursed_on + rng.randrange(20, 400) for _ in range(5)})
        parts = [terms.principal_minor // len(days)] * len(days)
        parts[-1] += terms.principal_minor - sum(parts)
        rows = tuple(T.CustomRow(d, p, rng.choice([-1, 500])) for d, p in zip(days, parts, strict=True))
        changes |= {"method": Method.CUSTOM, "custom_rows": rows, "instalments": 0, "first_due_on": T.NO_DAY}
        changes |= {"interest_free_rows": 0, "grace_interest_rows": 0, "grace_principal_rows": 0, "balloon_minor": 0}
    elif terms.method == Method.INTEREST_ONLY and rng.random() < 0.5:
        changes |= {"settlement_day": 20, "debit_day": 21, "settlement_day_counted": rng.random() < 0.5}
    return terms.with_(**changes)


def wide_events(rng: random.Random, terms: Terms) -> list[Event]:
    """A history in which anything can happen, in any order of knowing; in one of three a court judges the debt."""
    out = random_events(rng, terms)[: rng.randrange(1, 8)]
    kinds = sorted(COMPILED_KINDS - {EventKind.PAYMENT, EventKind.JUDGMENT})
    for seq in range(len(out) + 1, len(out) + rng.randrange(1, 7)):
        kind, on = rng.choice(kinds), terms.disbursed_on + rng.randrange(0, 600)
        amount = rng.randrange(1, max(2, terms.principal_minor // 3))
        more: dict[str, object] = {}
        if kind in (EventKind.REVERSAL, EventKind.ADJUSTMENT):
            more = {"of_seq": rng.randrange(1, seq + 1)}
        elif kind == EventKind.RATE_CHANGE:
            more = {"rate_ppm": rng.choice([30_000, 90_000]), "later_rows": rng.choice(list(RowPolicy))}
        elif kind == EventKind.CHARGE:
            more = {"component": rng.choice(sorted(CHARGEABLE)), "until": on + rng.choice([0, 20])}
        elif kind == EventKind.WAIVER:
            more, amount = {"component": rng.choice(list(Component)[1:])}, rng.choice([-1, amount // 20])
        elif kind == EventKind.DEFER:
            more = {"rows": rng.randrange(1, 3), "defer_interest": rng.choice(list(DeferInterest))}
        elif kind == EventKind.EXTENSION:
            more = {"until": max(on, terms.disbursed_on + 900) + rng.randrange(30, 200), "rate_ppm": rng.choice([-1, 70_000])}
        elif kind == EventKind.REAMORTISE:
            parts = (Component.INTEREST, Component.PENALTY, Component.FEE, Component.PRINCIPAL)
            more = {"rows": rng.randrange(1, 12), "from_day": on + rng.randrange(5, 60), "components": parts[: rng.randrange(5)]}
        elif kind == EventKind.RESTRUCTURE:
            more = {"class_min": "substandard"}
        elif kind == EventKind.GUARANTOR_PAYMENT:
            more = {"shares": ((Component.PRINCIPAL, 7, 10), (Component.INTEREST, 1, 3), (Component.FEE, 1, 2))}
        elif kind == EventKind.DEBIT:
            more = {"debit_id": rng.choice("ab"), "debit_status": rng.choice(list(DebitStatus))}
        elif kind == EventKind.PAUSE:
            more = {"from_day": on, "until": on + rng.randrange(5, 60), "pause_what": rng.randrange(1, 8)}
        elif kind == EventKind.CREDIT_REFUND:
            amount = 1
        elif kind == EventKind.CHARGEBACK:
            more = {"of_seq": 1}
        known = on + rng.choice([0, 0, 30])
        out.append(Event(seq=seq, on=on, recorded_at=known, kind=kind, amount_minor=amount, **more))  # type: ignore[arg-type]
    for seq in range(len(out) + 1, len(out) + 1 + rng.choice([0, 0, 0, 0, 1, 2])):
        out = _judged(rng, terms, out, seq)
    return out


def _judged(rng: random.Random, terms: Terms, events: list[Event], seq: int) -> list[Event]:
    """The history with a judgment in it, mostly without what a judged debt refuses."""
    on = terms.disbursed_on + rng.randrange(0, 500)
    order = list(Component)
    rng.shuffle(order)
    judgment = JudgmentTerms(
        principal_minor=rng.choice([0, rng.randrange(terms.principal_minor), terms.principal_minor]),
        performance_due_on=on + rng.randrange(-10, 60),
        cost_minor=rng.choice([0, rng.randrange(50_000)]),
        interest_minor=rng.choice([0, rng.randrange(100_000)]),
        general_rate_ppm=rng.choice([0, 43_125, 180_000]),
        general_from=on + rng.randrange(-30, 60),
        general_year=rng.choice([360, 365]),
        double_on_cost=rng.random() < 0.3,
        order=rng.choice([ORDER_JUDGMENT, tuple(order[: rng.randrange(8)])]),
    )
    event = Event(seq=seq, on=on, recorded_at=on, kind=EventKind.JUDGMENT, judgment=judgment)
    keep_all = rng.random() < 0.1
    return [*(e for e in events if keep_all or e.on < on or e.kind not in NOT_AFTER_JUDGMENT), event]


def wide_loan(rng: random.Random) -> tuple[Terms, list[Event], int]:
    """Terms, events and a day to ask about, over everything the kernel compiles."""
    terms = wide_terms(rng)
    return terms, wide_events(rng, terms), terms.disbursed_on + rng.randrange(0, 1200)
