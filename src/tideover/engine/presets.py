"""Common Chinese loans, ready to use.

from tideover.engine.presets import consumer_annuity
from tideover.engine.replay import replay, schedule
from tideover.engine.events import Event, EventKind
from tideover.engine.terms import day

terms = consumer_annuity(14_000_00, 152_000, day("2026-01-12"), 12)
for row in schedule(terms):
    print(row.nr, row.principal_minor, row.interest_minor)
paid = [Event(seq=1, on=day("2026-02-12"), kind=EventKind.PAYMENT, amount_minor=1_264_94)]
print(replay(terms, paid, day("2026-03-24")).payoff_minor)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tideover.engine.events import Event, EventKind, RowPolicy
from tideover.engine.terms import (
    CustomRow,
    DayCount,
    InterestBasis,
    Method,
    PrepaymentInterest,
    Surplus,
    Terms,
    date_of,
)


def _next_month(on: int) -> int:
    from tideover.engine.reference_schedule import months_later

    return months_later(on, 1, date_of(on).day)


def consumer_annuity(principal_minor: int, annual_rate_ppm: int, disbursed_on: int, instalments: int) -> Terms:
    """等额本息: equal monthly instalments on the day of the month of disbursement."""
    return Terms(
        principal_minor,
        disbursed_on,
        Method.ANNUITY,
        annual_rate_ppm,
        instalments=instalments,
        first_due_on=_next_month(disbursed_on),
        due_day=date_of(disbursed_on).day,
    ).checked()


def consumer_equal_principal(principal_minor: int, annual_rate_ppm: int, disbursed_on: int, instalments: int) -> Terms:
    """等额本金: equal principal each month, interest on what is left."""
    return consumer_annuity(principal_minor, annual_rate_ppm, disbursed_on, instalments).with_(method=Method.EQUAL_PRINCIPAL)


def enterprise_interest_only(
    principal_minor: int, annual_rate_ppm: int, disbursed_on: int, maturity_on: int, *, settlement_day: int = 21, every: int = 1
) -> Terms:
    """先息后本: interest on the 21st (settled to the 20th) every `every` months, principal at maturity; ACT/360."""
    return Terms(
        principal_minor,
        disbursed_on,
        Method.INTEREST_ONLY,
        annual_rate_ppm,
        day_count=DayCount.ACT_360,
        every=every,
        due_day=settlement_day,
        maturity_on=maturity_on,
        surplus=Surplus.HOLD,
    ).checked()


def bullet(principal_minor: int, annual_rate_ppm: int, disbursed_on: int, maturity_on: int) -> Terms:
    """到期一次还本付息: everything at maturity; ACT/360."""
    return Terms(
        principal_minor, disbursed_on, Method.BULLET, annual_rate_ppm, day_count=DayCount.ACT_360, maturity_on=maturity_on
    ).checked()


def drawdown(principal_minor: int, annual_rate_ppm: int, disbursed_on: int, maturity_on: int) -> Terms:
    """随借随还: one drawdown under a limit, interest for the days it is out, repaid with its own interest."""
    return bullet(principal_minor, annual_rate_ppm, disbursed_on, maturity_on).with_(
        interest_basis=InterestBasis.OUTSTANDING, prepayment_interest=PrepaymentInterest.SETTLE_ALL
    )


def enterprise_seasonal(
    principal_minor: int,
    annual_rate_ppm: int,
    disbursed_on: int,
    first_due_on: int,
    instalments: int,
    season: Mapping[int, int],
) -> Terms:
    """季节性还款: interest each month, principal only in the months of the season; ACT/360.

    season: month of the year (1..12) -> weight of the principal that its rows repay; the last seasonal row takes the residue.
    Raises ValueError when no row falls into the season.
    """
    rows = seasonal_rows(principal_minor, first_due_on, instalments, season)
    return Terms(
        principal_minor, disbursed_on, Method.CUSTOM, annual_rate_ppm, day_count=DayCount.ACT_360, custom_rows=rows
    ).checked()


def seasonal_rows(principal_minor: int, first_due_on: int, instalments: int, season: Mapping[int, int]) -> tuple[CustomRow, ...]:
    """The monthly rows of a seasonal plan: all but those of the season repay nothing. Raises ValueError without such a row."""
    from tideover.engine.reference_schedule import months_later

    days = [months_later(first_due_on, k, date_of(first_due_on).day) for k in range(instalments)]
    weights = [season.get(date_of(d).month, 0) for d in days]
    if sum(weights) <= 0:
        raise ValueError(f"none of the {instalments} rows falls into the season {sorted(season)}")
    parts = [principal_minor * w // sum(weights) for w in weights]
    parts[max(i for i, w in enumerate(weights) if w)] += principal_minor - sum(parts)
    return tuple(CustomRow(d, p) for d, p in zip(days, parts, strict=True))


def enterprise_floating(
    principal_minor: int, lpr_ppm: int, spread_ppm: int, disbursed_on: int, maturity_on: int, *, settlement_day: int = 21
) -> Terms:
    """LPR 浮动利率: interest first at the loan prime rate of the day of signing plus a spread; later rates come as `resets`."""
    return enterprise_interest_only(
        principal_minor, lpr_ppm + spread_ppm, disbursed_on, maturity_on, settlement_day=settlement_day
    )


def resets(fixings: Sequence[tuple[int, int]], spread_ppm: int, *, first_seq: int = 1) -> list[Event]:
    """重定价: the rate changes of a floating loan. fixings: (reset day, reference rate in ppm a year) of each reset."""
    return [
        Event(seq=first_seq + k, on=on, kind=EventKind.RATE_CHANGE, rate_ppm=rate + spread_ppm, later_rows=RowPolicy.REAMORTISE)
        for k, (on, rate) in enumerate(fixings)
    ]
