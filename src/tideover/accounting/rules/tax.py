"""Value-added tax on interest and fees by the 90-day rule (财税〔2016〕36号 annex 3, K-CN-03).

Prices include the tax: tax = round(gross x rate / (1 + rate)). Interest that arises within 90 days of the settlement day 结息日
of the oldest unpaid interest (penalty and compound too) is taxed when it falls due; what arises later is taxed when received.
Interest that has accrued and is not yet due is no tax point: its tax is pending 待转销项税额. Tax that fell due on
interest which later left the balance sheet stays due; nothing is taxed twice when the money comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

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


class Taxed(NamedTuple):
    """What a lender's own tax table looks at: product's code, kind of the borrower (person, enterprise), its industry, the loan's
    purpose, and its principal (minor units)."""

    product: str
    borrower: str
    industry: str
    purpose: str
    principal_minor: int


@dataclass(frozen=True, slots=True)
class Relief:
    """A line of a lender's own tax table (its chart, `vat`): which loans, on which days, at which rates.

    products, industries, purposes: empty for all; borrower: empty for every kind; principal_max_minor: None for any principal.
    valid_to: the first day on which it holds no more. A rate of None is the pack's. why: the act that it rests on.
    """

    why: str
    valid_from: date
    valid_to: date | None = None
    rate_ppm: int | None = None
    fee_rate_ppm: int | None = None
    products: frozenset[str] = frozenset()
    borrower: str = ""
    industries: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    principal_max_minor: int | None = None

    def fits(self, loan: Taxed) -> bool:
        """Whether the line speaks of a loan."""
        chosen = ((self.products, loan.product), (self.industries, loan.industry), (self.purposes, loan.purpose))
        within = self.principal_max_minor is None or loan.principal_minor <= self.principal_max_minor
        return within and self.borrower in ("", loan.borrower) and all(not some or one in some for some, one in chosen)

    def in_force(self, on: date) -> bool:
        """Whether it holds on a day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


def relieved(vat: Vat, reliefs: Sequence[Relief], on: date) -> Vat:
    """The rule of a day for loans of which these lines speak: the first line in force says the rates."""
    found = next((r for r in reliefs if r.in_force(on)), None)
    if found is None:
        return vat
    return replace(
        vat,
        rate_ppm=vat.rate_ppm if found.rate_ppm is None else found.rate_ppm,
        fee_rate_ppm=vat.fee_rate_ppm if found.fee_rate_ppm is None else found.fee_rate_ppm,
        source=f"{found.why}; {vat.source}",
    )


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


def limit_day(unpaid_since: np.ndarray, rule: Vat) -> np.ndarray:
    """The last day on which interest that arises is taxed as it arises (int64[n]); NO where nothing is unpaid."""
    return np.where(unpaid_since == NO, NO, unpaid_since + rule.interest_days)


def taxable(settled: np.ndarray, claimed: np.ndarray, arisen_after: np.ndarray) -> np.ndarray:
    """Gross interest whose tax is due (int64[n]).

    settled: received so far. claimed: due and unpaid. arisen_after: what of all that ever arose came after the limit day (0
    where the loan is not that late). Payments settle the oldest first, so what is unpaid is the newest.
    """
    deferred = np.minimum(claimed, np.maximum(arisen_after, 0))
    return settled + claimed - deferred
