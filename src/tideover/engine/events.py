"""What happened to a loan, as replay reads it: plain records, ordered by value date and then by `seq`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from tideover.engine.judgment import JudgmentTerms
from tideover.engine.terms import NO_DAY, Component, CustomRow, Unit


class EventKind(IntEnum):
    """Kinds of event. Values are stored: add, never renumber."""

    PAYMENT = 1
    PREPAYMENT = 2
    REPAY_PART = 3
    PAYOFF = 4
    REVERSAL = 5
    RATE_CHANGE = 6
    CHARGE = 7
    WAIVER = 8
    DEFER = 9
    EXTENSION = 10
    REAMORTISE = 11
    RESTRUCTURE = 12
    ACCELERATION = 13
    WRITE_OFF = 14
    GUARANTOR_PAYMENT = 15
    PAY_GUARANTOR = 16
    DEBIT = 17
    PAUSE = 18
    DISBURSEMENT = 19
    CREDIT_REFUND = 20
    CHARGEBACK = 21
    SETTLEMENT = 22
    INSOLVENCY = 23
    JUDGMENT = 24
    ADJUSTMENT = 25
    NEW_ROWS = 27
    GOODWILL = 40
    MERCHANT_REFUND = 41
    PAYOUT_REFUND = 42
    DOWN_PAYMENT = 43
    CHARGE_CREDIT = 44
    CHARGE_WAIVER = 45
    RE_AGE = 46
    SPREAD_ARREARS = 47
    RESCHEDULE = 48


class PrepayMode(IntEnum):
    KEEP_TERM = 0
    SHORTEN = 1


class RowPolicy(IntEnum):
    KEEP_PRINCIPAL = 0
    REAMORTISE = 1


class DeferInterest(IntEnum):
    """Where the interest of the waiting time goes."""

    FIRST_ROW = 0
    SPREAD = 1
    WAIVED = 2


class DebitStatus(IntEnum):
    SENT = 0
    UNKNOWN = 1
    SUCCESS = 2
    FAILED = 3


class PauseWhat(IntEnum):
    """What a pause stops, as bits."""

    INTEREST = 1
    PENALTY = 2
    DPD = 4


PAYMENT_KINDS = frozenset(
    {
        EventKind.PAYMENT, EventKind.GOODWILL, EventKind.MERCHANT_REFUND, EventKind.PAYOUT_REFUND, EventKind.DOWN_PAYMENT,
        EventKind.CHARGE_CREDIT,
    }
)  # fmt: skip
"""Money that is allocated as a payment; the kinds differ by allocation rule only."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event on one loan.

    on: value date (int day). recorded_at: int day, or any integer that orders knowledge (the journal hands in microseconds
    consistently for every event and for `known_at`). amount_minor: money, -1 where a waiver means "all". Only the fields
    that a kind names are read:
      PAYMENT amount · PREPAYMENT amount, prepay_mode · REPAY_PART amount (principal) · PAYOFF amount (what came; 0: whatever
      closes the loan), debit_id · REVERSAL of_seq ·
      RATE_CHANGE rate_ppm, later_rows · CHARGE component, amount, until (due day) · WAIVER component, amount ·
      DEFER rows, defer_interest · EXTENSION until (new maturity), rate_ppm (-1 same), from_day (rate from) ·
      REAMORTISE rows (instalments; 0 the rows left, on their own dates), from_day (first due), components (capitalised) ·
      NEW_ROWS new_rows, components (capitalised), rate_ppm (-1 same) · RESTRUCTURE class_min ·
      ACCELERATION - · WRITE_OFF - · GUARANTOR_PAYMENT shares · PAY_GUARANTOR amount, components (order) ·
      DEBIT debit_id, debit_status, amount · PAUSE from_day, until, pause_what · DISBURSEMENT amount (a later tranche) ·
      CREDIT_REFUND amount · CHARGEBACK of_seq, amount · SETTLEMENT amount (rest is waived) · INSOLVENCY - ·
      JUDGMENT judgment · ADJUSTMENT of_seq, amount (replaces the amount of that event; for a pause from_day and until) ·
      GOODWILL, MERCHANT_REFUND, PAYOUT_REFUND, DOWN_PAYMENT amount · CHARGE_CREDIT of_seq (charge), amount ·
      CHARGE_WAIVER of_seq (charge), amount · RE_AGE rows (instalments), from_day (first due), every, unit ·
      SPREAD_ARREARS - · RESCHEDULE from_day (row due then), until (its new due day), rows (extra), grace_rows (without
      principal). The last three and DOWN_PAYMENT change loans with `row_terms`; other loans refuse them.
    """

    seq: int
    on: int
    kind: EventKind
    recorded_at: int = NO_DAY
    amount_minor: int = 0
    component: Component = Component.PRINCIPAL
    components: tuple[Component, ...] = ()
    shares: tuple[tuple[Component, int, int], ...] = ()
    of_seq: int = -1
    rate_ppm: int = -1
    later_rows: RowPolicy = RowPolicy.REAMORTISE
    prepay_mode: PrepayMode = PrepayMode.KEEP_TERM
    defer_interest: DeferInterest = DeferInterest.FIRST_ROW
    rows: int = 0
    from_day: int = NO_DAY
    until: int = NO_DAY
    pause_what: int = 0
    class_min: str = ""
    debit_id: str = ""
    debit_status: DebitStatus = DebitStatus.SENT
    new_rows: tuple[CustomRow, ...] = ()
    judgment: JudgmentTerms | None = None
    every: int = 0
    unit: Unit = Unit.MONTH
    grace_rows: int = 0


@dataclass(frozen=True, slots=True)
class EventRejected(Exception):
    """An event that cannot be applied: which, and why, in one sentence."""

    seq: int
    reason: str = field(default="")
