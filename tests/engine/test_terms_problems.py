"""Impossible terms are named with the reason; whatever passes replays without an exception other than EventRejected."""

from __future__ import annotations

import os
import random
from dataclasses import fields, replace
from enum import IntEnum
from typing import Any, get_type_hints

import pytest

from tests.strategies import random_events, wide_events
from tideover.engine import reference
from tideover.engine import terms as T
from tideover.engine.columns import terms_columns
from tideover.engine.columns_bulk import unsound
from tideover.engine.events import Event, EventKind, EventRejected, PauseWhat
from tideover.engine.judgment import JudgmentTerms
from tideover.engine.presets import bullet, consumer_annuity, enterprise_interest_only
from tideover.engine.terms import Component, CustomRow, Method, PenaltyTerms, Terms, day

BASE = consumer_annuity(1_400_000, 152_000, day("2026-01-12"), 12)
START = BASE.disbursed_on


def custom(*rows: CustomRow) -> Terms:
    return Terms(100, START, Method.CUSTOM, custom_rows=rows)


IMPOSSIBLE = [
    (BASE.with_(principal_minor=0), "principal_minor"),
    (BASE.with_(annual_rate_ppm=-1), "annual_rate_ppm"),
    (BASE.with_(exponent=9), "exponent"),
    (BASE.with_(every=0), "every"),
    (BASE.with_(instalments=0), "instalments"),
    (BASE.with_(due_day=32), "due_day"),
    (BASE.with_(settlement_day=32), "settlement_day"),
    (BASE.with_(debit_day=5), "debit_day"),
    (BASE.with_(settlement_day=5, unit=T.Unit.WEEK), "settlement_day"),
    (BASE.with_(first_due_on=START), "first_due_on"),
    (BASE.with_(rounding_unit_minor=0), "rounding_unit_minor"),
    (BASE.with_(instalment_multiple_minor=15, rounding_unit_minor=10), "instalment_multiple_minor"),
    (BASE.with_(balloon_minor=1_400_001), "balloon_minor"),
    (BASE.with_(balloon_minor=5, method=Method.FLAT), "balloon_minor"),
    (BASE.with_(fixed_instalment_minor=5, method=Method.FLAT), "fixed_instalment_minor"),
    (BASE.with_(grace_principal_rows=12), "grace_principal_rows"),
    (BASE.with_(grace_interest_rows=12), "grace_interest_rows"),
    (BASE.with_(interest_free_rows=13), "interest_free_rows"),
    (BASE.with_(method=Method.FLAT, interest_basis=T.InterestBasis.OUTSTANDING), "interest_basis"),
    (BASE.with_(custom_rows=(CustomRow(START + 1, 1),)), "custom_rows"),
    (custom(), "custom_rows"),
    (custom(CustomRow(START + 9, 50), CustomRow(START + 5, 50)), "custom_rows row 2"),
    (custom(CustomRow(START + 9, 50), CustomRow(START + 15, 49)), "custom_rows must add up"),
    (custom(CustomRow(START + 9, 100, -2)), "custom_rows row 1 has an interest"),
    (custom(CustomRow(START + 9, 101), CustomRow(START + 15, -1)), "custom_rows row 2 has a principal"),
    (BASE.with_(penalty=PenaltyTerms(ratio_num=0, ratio_den=0)), "penalty ratio 0/0"),
    (BASE.with_(penalty=PenaltyTerms(grace_days=-1)), "penalty grace_days"),
    (BASE.with_(penalty=PenaltyTerms(cap_minor=-2)), "penalty cap_minor"),
    (BASE.with_(penalty=PenaltyTerms(day_count=T.DayCount.ACT_ACT_ICMA)), "penalty day_count"),
    (BASE.with_(penalty=PenaltyTerms(compound_on_interest=False, compound_on_compound=True)), "penalty compound_on_compound"),
    (BASE.with_(allocation_order=(Component.PRINCIPAL, Component.PRINCIPAL)), "allocation_order names a component twice"),
    (BASE.with_(allocation_order=(Component.PRINCIPAL,)), "allocation_order does not name interest"),
    (BASE.with_(allocation_over_dpd=90), "allocation_over_order"),
    (BASE.with_(dpd=T.DpdTerms(counts_principal=False, counts_interest=False)), "dpd counts neither"),
    (BASE.with_(dpd=T.DpdTerms(materiality_rel_ppm=1_000_001)), "dpd materiality_rel_ppm"),
    (BASE.with_(subsidy=T.SubsidyTerms(1, 1, 0, 1, 1, 2, 1)), "subsidy max_share"),
    (BASE.with_(day_count=T.DayCount.ACT_365L, unit=T.Unit.DAY), "day_count"),
    (BASE.with_(instalments=2400, unit=T.Unit.YEAR), "instalments reach"),
    (bullet(100, 1, START, START + 9).with_(maturity_on=T.NO_DAY), "maturity_on"),
    (enterprise_interest_only(100, 1, START, START + 90).with_(maturity_on=START), "maturity_on"),
    (
        BASE.with_(business_day=T.BusinessDay.FOLLOWING, calendar=T.Calendar("never", frozenset(range(7)))),
        "calendar has no working day",
    ),
    (BASE.with_(method=77), "method 77"),
    (BASE.with_(principal_minor=1.5), "principal_minor 1.5"),
]


