"""What a judgment says: the adjudged sums, the general interest that goes on, and the double part 加倍部分债务利息.

Source: 法释〔2014〕8号 art. 1-4; Civil Procedure Law art. 264. The double part runs on the unpaid judged principal at 0.0175 % a
day from the end of the performance period, and is paid last unless agreed otherwise. `engine/reference_judgment.py` replays it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tideover.engine.terms import NO_DAY, PRINCIPAL_MINOR_MAX, RATE_PPM_MAX, Component

DOUBLE_DAILY_PPM = 175
"""0.0175 % a day (法释〔2014〕8号 art. 1)."""
ORDER_JUDGMENT = (Component.RECOVERY_COST, Component.INTEREST, Component.PRINCIPAL, Component.PENALTY)
"""The judged debt first, then the double part (art. 4); the double part is claimed as penalty."""


@dataclass(frozen=True, slots=True)
class JudgmentTerms:
    """Money in minor units, days int. `performance_due_on`: last day of the performance period; the day after it is day 1.

    interest_minor: all interest adjudged as a sum. general_rate_ppm: general interest that goes on from `general_from`, on the
    unpaid judged principal, over `general_year` days. double_on_cost: the double part also runs on unpaid judged costs.
    """

    principal_minor: int
    performance_due_on: int
    cost_minor: int = 0
    interest_minor: int = 0
    general_rate_ppm: int = 0
    general_from: int = NO_DAY
    general_year: int = 360
    double_daily_ppm: int = DOUBLE_DAILY_PPM
    double_on_cost: bool = False
    order: tuple[Component, ...] = ORDER_JUDGMENT

    def problems(self) -> Iterator[str]:
        """What makes this judgment impossible, one sentence each."""
        for name in ("principal_minor", "cost_minor", "interest_minor"):
            if not 0 <= getattr(self, name) <= PRINCIPAL_MINOR_MAX:
                yield f"{name} {getattr(self, name)} must lie in 0..{PRINCIPAL_MINOR_MAX}"
        if not 0 <= self.general_rate_ppm <= RATE_PPM_MAX:
            yield f"general_rate_ppm {self.general_rate_ppm} must lie in 0..{RATE_PPM_MAX}"
        if self.general_rate_ppm and self.general_from == NO_DAY:
            yield "general_from is missing for general_rate_ppm"
        if self.general_year not in (360, 365):
            yield f"general_year {self.general_year} must be 360 or 365"
        if not 0 <= self.double_daily_ppm <= 1_000_000:
            yield f"double_daily_ppm {self.double_daily_ppm} must lie in 0..1000000"
        if self.performance_due_on == NO_DAY:
            yield "performance_due_on is missing"
        if len(set(self.order)) != len(self.order):
            yield "order names a component twice"
