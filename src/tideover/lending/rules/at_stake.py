"""How much an event puts at stake: the amount by which authority to decide it is measured.

Pure: figures of the loan in, an amount out. What the lender gives up counts by how much smaller the claim becomes, what takes
booked money back by what was booked, money that goes out by its amount, and what changes the agreement or goes to law by the
whole claim.
"""

from __future__ import annotations

from tideover.engine.events import EventKind

GIVES_UP = frozenset({EventKind.WAIVER, EventKind.CHARGE_WAIVER, EventKind.GOODWILL})
GOES_OUT = frozenset({EventKind.CREDIT_REFUND, EventKind.DISBURSEMENT})
TAKES_BACK = frozenset({EventKind.REVERSAL, EventKind.ADJUSTMENT, EventKind.CHARGEBACK})


def at_stake_minor(
    kind: EventKind, amount_minor: int, *, claim_before_minor: int, claim_after_minor: int, booked_minor: int,
    given_up_minor: int = 0,
) -> int:  # fmt: skip
    """The amount at stake, minor units, never negative.

    claim_before_minor, claim_after_minor: all that is owed on the event's day without and with it; booked_minor: the amount of
    the earlier event that it speaks of (0: of none). given_up_minor: what was given up on the loan of late: many small waivers
    are one large one.
    """
    if kind in GIVES_UP:
        return max(claim_before_minor - claim_after_minor, 0) + given_up_minor
    if kind == EventKind.SETTLEMENT:
        return max(claim_before_minor - amount_minor, 0) + given_up_minor
    if kind in GOES_OUT:
        return max(amount_minor, 0)
    if kind in TAKES_BACK:
        # Taking back an agreement or a step at law has no amount of its own: the claim may change by anything.
        return max(booked_minor, abs(claim_after_minor - claim_before_minor))
    return max(claim_before_minor, 0)
