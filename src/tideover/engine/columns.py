"""Many loans as columns: the arrays that the kernel reads and writes, and packing of `Terms` and `Event` into them.

What loans share (conventions: a product version, mostly) stands once in `conventions`; what each has of its own in `loans`.
Money int64 minor units, rates ppm, days since 1970-01-01, absent day NO_DAY. Records of 8-byte integers, events of 32 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from tideover.engine.events import DebitStatus, DeferInterest, Event, EventKind, PrepayMode, RowPolicy
from tideover.engine.judgment import JudgmentTerms
from tideover.engine.moves import CAUSE_COUNT, MOVE_COLUMNS
from tideover.engine.terms import (
    COMPONENT_COUNT,
    NO_DAY,
    PRINCIPAL_MINOR_MAX,
    RATE_PPM_MAX,
    BusinessDay,
    Calendar,
    Component,
    CustomRow,
    DayCount,
    FirstPeriod,
    InterestBasis,
    JoinsBase,
    Method,
    OddFirst,
    PenaltyTerms,
    PrepaymentInterest,
    RoundWhere,
    Terms,
    Unit,
)

C, NO = COMPONENT_COUNT, int(NO_DAY)
Plan = tuple[tuple[CustomRow, ...], JudgmentTerms | None]
NO_PLAN: Plan = ((), None)


def _ints(*names: str) -> list[tuple[str, str]]:
    return [(n, "i8") for n in names]


LOAN = np.dtype(
    _ints(
        "principal", "rate", "disbursed_on", "first_due_on", "maturity_on", "instalments", "due_day", "convention",
        "custom_at", "custom_count",
    )
)  # fmt: skip
CONVENTION = np.dtype(
    [
        *_ints(
            "method", "day_count", "part_period", "first_period", "odd_first", "months", "step_days", "settlement_day",
            "settlement_day_counted", "debit_day", "business_day", "accrual_dates", "late_from", "calendar", "rounding",
            "unit", "round_where", "accruals", "multiple", "fixed_instalment", "balloon", "grace_principal_rows",
            "grace_interest_rows", "interest_free_rows", "residue", "has_penalty", "ratio_num", "ratio_den", "penalty_rate",
            "penalty_base", "penalty_day_count", "grace_days", "grace_from", "restart_on_grace_end", "compound_on_interest",
            "compound_joins", "compound_rate_before", "compound_rate_after", "compound_day_count", "over_dpd",
            "surplus", "prepayment_interest", "dpd_principal", "dpd_interest", "dpd_abs", "dpd_rel", "dpd_per", "dpd_grace",
            "dpd_restart", "gap", "over", "penalty_over", "compound_over", "outstanding",
            "cap", "has_subsidy", "subsidy_points", "subsidy_num", "subsidy_den", "subsidy_from", "subsidy_to",
            "subsidy_eligible", "subsidy_year", "stepped",
        ),
        ("late_over", "i8", (2,)),
        ("order", "i8", (2, C)),
        ("row_order", "i8", (2, 4)),
        ("by", "i8", (2,)),
    ]
)  # fmt: skip
"""`months`/`step_days`: length of a period, one of them 0. `gap` 1: the kernel leaves these terms to the reference. `over`,
`penalty_over`, `compound_over`: DAYS_OVER of the three day counts; `late_over`: denominators of exact penalty and compound.
`stepped`: days between events matter (`kernel._step`).
`order`, `by`: allocation as a rule, and above `over_dpd`; `row_order`: what of `order` stands on rows."""
EVENT = np.dtype(
    [("recorded_at", "i8"), ("amount", "i8"), ("on", "i4"), ("seq", "i4"), ("kind", "i2"), ("component", "i2"), ("detail", "i4")]
)
"""`detail`: row of DETAIL with what only some kinds say; row 0 holds the defaults."""
DETAIL = np.dtype(
    [
        *_ints(
            "of_seq", "rate_ppm", "later_rows", "prepay_mode", "defer_interest", "rows", "from_day", "until", "pause_what",
            "class_code", "debit_code", "debit_status", "component_count", "share_count", "plan_code", "every", "every_unit",
            "grace_rows",
        ),
        ("components", "i8", (C,)),
        ("share_component", "i8", (C,)),
        ("share_num", "i8", (C,)),
        ("share_den", "i8", (C,)),
        *_ints("judged_principal", "judged_interest", "judged_cost"),
        *((n, "i4") for n in ("performance_due_on", "general_from", "general_rate", "double_daily", "general_year")),
        ("double_on_cost", "i2"),
        ("is_judged", "i2"),
        ("judged_order", "i1", (8,)),
    ]
)  # fmt: skip
"""From `judged_principal` on: what a judgment says; `is_judged` when it can be replayed. Narrow columns: few events carry one."""
STANDING = np.dtype(
    [
        *_ints(
            "status", "status_seq", "principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee",
            "recovery_cost", "surplus", "payoff", "total_overdue", "overdue_principal", "overdue_interest", "days_past_due",
            "oldest_due_on", "shown_days_past_due", "in_flight", "borrower_days_past_due", "is_written_off", "class_code",
            "next_due_on", "next_due", "paid_total", "row_count", "line_count", "row_outstanding", "due_count", "paid_count",
            "last_due_on", "maturity_on", "interest_since",
        ),
        ("subrogated", "i8", (C,)),
        ("written_off", "i8", (C,)),
        ("recovered", "i8", (C,)),
    ]
)  # fmt: skip
ROW_OUT = np.dtype(
    _ints(
        "due_on", "late_from", "principal", "interest", "balance", "paid_principal", "paid_interest", "outstanding",
        "penalty", "compound", "paid_on", "subsidy",
    )
)  # fmt: skip
LINE = np.dtype([*_ints("seq", "on", "held", "cause"), ("amounts", "i8", (C,))])
MOVES = np.dtype([("by", "i8", (CAUSE_COUNT, MOVE_COLUMNS))])
"""The trace of a loan summed by cause and component (engine.moves)."""
CALENDAR_DAYS = 73_049
CALENDARS_MAX = 64
"""Calendars are laid out day by day from 1970-01-01 to 2169-12-31."""
PPM = 1_000_000
DAYS_OVER = {
    DayCount.PERIODS: 360,
    DayCount.ACT_360: 360,
    DayCount.ACT_365F: 365,
    DayCount.THIRTY_360: 360,
    DayCount.ACT_ACT_ISDA: 365 * 366,
    DayCount.ACT_364: 364,
    DayCount.ACT_36525: 1461,
    DayCount.THIRTY_E_360: 360,
}
"""Day counts that the kernel knows: in which parts of a year `kernel_dates.days_counted` counts."""
RATIO_DEN_MAX, RATIO_NUM_MAX, UNIT_MAX = 100, 100, 10_000
PENALTY_RATE_MAX = 10**9
COMPILED_KINDS = frozenset(k for k in EventKind if k <= EventKind.ADJUSTMENT)
"""Kinds that the kernel replays; a loan with another is left to the reference."""


@dataclass(slots=True)
class TermsColumns:
    """Terms of many loans. templates: one `Terms` a convention row, from which `at(i)` makes the terms of loan i."""

    loans: np.ndarray
    conventions: np.ndarray
    templates: list[Terms]
    custom: np.ndarray
    """(n, 3) int64: due day, principal, interest (-1: by the day count) of custom rows."""
    calendars: np.ndarray
    """(n, CALENDAR_DAYS) uint8: 1 on working days."""

    def at(self, i: int) -> Terms:
        """The terms of loan i as one object."""
        loan = self.loans[i]
        template = self.templates[int(loan["convention"])]
        rows = self.custom[int(loan["custom_at"]) : int(loan["custom_at"]) + int(loan["custom_count"])]
        return template.with_(
            principal_minor=int(loan["principal"]),
            annual_rate_ppm=int(loan["rate"]),
            disbursed_on=int(loan["disbursed_on"]),
            first_due_on=int(loan["first_due_on"]),
            maturity_on=int(loan["maturity_on"]),
            instalments=int(loan["instalments"]),
            due_day=int(loan["due_day"]),
            custom_rows=tuple(CustomRow(*map(int, r)) for r in rows),
        )


@dataclass(slots=True)
class EventColumns:
    """Events of many loans: those of loan i are events[offsets[i] : offsets[i + 1]], in any order."""

    offsets: np.ndarray
    events: np.ndarray
    details: np.ndarray
    classes: list[str]
    debits: list[str]
    plans: list[Plan] = field(default_factory=lambda: [NO_PLAN])
    """New rows and judgments as they were given, by `plan_code`; the kernel reads a judgment from `details`."""

    def at(self, i: int) -> list[Event]:
        """The events of loan i as objects."""
        return [self._event(e) for e in self.events[self.offsets[i] : self.offsets[i + 1]]]

    def _event(self, e: Any) -> Event:
        d = self.details[int(e["detail"])]
        n, m = int(d["component_count"]), int(d["share_count"])
        shares = zip(d["share_component"][:m], d["share_num"][:m], d["share_den"][:m], strict=True)
        return Event(
            seq=int(e["seq"]),
            on=int(e["on"]),
            kind=EventKind(int(e["kind"])),
            recorded_at=int(e["recorded_at"]),
            amount_minor=int(e["amount"]),
            component=Component(int(e["component"])),
            components=tuple(Component(int(c)) for c in d["components"][:n]),
            shares=tuple((Component(int(c)), int(a), int(b)) for c, a, b in shares),
            of_seq=int(d["of_seq"]),
            rate_ppm=int(d["rate_ppm"]),
            later_rows=RowPolicy(int(d["later_rows"])),
            prepay_mode=PrepayMode(int(d["prepay_mode"])),
            defer_interest=DeferInterest(int(d["defer_interest"])),
            rows=int(d["rows"]),
            from_day=int(d["from_day"]),
            until=int(d["until"]),
            pause_what=int(d["pause_what"]),
            class_min=self.classes[int(d["class_code"])],
            debit_id=self.debits[int(d["debit_code"])],
            debit_status=DebitStatus(int(d["debit_status"])),
            every=int(d["every"]),
            unit=Unit(int(d["every_unit"])),
            grace_rows=int(d["grace_rows"]),
            new_rows=self.plans[int(d["plan_code"])][0],
            judgment=self.plans[int(d["plan_code"])][1],
        )


# --- terms -------------------------------------------------------------------------------------------------------------

OWN = (
    "principal_minor",
    "annual_rate_ppm",
    "disbursed_on",
    "first_due_on",
    "maturity_on",
    "instalments",
    "due_day",
    "custom_rows",
)
READ = frozenset(
    {
        *OWN, "method", "currency", "exponent", "day_count", "part_period", "first_period", "odd_first", "every", "unit",
        "settlement_day", "settlement_day_counted", "debit_day", "business_day", "accrual_dates", "late_from", "calendar",
        "rounding", "rounding_unit_minor", "round_where", "accruals", "instalment_multiple_minor",
        "fixed_instalment_minor", "balloon_minor", "grace_principal_rows", "grace_interest_rows", "interest_free_rows",
        "residue", "penalty", "allocation_order", "allocation_by", "allocation_over_dpd", "allocation_over_order",
        "allocation_over_by", "surplus", "prepayment_interest", "dpd", "interest_basis",
        "subsidy",
    }
)  # fmt: skip
PENALTY_READ = frozenset(
    {
        "ratio_num", "ratio_den", "rate_ppm", "base", "day_count", "grace_days", "grace_from", "restart_on_grace_end",
        "compound_on_interest", "compound_joins_base", "compound_rate_before_maturity", "compound_rate_after_maturity",
        "compound_day_count", "cap_minor",
    }
)  # fmt: skip
PLAIN = Terms(1, 0, Method.BULLET)


def kernel_gap(terms: Terms) -> str | None:
    """Why the kernel leaves these terms to the reference; None when it takes them.

    A term that the kernel does not read and that is not at its default is a gap, so a new term can never be ignored by it.
    """
    for f in fields(Terms):
        if f.name not in READ and getattr(terms, f.name) != getattr(PLAIN, f.name):
            return f"{f.name} is not compiled"
    p = terms.penalty
    if p is not None:
        for g in fields(PenaltyTerms):
            if g.name not in PENALTY_READ and getattr(p, g.name) != getattr(PenaltyTerms(), g.name):
                return f"penalty.{g.name} is not compiled"
        if not (0 < p.ratio_den <= RATIO_DEN_MAX and 0 <= p.ratio_num <= RATIO_NUM_MAX):
            return "the penalty ratio is out of the kernel's range"
        if p.rate_ppm > PENALTY_RATE_MAX:
            return "the penalty rate is out of the kernel's range"
        if p.day_count not in DAYS_OVER or p.compound_day_count not in DAYS_OVER:
            return "the penalty's day count is not compiled"
    s = terms.subsidy
    if s is not None and (s.max_share_den > RATIO_DEN_MAX or s.points_ppm > RATE_PPM_MAX):
        return "the subsidy's share is out of the kernel's range"
    if terms.round_where == RoundWhere.PER_PIECE:
        return "rounding each stretch of a row is not compiled"
    if terms.prepayment_interest == PrepaymentInterest.SETTLE_PART:
        return "prepayment_interest settle_part is not compiled"
    if terms.first_period == FirstPeriod.MONTHS_PLUS_DAYS_EU or terms.odd_first == OddFirst.LEVEL:
        return "this odd first period is not compiled"
    if terms.method == Method.EQUAL_PRINCIPAL and terms.fixed_instalment_minor:
        return "a fixed principal part is not compiled"
    if terms.business_day > BusinessDay.MODIFIED_PRECEDING:
        return f"business_day {terms.business_day.name.lower()} is not compiled"
    if terms.day_count not in DAYS_OVER:
        return f"day count {terms.day_count.name.lower()} is not compiled"
    if max(terms.rounding_unit_minor, terms.instalment_multiple_minor) > UNIT_MAX:
        return "the rounding unit is out of the kernel's range"
    if terms.every > 120 or (terms.unit in (Unit.DAY, Unit.WEEK) and terms.every > 366):
        return "the period is out of the kernel's range"
    return None


class TermsPacker:
    """Collects terms loan by loan; equal conventions are stored once."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}
        self.by_identity: dict[int, int] = {}
        self.templates: list[Terms] = []
        self.loans: list[tuple[int, ...]] = []
        self.custom: list[tuple[int, int, int]] = []
        self.calendars: list[Calendar] = []

    def convention(self, terms: Terms) -> int:
        """The convention row of these terms; what is each loan's own does not matter."""
        template = terms.with_(**{n: getattr(PLAIN, n) for n in OWN})
        found = self.known.get(template)
        if found is None:
            found = self.known[template] = len(self.templates)
            self.templates.append(template)
            if template.calendar not in self.calendars:
                self.calendars.append(template.calendar)
        return found

    def add(self, terms: Terms) -> None:
        """One loan more. Terms must be sound (`Terms.checked`)."""
        at = len(self.custom)
        self.custom += [(r.due_on, r.principal_minor, r.interest_minor) for r in terms.custom_rows]
        self.loans.append(
            (
                terms.principal_minor, terms.annual_rate_ppm, terms.disbursed_on, terms.first_due_on, terms.maturity_on,
                terms.instalments, terms.due_day, self.convention(terms), at, len(terms.custom_rows),
            )
        )  # fmt: skip

    def columns(self, loans: np.ndarray | None = None) -> TermsColumns:
        """What was collected; `loans`: records of LOAN made elsewhere that use the convention rows of this packer."""
        made = np.array(self.loans, LOAN) if loans is None else loans
        conventions = np.zeros(len(self.templates), CONVENTION)
        for at, template in enumerate(self.templates):
            calendar = self.calendars.index(template.calendar)
            conventions[at] = _convention_of(template)
            conventions[at]["calendar"] = calendar
            if calendar >= CALENDARS_MAX:
                conventions[at]["calendar"], conventions[at]["gap"] = 0, 1
        custom = np.array(self.custom, np.int64).reshape(-1, 3)
        days = [_calendar_days(c) for c in self.calendars] or [np.ones(1, np.uint8)]
        calendars = days[0][None] if len(days) == 1 else np.stack(days)
        return TermsColumns(made.view(np.recarray), conventions.view(np.recarray), self.templates, custom, calendars)


