"""What makes an event impossible by itself, before the loan is looked at: replay refuses it with this sentence."""

from __future__ import annotations

from tideover.engine.events import PAYMENT_KINDS, Event, EventKind
from tideover.engine.terms import NO_DAY, PRINCIPAL_MINOR_MAX, RATE_PPM_MAX, ROW_COUNT_MAX, Component

TAKES_MONEY = frozenset(
    {
        EventKind.PAYMENT, EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.CHARGE, EventKind.PAY_GUARANTOR,
        EventKind.DEBIT, EventKind.DISBURSEMENT, EventKind.CREDIT_REFUND, EventKind.CHARGEBACK, EventKind.SETTLEMENT,
        *PAYMENT_KINDS,
    }
)  # fmt: skip
CHARGEABLE = frozenset({Component.FEE, Component.THIRD_PARTY_FEE, Component.RECOVERY_COST, Component.PENALTY})


def event_problem(event: Event) -> str | None:
    """Why this event can apply to no loan, in one sentence; None when it may."""
    kind, amount = event.kind, event.amount_minor
    if kind in TAKES_MONEY and not 0 <= amount <= PRINCIPAL_MINOR_MAX:
        return f"the amount {amount} must lie in 0..{PRINCIPAL_MINOR_MAX}"
    if kind == EventKind.WAIVER and amount < -1:
        return f"the amount {amount} must be 0 or more, or -1 for all"
    if kind == EventKind.CHARGE and event.component not in CHARGEABLE:
        return f"{event.component.name.lower()} cannot be charged"
    if not -1 <= event.rate_ppm <= RATE_PPM_MAX:
        return f"the rate {event.rate_ppm} must lie in 0..{RATE_PPM_MAX}"
    if kind == EventKind.RATE_CHANGE and event.rate_ppm < 0:
        return "the new rate is missing"
    if kind in (EventKind.PAUSE, EventKind.EXTENSION) and event.until == NO_DAY:
        return "the last day is missing"
    if kind == EventKind.RE_AGE and not (1 <= event.rows <= ROW_COUNT_MAX and 1 <= event.every <= 366):
        return f"rows {event.rows} and every {event.every} must be at least 1"
    if kind in (EventKind.RE_AGE, EventKind.RESCHEDULE) and event.from_day == NO_DAY:
        return "the first day is missing"
    if kind == EventKind.RESCHEDULE and not (0 <= event.rows <= ROW_COUNT_MAX and 0 <= event.grace_rows <= ROW_COUNT_MAX):
        return f"rows {event.rows} and grace_rows {event.grace_rows} must lie in 0..{ROW_COUNT_MAX}"
    if kind == EventKind.DEFER and not 0 <= event.rows <= ROW_COUNT_MAX:
        return f"rows {event.rows} must lie in 0..{ROW_COUNT_MAX}"
    if kind == EventKind.GUARANTOR_PAYMENT and any(not 0 <= num <= den or den < 1 for _, num, den in event.shares):
        return "a share must lie between 0 and 1"
    return None
