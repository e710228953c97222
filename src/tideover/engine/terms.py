"""What one loan agreed: the terms that replay needs and nothing else.

Every convention is a value. Enumerations are small integers so that one loan (`Terms`) and many (arrays of the same
fields) mean the same. Money: int64 minor units. Rates: integer parts per million a year. Dates: int32 days since
1970-01-01 (`day()` and `date_of()` convert).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import IntEnum

EPOCH = date(1970, 1, 1)
NO_DAY = -(2**31)
"""The value of a date field that is not used."""
PRINCIPAL_MINOR_MAX = 10**13
RATE_PPM_MAX = 10_000_000
ROW_COUNT_MAX = 2_400


def day(value: date | str) -> int:
    """Days since 1970-01-01 of a date or ISO string."""
    d = date.fromisoformat(value) if isinstance(value, str) else value
    return (d - EPOCH).days


def date_of(value: int) -> date:
    """The date of a count of days since 1970-01-01."""
    return EPOCH + timedelta(days=value)


class Component(IntEnum):
    """Fixed slots of a claim, in the order in which arrays store them."""

    PRINCIPAL = 0
    INTEREST = 1
    PENALTY = 2
    COMPOUND = 3
    FEE = 4
    THIRD_PARTY_FEE = 5
    RECOVERY_COST = 6


COMPONENT_COUNT = len(Component)


class Method(IntEnum):
    ANNUITY = 0
    EQUAL_PRINCIPAL = 1
    INTEREST_ONLY = 2
    BULLET = 3
    FLAT = 4
    CUSTOM = 5


class Unit(IntEnum):
    DAY = 0
    WEEK = 1
    MONTH = 2
    QUARTER = 3
    YEAR = 4


class DayCount(IntEnum):
    """How interest inside a period counts time. PERIODS: every/12 for a whole row, `part_period` for a broken one."""

    PERIODS = 0
    ACT_360 = 1
    ACT_365F = 2
    THIRTY_360 = 3
    ACT_ACT_ISDA = 4
    ACT_364 = 5
    ACT_36525 = 6
    THIRTY_E_360 = 7
    ACT_ACT_AFB = 8
    ACT_ACT_ICMA = 9
    ACT_365_ACTUAL = 10
    ACT_365L = 11
    NL_360 = 12
    NL_365 = 13
    THIRTY_360_US = 14
    THIRTY_360_PSA = 15
    THIRTY_U_360 = 16
    THIRTY_E_365 = 17
    THIRTY_E_360_ISDA = 18
    THIRTY_E_PLUS_360 = 19


DAY_COUNT_NAMES: dict[DayCount, str] = {
    DayCount.ACT_360: "ACT/360",
    DayCount.ACT_365F: "ACT/365F",
    DayCount.THIRTY_360: "30/360 ISDA (Bond Basis)",
    DayCount.ACT_ACT_ISDA: "ACT/ACT ISDA",
    DayCount.ACT_364: "ACT/364",
    DayCount.ACT_36525: "ACT/365.25",
    DayCount.THIRTY_E_360: "30E/360",
    DayCount.ACT_ACT_AFB: "ACT/ACT AFB",
    DayCount.ACT_ACT_ICMA: "ACT/ACT ICMA",
    DayCount.ACT_365_ACTUAL: "ACT/365 Actual",
    DayCount.ACT_365L: "ACT/365L",
    DayCount.NL_360: "NL/360",
    DayCount.NL_365: "NL/365",
    DayCount.THIRTY_360_US: "30/360 US (NASD, Feb EOM)",
    DayCount.THIRTY_360_PSA: "30/360 PSA",
    DayCount.THIRTY_U_360: "30U/360",
    DayCount.THIRTY_E_365: "30E/365",
    DayCount.THIRTY_E_360_ISDA: "30E/360 ISDA",
    DayCount.THIRTY_E_PLUS_360: "30E+/360",
}
"""Day count -> its name in `engine.daycount`; PERIODS counts whole periods and has none."""


PERIOD_COUNTS = (DayCount.ACT_ACT_ICMA, DayCount.ACT_365L)
"""Day counts that need a regular period of months; days outside every period count by ACT/ACT ISDA."""


class PartPeriod(IntEnum):
    ACT_360 = 0
    PROPORTION = 1


class FirstPeriod(IntEnum):
    """Share of a year of an odd first period: actual days/360; whole months/12 + odd days/360; or as 2008/48/EC counts time."""

    DAYS = 0
    MONTHS_PLUS_DAYS = 1
    MONTHS_PLUS_DAYS_EU = 2


class OddFirst(IntEnum):
    """An odd first period's interest: inside the regular instalment, on top of it, or spread by a level that allows for it."""

    WITHIN_INSTALMENT = 0
    EXTRA_INTEREST = 1
    LEVEL = 2