def terms_columns(terms: Sequence[Terms]) -> TermsColumns:
    """Terms of many loans, in order."""
    packer = TermsPacker()
    for t in terms:
        packer.add(t)
    return packer.columns()


@lru_cache(maxsize=64)
def _calendar_days(calendar: Calendar) -> np.ndarray:
    days = np.arange(CALENDAR_DAYS)
    out = ~np.isin((days + 3) % 7, list(calendar.weekend))
    out &= ~np.isin(days, list(calendar.holidays))
    out |= np.isin(days, list(calendar.workdays))
    return out.astype(np.uint8)


def _order(first: Sequence[Component], then: Sequence[Component]) -> list[int]:
    out: list[int] = []
    for c in (*first, *then, *Component):
        if int(c) not in out:
            out.append(int(c))
    return out


@lru_cache(maxsize=1024)
def _convention_of(t: Terms) -> Any:
    """The record of CONVENTION of these terms, but for the place of their calendar."""
    row = np.zeros(1, CONVENTION)[0]
    _convention_fill(row, t)
    return row


def _convention_fill(row: Any, t: Terms) -> None:
    months = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}.get(t.unit, 0) * t.every
    row["months"] = months
    row["step_days"] = 0 if months else t.every * (7 if t.unit == Unit.WEEK else 1)
    for name in (
        "method", "day_count", "part_period", "first_period", "odd_first", "settlement_day", "settlement_day_counted",
        "debit_day", "business_day", "accrual_dates", "late_from", "rounding", "round_where", "accruals",
        "grace_principal_rows", "grace_interest_rows", "interest_free_rows", "residue", "surplus", "prepayment_interest",
    ):  # fmt: skip
        row[name] = int(getattr(t, name))
    row["outstanding"] = t.interest_basis == InterestBasis.OUTSTANDING
    row["unit"], row["multiple"] = t.rounding_unit_minor, t.instalment_multiple_minor
    row["fixed_instalment"], row["balloon"] = t.fixed_instalment_minor, t.balloon_minor
    row["over_dpd"], row["by"] = t.allocation_over_dpd, (int(t.allocation_by), int(t.allocation_over_by))
    row["order"] = _order(t.allocation_order, ()), _order(t.allocation_over_order, t.allocation_order)
    row["row_order"] = [[c for c in order if c <= Component.COMPOUND] for order in row["order"]]
    d = t.dpd
    row["dpd_principal"], row["dpd_interest"] = d.counts_principal, d.counts_interest
    row["dpd_abs"], row["dpd_rel"], row["dpd_per"] = d.materiality_abs_minor, d.materiality_rel_ppm, int(d.materiality_per)
    row["dpd_grace"], row["dpd_restart"] = d.grace_days, d.restart_on_grace_end
    row["gap"] = kernel_gap(t) is not None
    row["over"], row["late_over"] = DAYS_OVER.get(t.day_count, 1), 1
    s = t.subsidy
    row["has_subsidy"] = s is not None
    if s is not None:
        row["subsidy_points"], row["subsidy_num"], row["subsidy_den"] = s.points_ppm, s.max_share_num, s.max_share_den
        row["subsidy_from"], row["subsidy_to"] = s.from_day, s.to_day
        row["subsidy_eligible"] = min(s.eligible_principal_minor, 10 * PRINCIPAL_MINOR_MAX)
        row["subsidy_year"] = min(s.cap_per_year_minor, 2**62)
    p = t.penalty
    row["has_penalty"], row["cap"], row["stepped"] = p is not None, -1, row["outstanding"]
    if p is None:
        return
    row["stepped"] |= p.compound_joins_base != JoinsBase.NEVER or p.cap_minor >= 0
    row["penalty_rate"] = p.rate_ppm
    row["ratio_num"], row["ratio_den"] = (p.ratio_num, p.ratio_den) if p.rate_ppm < 0 else (1, 1)
    row["penalty_base"], row["penalty_day_count"] = int(p.base), int(p.day_count)
    row["grace_days"], row["grace_from"], row["restart_on_grace_end"] = p.grace_days, int(p.grace_from), p.restart_on_grace_end
    row["compound_on_interest"], row["compound_joins"] = p.compound_on_interest, int(p.compound_joins_base)
    row["compound_rate_before"] = int(p.compound_rate_before_maturity)
    row["compound_rate_after"] = int(p.compound_rate_after_maturity)
    row["compound_day_count"], row["cap"] = int(p.compound_day_count), min(p.cap_minor, 2**62)
    row["penalty_over"], row["compound_over"] = DAYS_OVER.get(p.day_count, 1), DAYS_OVER.get(p.compound_day_count, 1)
    row["late_over"] = PPM * row["ratio_den"] * row["penalty_over"], PPM * row["ratio_den"] * row["compound_over"]


