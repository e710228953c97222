"""What replay answers: the standing of a loan on a day, its rows, and where each payment went."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from tideover.engine.terms import COMPONENT_COUNT, NO_DAY, Component


class Depth(IntEnum):
    TOTALS = 0
    ROWS = 1
    TRACE = 2


@dataclass(slots=True)
class Row:
    """One instalment. Money in minor units; dates int days. `paid`/`outstanding`: principal + interest only.

    `claims` (int, by Component order): what the row still owes by component on `as_of`.
    """

    nr: int
    due_on: int
    late_from: int
    principal_minor: int
    interest_minor: int
    balance_minor: int
    paid_minor: int = 0
    paid_principal_minor: int = 0
    paid_interest_minor: int = 0
    outstanding_minor: int = 0
    penalty_minor: int = 0
    compound_minor: int = 0
    subsidy_minor: int = 0
    paid_on: int = NO_DAY
    """Day on which principal and interest were settled in full; NO_DAY while open. With row terms: its charges as well."""
    start_on: int = NO_DAY
    charged_fee_minor: int = 0
    charged_penalty_minor: int = 0
    paid_charges_minor: int = 0
    waived_charges_minor: int = 0
    """Charges of the row (loans with row terms): fees, penalties, and what was paid and waived of both."""
    early_minor: int = 0
    late_minor: int = 0
    """Paid before and after the due date."""
    outstanding_charges_minor: int = 0
    days_past_due: int = 0
    """Days since the due date while the row owes anything, less paused days; no grace (loans with row terms)."""

    @property
    def total_minor(self) -> int:
        return self.principal_minor + self.interest_minor


@dataclass(slots=True)
class TraceLine:
    """Where one event's money went: amounts by Component (minor), and what was held as surplus."""

    seq: int
    on: int
    amounts_minor: list[int] = field(default_factory=lambda: [0] * COMPONENT_COUNT)
    held_minor: int = 0


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One charge on a loan with row terms. seq: of its event. Money in minor units."""

    seq: int
    component: Component
    due_on: int
    amount_minor: int
    paid_minor: int
    waived_minor: int
    outstanding_minor: int


@dataclass(slots=True)
class Standing:
    """The loan on `as_of`, after that day's events, with accrual of the days before it (cases/CN.md, format of standing)."""

    as_of: int
    principal_minor: int = 0
    interest_minor: int = 0
    accrued_minor: int = 0
    penalty_minor: int = 0
    compound_minor: int = 0
    fee_minor: int = 0
    third_party_fee_minor: int = 0
    recovery_cost_minor: int = 0
    surplus_minor: int = 0
    payoff_minor: int = 0
    total_overdue_minor: int = 0
    overdue_principal_minor: int = 0
    overdue_interest_minor: int = 0
    days_past_due: int = 0
    oldest_due_on: int = NO_DAY
    shown_days_past_due: int = 0
    in_flight_minor: int = 0
    subrogated_minor: list[int] = field(default_factory=lambda: [0] * COMPONENT_COUNT)
    borrower_days_past_due: int = 0
    written_off_minor: list[int] = field(default_factory=lambda: [0] * COMPONENT_COUNT)
    """Claims at write-off, by component; all zero when the loan is not written off."""
    recovered_minor: list[int] = field(default_factory=lambda: [0] * COMPONENT_COUNT)
    """Money since the write-off, by component."""
    is_written_off: bool = False
    class_min: str = ""
    next_due_on: int = NO_DAY
    next_due_minor: int = 0
    paid_total_minor: int = 0
    row_count: int = 0
    row_outstanding_minor: int = 0
    """Unpaid principal and interest of all rows, due or not."""
    interest_since: int = NO_DAY
    """Due day of the oldest row that fell due and whose interest is not settled (the settlement day that VAT counts from)."""
    due_count: int = 0
    paid_count: int = 0
    last_due_on: int = NO_DAY
    """Due date of the last row that fell due."""
    maturity_on: int = NO_DAY
    """Due date of the last row as the plan now stands."""
    rows: list[Row] = field(default_factory=list)
    trace: list[TraceLine] = field(default_factory=list)
    moves: list[list[int]] = field(default_factory=list)
    """The trace summed by cause and component (engine.moves); with the trace only."""
    charges: list[ChargeLine] = field(default_factory=list)
    """Loans with row terms only."""
    tranches: list[tuple[int, int]] = field(default_factory=list)
    """(day, amount) of each payment out; loans with row terms only."""
    oldest_late_on: int = NO_DAY
    """Due day of the oldest row that is past due with anything, grace not counted; loans with row terms only."""