class BusinessDay(IntEnum):
    UNADJUSTED = 0
    FOLLOWING = 1
    MODIFIED_FOLLOWING = 2
    PRECEDING = 3
    MODIFIED_PRECEDING = 4
    NEAREST = 5
    HALF_MONTH_MODIFIED_FOLLOWING = 6


BUSINESS_DAY_NAMES: dict[BusinessDay, str] = {
    BusinessDay.UNADJUSTED: "Unadjusted",
    BusinessDay.FOLLOWING: "Following",
    BusinessDay.MODIFIED_FOLLOWING: "ModifiedFollowing",
    BusinessDay.PRECEDING: "Preceding",
    BusinessDay.MODIFIED_PRECEDING: "ModifiedPreceding",
    BusinessDay.NEAREST: "Nearest",
    BusinessDay.HALF_MONTH_MODIFIED_FOLLOWING: "HalfMonthModifiedFollowing",
}
"""Business-day convention -> its name in `engine.dates`."""


class Shift(IntEnum):
    """NOMINAL: the date written in the contract; SHIFTED: the business day it moved to."""

    NOMINAL = 0
    SHIFTED = 1


class InterestBasis(IntEnum):
    """SCHEDULED: interest follows the plan. OUTSTANDING: it follows the principal that is really out, day by day."""

    SCHEDULED = 0
    OUTSTANDING = 1


class Rounding(IntEnum):
    HALF_UP = 0
    HALF_EVEN = 1
    UP = 2
    DOWN = 3


class RoundWhere(IntEnum):
    """PER_PIECE: each stretch of a row on one balance is rounded by itself, then added."""

    PER_ROW = 0
    PER_DAY = 1
    PER_PIECE = 2


class Accruals(IntEnum):
    """CUMULATIVE: a claim is round(exact total) - paid - waived; SEGMENT: each payment rounds what ran so far."""

    CUMULATIVE = 0
    SEGMENT = 1


class LevelRate(IntEnum):
    """The period rate that gives an annuity its instalment: of a nominal period, of the first row, of each row its own."""

    PERIOD = 0
    FIRST_ROW = 1
    EACH_ROW = 2


class Residue(IntEnum):
    LAST = 0
    FIRST = 1


class PenaltyBase(IntEnum):
    PRINCIPAL = 0
    PRINCIPAL_INTEREST = 1


class CompoundRate(IntEnum):
    CONTRACT = 0
    PENALTY = 1


class JoinsBase(IntEnum):
    NEVER = 0
    EACH_ROW_DUE_DATE = 1


class AllocateBy(IntEnum):
    INSTALMENT = 0
    COMPONENT = 1


class Surplus(IntEnum):
    HOLD = 0
    NEXT = 1
    SHORTEN = 2
    KEEP_TERM = 3


class PrepaymentInterest(IntEnum):
    """What interest a prepayment settles: none (it falls due with the row), all that accrued, or the prepaid part's own."""

    AT_DUE = 0
    SETTLE_ALL = 1
    SETTLE_PART = 2


class MaterialityPer(IntEnum):
    LOAN = 0
    INSTALMENT = 1


class RowTiming(IntEnum):
    """Which rows a step of allocation pays, by due day against the day of the payment."""

    ANY = 0
    PAST_DUE = 1
    DUE_TODAY = 2
    DUE = 3
    IN_ADVANCE = 4


class FutureRule(IntEnum):
    """How money in advance of due days is spread: from the next row on, from the last row back, or evenly over all."""

    NEXT = 0
    LAST = 1
    EVEN = 2


class ChargeTiming(IntEnum):
    """When a charge counts as due: with the row that carries it, or on its own due day."""

    ROW = 0
    OWN = 1


class PlanChanges(IntEnum):
    """FIRST: tranches, reschedules and charges shape the plan before any money is allocated; ON_DAY: each on its own day."""

    ON_DAY = 0
    FIRST = 1


class EarlyMoney(IntEnum):
    """Money beyond what is due, on loans whose interest follows the outstanding principal. AS_ALLOCATED: by the steps.
    LOWER_LEVEL, FEWER_ROWS: to the principal of the running row; later rows ask for less, or the last rows fall away."""

    AS_ALLOCATED = 0
    LOWER_LEVEL = 1
    FEWER_ROWS = 2