# --- events ------------------------------------------------------------------------------------------------------------


SAID = attrgetter(
    *(f.name for f in fields(Event) if f.name not in ("seq", "on", "kind", "recorded_at", "amount_minor", "component"))
)
"""What an event says beyond the fields of EVENT."""
SAID_BY_DEFAULT = SAID(Event(0, 0, EventKind.PAYMENT))


class EventPacker:
    """Collects events loan by loan; what only some kinds say goes to `details`."""

    def __init__(self) -> None:
        self.details: list[tuple[Any, ...]] = [_detail(Event(0, 0, EventKind.PAYMENT), 0, 0)]
        self.classes: dict[str, int] = {"": 0}
        self.debits: dict[str, int] = {"": 0}
        self.plans: dict[Plan, int] = {NO_PLAN: 0}

    def detail(self, e: Event) -> int:
        """The row of `details` for what an event says beyond day, kind, component and amount."""
        if SAID(e) == SAID_BY_DEFAULT:
            return 0
        code = self.classes.setdefault(e.class_min, len(self.classes))
        debit = self.debits.setdefault(e.debit_id, len(self.debits))
        plan = self.plans.setdefault((e.new_rows, e.judgment), len(self.plans))
        self.details.append(_detail(e, code, debit, plan))
        return len(self.details) - 1

    def record(self, e: Event) -> tuple[int, ...]:
        """One record of EVENT."""
        return (e.recorded_at, e.amount_minor, e.on, e.seq, int(e.kind), int(e.component), self.detail(e))

    def columns(self, offsets: np.ndarray, events: np.ndarray) -> EventColumns:
        """Columns over records made with this packer's `detail`."""
        details = np.array(self.details, DETAIL).view(np.recarray)
        return EventColumns(offsets, events.view(np.recarray), details, list(self.classes), list(self.debits), list(self.plans))


