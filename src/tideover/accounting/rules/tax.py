"""Value-added tax on interest and fees by the 90-day rule (财税〔2016〕36号 annex 3, K-CN-03).

Prices include the tax: tax = round(gross x rate / (1 + rate)). Interest that arises within 90 days of the settlement day 结息日
of the oldest unpaid interest is taxed when it falls due; what arises later is taxed when it is received. Interest that has
accrued and is not yet due is no tax point: its tax is pending 待转销项税额. Tax that fell due on interest which later left the
balance sheet stays due; nothing is taxed twice when the money comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

PPM = 1_000_000
NO = -(2**31)


@dataclass(frozen=True, slots=True)
class Vat:
    """The pack's rule. rate_ppm: on interest and what is like it; fee_rate_ppm: on fees; interest_days: how long unpaid interest
    goes on being taxed as it arises. 0: no tax."""

    rate_ppm: int = 0
    fee_rate_ppm: int = 0
    interest_days: int = 90
    source: str = ""


def vat_read(values: Mapping[str, Any], source: str = "") -> Vat:
    """The rule of a pack's values. Raises ValueError naming what is wrong."""
    found = {name: values.get(name, default) for name, default in (("rate_ppm", 0), ("fee_rate_ppm", 0), ("interest_days", 90))}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= PPM:
            raise ValueError(f"{source}: {name} must be a whole number of 0 to {PPM}, not {value!r}")
    return Vat(**found, source=source)


def tax_in(gross_minor: np.ndarray, rate_ppm: int) -> np.ndarray:
    """The tax inside prices that include it (int64), half up."""
    gross = np.asarray(gross_minor, np.int64)
    if not rate_ppm:
        return np.zeros_like(gross)
    over = PPM + rate_ppm
    whole, rest = np.divmod(np.abs(gross), over)  # the product of a sum in cents and ppm may pass 63 bits
    return np.sign(gross) * (whole * rate_ppm + (2 * rest * rate_ppm + over) // (2 * over))


def limit_day(interest_since: np.ndarray, rule: Vat) -> np.ndarray:
    """The last day on which interest that arises is taxed as it arises (int64[n]); NO where nothing is unpaid."""
    return np.where(interest_since == NO, NO, interest_since + rule.interest_days)


def taxable(settled: np.ndarray, claimed: np.ndarray, arisen_after: np.ndarray) -> np.ndarray:
    """Gross interest whose tax is due (int64[n]).

    settled: received so far. claimed: due and unpaid. arisen_after: what of all that ever arose came after the limit day (0
    where the loan is not that late). Payments settle the oldest first, so what is unpaid is the newest.
    """
    deferred = np.minimum(claimed, np.maximum(arisen_after, 0))
    return settled + claimed - deferred