class LateInterest(IntEnum):
    """Which rows owe interest on principal still outstanding after its due day: all, or only the running one."""

    EVERY_ROW = 0
    RUNNING_ROW = 1


class PayoffInterest(IntEnum):
    """What interest a payoff settles: up to its day, or of the whole running row."""

    TO_DAY = 0
    TO_ROW_END = 1


class TrancheRule(IntEnum):
    """LEVEL_ALL: rows due from the tranche on ask for all principal over all rows, the last takes the rest. SPREAD_LEFT: each
    row due after the tranche gets an equal share of it."""

    LEVEL_ALL = 0
    SPREAD_LEFT = 1


ORDER_CIVIL_CODE = (
    Component.RECOVERY_COST,
    Component.FEE,
    Component.THIRD_PARTY_FEE,
    Component.COMPOUND,
    Component.PENALTY,
    Component.INTEREST,
    Component.PRINCIPAL,
)
"""Civil Code art. 561: costs, then interest in all its forms, then principal."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working days of one place. Days are int days since 1970-01-01. weekend: weekdays, Monday = 0."""

    name: str = "none"
    weekend: frozenset[int] = frozenset()
    holidays: frozenset[int] = frozenset()
    workdays: frozenset[int] = frozenset()

    def is_business_day(self, on: int) -> bool:
        """Whether `on` (int day) is a working day: make-up workdays first, then holidays, then the weekend."""
        if on in self.workdays:
            return True
        return on not in self.holidays and (on + 3) % 7 not in self.weekend


@dataclass(frozen=True, slots=True)
class PenaltyTerms:
    """Penalty interest 罚息 and compound interest 复利. Rate: `ratio_num/ratio_den` of the contract rate, or `rate_ppm` if >= 0.

    Source: 银发〔2003〕251号 art. 3; 人民币利率管理规定 (1999) art. 20.
    """

    ratio_num: int = 3
    ratio_den: int = 2
    rate_ppm: int = -1
    base: PenaltyBase = PenaltyBase.PRINCIPAL
    day_count: DayCount = DayCount.ACT_360
    grace_days: int = 0
    grace_from: Shift = Shift.SHIFTED
    restart_on_grace_end: bool = False
    compound_on_interest: bool = True
    compound_on_compound: bool = False
    """Unpaid compound bears compound: from the next day on, or from the dates that `compound_joins_base` names."""
    compound_joins_base: JoinsBase = JoinsBase.NEVER
    compound_rate_before_maturity: CompoundRate = CompoundRate.CONTRACT
    compound_rate_after_maturity: CompoundRate = CompoundRate.PENALTY
    compound_day_count: DayCount = DayCount.ACT_360
    cap_minor: int = -1
    """Largest sum of penalty and compound that ever accrues on the loan, paid or not; -1: none."""


@dataclass(frozen=True, slots=True)
class DpdTerms:
    """How days past due are counted. Materiality: an arrears sum at or below either bound does not count."""

    counts_principal: bool = True
    counts_interest: bool = True
    materiality_abs_minor: int = 0
    materiality_rel_ppm: int = 0
    materiality_per: MaterialityPer = MaterialityPer.LOAN
    grace_days: int = 0
    restart_on_grace_end: bool = False


@dataclass(frozen=True, slots=True)
class AllocationStep:
    """One step of allocation: which rows, which components in which order, row by row or component by component."""

    rows: RowTiming
    order: tuple[Component, ...]
    by: AllocateBy = AllocateBy.INSTALMENT


@dataclass(frozen=True, slots=True)
class KindRule:
    """How one kind of payment (EventKind value) is allocated where it differs. steps empty: those of the loan."""

    kind: int
    future: FutureRule
    steps: tuple[AllocationStep, ...] = ()


@dataclass(frozen=True, slots=True)
class RowTerms:
    """Rows that carry their own charges, and money that is allocated in steps (docs/method/allocation.md).

    steps: taken in order until the money is gone; what no step takes is held. future: how money in advance is spread.
    kinds: payment kinds that differ from that. credit_order: which components of the payment a chargeback restores first;
    empty: principal only.
    """

    steps: tuple[AllocationStep, ...]
    future: FutureRule = FutureRule.NEXT
    kinds: tuple[KindRule, ...] = ()
    charges_due: ChargeTiming = ChargeTiming.ROW
    plan_changes: PlanChanges = PlanChanges.ON_DAY
    tranches: TrancheRule = TrancheRule.SPREAD_LEFT
    down_payment_ppm: int = 0
    credit_order: tuple[Component, ...] = ()
    early_money: EarlyMoney = EarlyMoney.AS_ALLOCATED
    late_interest: LateInterest = LateInterest.EVERY_ROW
    unpaid_interest_joins: JoinsBase = JoinsBase.NEVER
    payoff_interest: PayoffInterest = PayoffInterest.TO_DAY