def event_columns(loans: Sequence[Sequence[Event]]) -> EventColumns:
    """Events of many loans, in order of the loans."""
    packer = EventPacker()
    records = [packer.record(e) for loan in loans for e in loan]
    offsets = np.zeros(len(loans) + 1, np.int64)
    np.cumsum([len(x) for x in loans], out=offsets[1:])
    return packer.columns(offsets, np.array(records, EVENT))


def _seven(values: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(v) for v in values) + (0,) * (C - len(values))


def _detail(e: Event, class_code: int, debit_code: int, plan_code: int = 0) -> tuple[Any, ...]:
    return (
        e.of_seq, e.rate_ppm, int(e.later_rows), int(e.prepay_mode), int(e.defer_interest), e.rows, e.from_day, e.until,
        e.pause_what, class_code, debit_code, int(e.debit_status), len(e.components), len(e.shares), plan_code, e.every,
        int(e.unit), e.grace_rows, _seven(e.components), _seven([c for c, _, _ in e.shares]),
        _seven([n for _, n, _ in e.shares]), _seven([d for _, _, d in e.shares]), *_judged(e.judgment),
    )  # fmt: skip


@lru_cache(maxsize=256)
def _judged(j: JudgmentTerms | None) -> tuple[Any, ...]:
    """The columns of DETAIL from `judged_principal` on; all 0 for no judgment, or one that the kernel leaves to the reference."""
    if j is None or any(True for _ in j.problems()) or max(j.performance_due_on, j.general_from, -j.performance_due_on) > 10**6:
        return *(0,) * 10, (0,) * 8
    return (
        j.principal_minor, j.interest_minor, j.cost_minor, j.performance_due_on, j.general_from, j.general_rate_ppm,
        j.double_daily_ppm, j.general_year, j.double_on_cost, 1, (*j.order, *(-1,) * (8 - len(j.order))),
    )  # fmt: skip
