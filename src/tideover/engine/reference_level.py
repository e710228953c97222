"""Equal instalments from each row's own period rate, and interest that follows the principal really outstanding.

With r_k the rate of row k: A = P * prod(1 + r_k) / f_n, f_1 = 1, f_k = 1 + f_(k-1) * (1 + r_k). A tranche gives the rows
due after its day a new A from the balance at the start of the first of them. docs/method/allocation.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tideover.engine.reference_schedule import PPM, PlanRow, period_share, planned_interest, round_exact, whole_share
from tideover.engine.terms import LevelRate, Terms

Dated = tuple[int, int]
"""(int day, minor units)."""


@dataclass(frozen=True, slots=True)
class Actual:
    """Principal really outstanding: its value from each day on, known up to `today`; `closed_on`: nothing after that day.

    past_rows: rows that ended by today run on it as well; else they keep the plan's interest and only the running row does.
    """

    balances: Sequence[Dated]
    today: int
    closed_on: int | None = None
    past_rows: bool = True

    def after(self, planned: int, on: int) -> int:
        """The balance that bears interest from `on` to come: the plan's, never more than what is outstanding."""
        if self.closed_on is not None:
            return planned if on < self.closed_on else 0
        known = [balance for at, balance in self.balances if at <= self.today]
        return min(planned, known[-1]) if known else planned


@dataclass(frozen=True, slots=True)
class Early:
    """Money that went to the principal of the row at `index` on a day up to its due day; `lowers`: later rows ask for less."""

    index: int
    on: int
    amount: int
    lowers: bool


@dataclass(frozen=True, slots=True)
class Course:
    """What makes a plan: payments out, early money, and the principal really outstanding (None: interest by the plan)."""

    tranches: Sequence[Dated]
    early: Sequence[Early] = ()
    actual: Actual | None = None


def level_of(rows: Sequence[PlanRow], balance: int, terms: Terms, first: PlanRow) -> int:
    """The instalment that pays `balance` over `rows`, rounded as the terms say; the rates are those that the terms name."""
    growth, factor = Fraction(1), Fraction(0)
    for row in rows:
        rate = Fraction(terms.annual_rate_ppm, PPM) * _rate_share(row, terms, first)
        growth *= 1 + rate
        factor = 1 + factor * (1 + rate)
    unit = max(terms.rounding_unit_minor, terms.instalment_multiple_minor)
    return round_exact(balance * growth / factor, terms.rounding, unit)


def _rate_share(row: PlanRow, terms: Terms, first: PlanRow) -> Fraction:
    if terms.level_rate == LevelRate.EACH_ROW:
        return whole_share(row, terms)
    return whole_share(first, terms) if terms.level_rate == LevelRate.FIRST_ROW else period_share(terms)


def levels_of(rows: Sequence[PlanRow], tranches: Sequence[Dated], terms: Terms) -> list[int]:
    """Each row's instalment after all tranches, in order of their day; one for good where the terms name its principal."""
    fixed = terms.fixed_instalment_minor
    if terms.level_principal_minor and not fixed:
        fixed = level_of(rows, terms.level_principal_minor, terms, rows[0])
    if fixed:
        return [fixed] * len(rows)
    levels = [0] * len(rows)
    for n in range(1, len(tranches) + 1):
        known = tranches[:n]
        first = next((k for k, row in enumerate(rows) if row.due_on > known[-1][0]), len(rows) - 1)
        lay_out(rows, levels, Course(known), terms)
        balance = sum(amount for _, amount in known) - sum(row.principal for row in rows[:first])
        level = level_of(rows[first:], balance, terms, rows[0])
        levels[first:] = [level] * (len(rows) - first)
        if terms.level_rate == LevelRate.EACH_ROW:
            _fit(rows, levels, first, known, terms)
    return levels


def _fit(rows: Sequence[PlanRow], levels: list[int], first: int, tranches: Sequence[Dated], terms: Terms) -> None:
    """Move the instalment by the last row's difference over the rows, where the last row comes closer by it."""
    count, level = len(rows) - first, levels[first]
    gap = _last_gap(rows, levels, tranches, terms)
    if abs(gap) <= count // 2 * 10**terms.exponent // 100:
        return
    unit = max(terms.rounding_unit_minor, terms.instalment_multiple_minor)
    moved = round_exact(level + Fraction(gap, count), terms.rounding, unit)
    levels[first:] = [moved] * count
    if abs(_last_gap(rows, levels, tranches, terms)) >= abs(gap):
        levels[first:] = [level] * count


def _last_gap(rows: Sequence[PlanRow], levels: list[int], tranches: Sequence[Dated], terms: Terms) -> int:
    lay_out(rows, levels, Course(tranches), terms)
    return rows[-1].principal + planned_interest(rows[-1], terms) - levels[-1]


def lay_out(rows: Sequence[PlanRow], levels: Sequence[int], course: Course, terms: Terms) -> None:
    """Give rows their balances, interest and principal: instalment less interest, the last row what is left.

    Interest of days before `course.actual.today` runs on the principal really outstanding, of later days on the plan. Early
    money is part of its row's principal, on top of it when paid on the due day.
    """
    left, asked = 0, list(levels)
    for k, row in enumerate(rows):
        last = k + 1 == len(rows)
        following = row.due_on if last else rows[k + 1].start
        held = [(on, amount) for on, amount in course.tranches if (k == 0 or on >= row.start) and on < following]
        early = [e for e in course.early if e.index == k]
        changes = [*held, *((e.on, -e.amount) for e in early)]
        row.pieces = _pieces(row, left, changes, terms.annual_rate_ppm, course.actual)
        left += sum(amount for _, amount in held)
        before = sum(e.amount for e in early if e.on < row.due_on)
        due_day = sum(e.amount for e in early if e.on >= row.due_on)
        planned = max(asked[k] - planned_interest(row, terms), before) + due_day
        row.principal = left if last else max(0, min(planned, left))
        left -= row.principal
        row.balance = left
        if any(e.lowers for e in early) and not last and left:
            asked[k + 1 :] = [level_of(rows[k + 1 :], left, terms, rows[0])] * (len(rows) - k - 1)


def _pieces(row: PlanRow, left: int, changes: Sequence[Dated], rate: int, actual: Actual | None) -> list[tuple[int, int, int]]:
    days = {row.start: left}
    for on, change in sorted(changes):
        left += change
        days[max(on, row.start)] = left
    planned = sorted(days.items())
    if actual is None or (row.end <= actual.today and not actual.past_rows):
        return [(on, balance, rate) for on, balance in planned if on < row.end or on == row.start]
    return _mixed(row, planned, rate, actual)


def _mixed(row: PlanRow, planned: list[Dated], rate: int, actual: Actual) -> list[tuple[int, int, int]]:
    """Pieces on the real balance up to today and on the plan's from today on."""
    turn = min(max(actual.today, row.start), row.end)
    marks = {row.start, turn, *(on for on, _ in planned)}
    marks |= {on for on, _ in actual.balances if row.start < on < turn}
    if actual.closed_on is not None and row.start < actual.closed_on < row.end:
        marks.add(actual.closed_on)
    out: list[tuple[int, int, int]] = []
    for on in sorted(m for m in marks if m < row.end):
        plan_now = [balance for at, balance in planned if at <= on][-1]
        known = [balance for at, balance in actual.balances if at <= on]
        balance = (known[-1] if known else 0) if on < turn else actual.after(plan_now, on)
        if not out or out[-1][1] != balance:
            out.append((on, balance, rate))
    return out