@dataclass(frozen=True, slots=True)
class SubsidyTerms:
    """Fiscal subsidy 贴息: the part of interest the treasury bears. Source: 财金〔2025〕80号."""

    points_ppm: int
    max_share_num: int
    max_share_den: int
    cap_per_year_minor: int
    from_day: int
    to_day: int
    eligible_principal_minor: int


@dataclass(frozen=True, slots=True)
class CustomRow:
    """One row of a custom plan: due day and principal (minor); interest_minor -1 means by the day count."""

    due_on: int
    principal_minor: int
    interest_minor: int = -1


@dataclass(frozen=True, slots=True)
class Terms:
    """One loan's terms. Required: principal_minor, disbursed_on, method; the rest defaults to a plain Chinese bank loan.

    `due_day` 0: the day of `first_due_on`. `maturity_on` NO_DAY: the last regular date. `instalments` 0: until maturity.
    Raises ValueError from `problems()` via `checked()` when a term is impossible.
    """

    principal_minor: int
    disbursed_on: int
    method: Method
    annual_rate_ppm: int = 0
    currency: str = "CNY"
    exponent: int = 2
    day_count: DayCount = DayCount.PERIODS
    part_period: PartPeriod = PartPeriod.ACT_360
    first_period: FirstPeriod = FirstPeriod.DAYS
    odd_first: OddFirst = OddFirst.WITHIN_INSTALMENT
    instalments: int = 0
    every: int = 1
    unit: Unit = Unit.MONTH
    first_due_on: int = NO_DAY
    due_day: int = 0
    maturity_on: int = NO_DAY
    settlement_day: int = 0
    settlement_day_counted: bool = False
    debit_day: int = 0
    business_day: BusinessDay = BusinessDay.UNADJUSTED
    accrual_dates: Shift = Shift.NOMINAL
    late_from: Shift = Shift.SHIFTED
    calendar: Calendar = field(default_factory=Calendar)
    interest_basis: InterestBasis = InterestBasis.SCHEDULED
    rounding: Rounding = Rounding.HALF_UP
    rounding_unit_minor: int = 1
    round_where: RoundWhere = RoundWhere.PER_ROW
    accruals: Accruals = Accruals.CUMULATIVE
    instalment_multiple_minor: int = 1
    fixed_instalment_minor: int = 0
    """The instalment of an annuity, or the principal part of equal principal, in place of the computed one; 0: computed."""
    level_rate: LevelRate = LevelRate.PERIOD
    level_principal_minor: int = 0
    """Principal from which the instalment is computed, whatever is paid out; 0: what is paid out."""
    balloon_minor: int = 0
    grace_principal_rows: int = 0
    grace_interest_rows: int = 0
    interest_free_rows: int = 0
    residue: Residue = Residue.LAST
    penalty: PenaltyTerms | None = field(default_factory=PenaltyTerms)
    allocation_order: tuple[Component, ...] = ORDER_CIVIL_CODE
    allocation_by: AllocateBy = AllocateBy.INSTALMENT
    allocation_over_dpd: int = -1
    allocation_over_order: tuple[Component, ...] = ()
    allocation_over_by: AllocateBy = AllocateBy.COMPONENT
    surplus: Surplus = Surplus.HOLD
    prepayment_interest: PrepaymentInterest = PrepaymentInterest.AT_DUE
    dpd: DpdTerms = field(default_factory=DpdTerms)
    subsidy: SubsidyTerms | None = None
    custom_rows: tuple[CustomRow, ...] = ()
    row_terms: RowTerms | None = None

    def problems(self) -> list[str]:
        """What makes these terms impossible: one sentence each, naming the term; empty when they are sound."""
        from tideover.engine.terms_problems import problems

        try:
            return list(problems(self))
        except TypeError:
            return ["terms hold a list where a tuple is needed"]

    def checked(self) -> Terms:
        """These terms, or ValueError listing every problem."""
        found = self.problems()
        if found:
            raise ValueError("; ".join(found))
        return self

    def with_(self, **changes: object) -> Terms:
        """A copy with some terms changed."""
        return replace(self, **changes)  # type: ignore[arg-type]
