"""Why a claim or the money held changed: the allocation trace summed by cause, which is what accounting posts from.

moves[cause][component] are sums of one loan since payout, in minor units; the last column is the money held for the borrower.
What a line of the trace says is sorted by the kind of its event (`CAUSES`); what happens without a line of its own (held money
that pays what falls due, a plan that takes early money back into hold, the rest that a settlement waives) replay notes as it
goes. Two sums always hold, and tests keep both implementations to them:

    unpaid principal = drawn + capitalised + taken back - replaced - paid - used - given - waived - guaranteed
    money held       = what PAID, USED, GIVEN, BACK and REFUNDED say in the last column
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

from tideover.engine.events import EventKind
from tideover.engine.standing import TraceLine
from tideover.engine.terms import COMPONENT_COUNT, Component


class Cause(IntEnum):
    """Why it changed.

    DRAWN paid out, later tranches included · PAID money that came · USED held money that paid a claim later, less what was
    held again · GIVEN a credit that is not money (goodwill) · WAIVED given up · CAPITALISED moved into principal · GUARANTEED
    paid by a guarantor · REPLACED given up for a judgment, less what it adjudged · BACK owed again after money was taken back ·
    REFUNDED held money that went back · SUBROGATED paid by the borrower to the guarantor.
    """

    DRAWN = 0
    PAID = 1
    USED = 2
    GIVEN = 3
    WAIVED = 4
    CAPITALISED = 5
    GUARANTEED = 6
    REPLACED = 7
    BACK = 8
    REFUNDED = 9
    SUBROGATED = 10
    NONE = 11


CAUSE_COUNT = len(Cause)
HELD = COMPONENT_COUNT
"""The column of money held."""
MOVE_COLUMNS = COMPONENT_COUNT + 1
CAUSES: Mapping[EventKind, Cause] = {
    **dict.fromkeys(
        (
            EventKind.PAYMENT, EventKind.PREPAYMENT, EventKind.REPAY_PART, EventKind.PAYOFF, EventKind.DEBIT,
            EventKind.SETTLEMENT, EventKind.MERCHANT_REFUND, EventKind.PAYOUT_REFUND, EventKind.DOWN_PAYMENT,
        ),
        Cause.PAID,
    ),
    **dict.fromkeys((EventKind.GOODWILL, EventKind.CHARGE_CREDIT), Cause.GIVEN),
    **dict.fromkeys((EventKind.WAIVER, EventKind.CHARGE_WAIVER), Cause.WAIVED),
    **dict.fromkeys((EventKind.REAMORTISE, EventKind.NEW_ROWS), Cause.CAPITALISED),
    EventKind.GUARANTOR_PAYMENT: Cause.GUARANTEED,
    EventKind.JUDGMENT: Cause.REPLACED,
    EventKind.CHARGEBACK: Cause.BACK,
    EventKind.CREDIT_REFUND: Cause.REFUNDED,
    EventKind.PAY_GUARANTOR: Cause.SUBROGATED,
    EventKind.DISBURSEMENT: Cause.USED,
}  # fmt: skip
"""What a line of the trace says by the kind of its event; lines of other kinds (a re-aged plan) move nothing."""


def blank() -> list[list[int]]:
    """No move yet."""
    return [[0] * MOVE_COLUMNS for _ in range(CAUSE_COUNT)]


def add_lines(moves: list[list[int]], trace: Iterable[TraceLine], kinds: Mapping[int, EventKind]) -> None:
    """Add the lines of a trace; kinds: by seq."""
    for line in trace:
        row = moves[CAUSES.get(kinds[line.seq], Cause.NONE)]
        for c, amount in enumerate(line.amounts_minor):
            row[c] += amount
        row[HELD] += line.held_minor


def principal_of(moves: list[list[int]]) -> int:
    """Unpaid principal as the moves say it."""
    p = Component.PRINCIPAL
    taken = sum(moves[c][p] for c in (Cause.PAID, Cause.USED, Cause.GIVEN, Cause.WAIVED, Cause.GUARANTEED, Cause.REPLACED))
    joined = sum(moves[Cause.CAPITALISED][c] for c in Component if c != p)
    return moves[Cause.DRAWN][p] + joined + moves[Cause.BACK][p] + moves[Cause.REFUNDED][p] - taken


def held_of(moves: list[list[int]]) -> int:
    """Money held as the moves say it."""
    return sum(moves[c][HELD] for c in (Cause.PAID, Cause.USED, Cause.GIVEN, Cause.BACK, Cause.REFUNDED))