@pytest.mark.parametrize(("terms", "says"), IMPOSSIBLE, ids=[s for _, s in IMPOSSIBLE])
def test_each_impossible_term_is_named(terms: Terms, says: str) -> None:
    found = terms.problems()
    assert any(p.startswith(says) for p in found), found
    with pytest.raises(ValueError, match=says.split()[0]):
        reference.replay(terms, [], START)


NUMBERS = (-1, 0, 0, 1, 2, 3, 5, 12, 20, 28, 31, 32, 100, 360, 5_000, 1_000_000, T.NO_DAY)


def garbage(rng: random.Random, value: Any, kind: type) -> Any:
    """The record with a few fields replaced by whatever their type can hold."""
    hints, changes = get_type_hints(kind), {}
    for f in rng.sample(fields(kind), rng.randrange(0, 5)):
        wanted = hints[f.name]
        if isinstance(wanted, type) and issubclass(wanted, IntEnum):
            changes[f.name] = rng.choice(list(wanted))
        elif wanted is bool:
            changes[f.name] = rng.random() < 0.5
        elif wanted is int:
            changes[f.name] = START + rng.randrange(-40, 900) if f.name.endswith(("_on", "_day")) else rng.choice(NUMBERS)
        elif f.name in ("allocation_order", "allocation_over_order"):
            changes[f.name] = tuple(rng.choice(list(Component)) for _ in range(rng.randrange(8)))
    return replace(value, **changes)


def garbage_terms(rng: random.Random) -> Terms:
    days = sorted(START + rng.randrange(-3, 400) for _ in range(3))
    bases = [
        BASE,
        enterprise_interest_only(9_000_000, 43_500, START, START + 400),
        bullet(1_000_000, 120_000, START, START + 60),
        custom(CustomRow(days[0], 40), CustomRow(days[1], 60, rng.choice([-2, -1, 7]))),
        BASE.with_(method=Method.EQUAL_PRINCIPAL),
        BASE.with_(method=Method.FLAT),
    ]
    terms = garbage(rng, rng.choice(bases), Terms)
    if isinstance(terms.penalty, PenaltyTerms):
        terms = terms.with_(penalty=garbage(rng, terms.penalty, PenaltyTerms))
    subsidy = T.SubsidyTerms(10_000, 1, 2, 300_000, START, START + 200, 5_000_000)
    return terms.with_(dpd=garbage(rng, terms.dpd, T.DpdTerms), subsidy=rng.choice([None, garbage(rng, subsidy, T.SubsidyTerms)]))


def garbage_events(rng: random.Random, terms: Terms) -> list[Event]:
    sound = terms.with_(principal_minor=max(10, min(terms.principal_minor, 10**9)))
    events = rng.choice([random_events, wide_events])(rng, sound)
    on = START + rng.randrange(0, 500)
    judged = garbage(rng, JudgmentTerms(50_000, on + 10), JudgmentTerms)
    rows = tuple(CustomRow(on + rng.randrange(-5, 90), rng.randrange(-1, 1000)) for _ in range(rng.randrange(0, 3)))
    events += [
        Event(901, on, EventKind.JUDGMENT, judgment=rng.choice([None, judged])),
        Event(902, on + 5, EventKind.NEW_ROWS, new_rows=rows),
        Event(903, on, EventKind.REAMORTISE, rows=rng.choice([0, -1, 4]), from_day=rng.choice([T.NO_DAY, on - 9, on + 30])),
        Event(904, on, EventKind.PAUSE, from_day=on - 40, until=on - 10, pause_what=PauseWhat.INTEREST),
        Event(905, on, EventKind.ADJUSTMENT, of_seq=904, until=on + rng.randrange(-60, 30)),
    ]
    kept = rng.sample(events, rng.randrange(0, len(events)))
    return [garbage(rng, e, Event) if rng.random() < 0.3 else e for e in kept]


@pytest.mark.parametrize("part", range(4))
def test_random_terms_give_problems_or_replay(part: int) -> None:
    sound = refused = 0
    count = int(os.environ.get("TIDEOVER_RANDOM_LOANS", "1200"))
    for seed in range(part, count, 4):
        rng = random.Random(seed)
        terms = garbage_terms(rng)
        events = garbage_events(rng, terms)
        if terms.problems():
            refused += 1
            continue
        sound += 1
        try:
            reference.replay(terms, events, START + rng.randrange(0, 700))
        except EventRejected as rejected:
            assert rejected.reason
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}\n{terms}\n{events}") from error
    assert sound > count // 60 and refused > count // 60


def test_terms_in_bulk_are_refused_for_the_same_reasons() -> None:
    rng = random.Random(3)
    given = [t for t, says in IMPOSSIBLE if "1.5" not in says and "77" not in says and "ratio" not in says]
    given += [
        t for t in (garbage_terms(rng) for _ in range(300)) if isinstance(t.penalty, PenaltyTerms) and t.penalty.ratio_den > 0
    ]
    given = [t for t in given if t.every > 0 and t.disbursed_on != T.NO_DAY and abs(t.principal_minor) < 10**15]
    assert unsound(terms_columns(given)).tolist() == [bool(t.problems()) for t in given]
