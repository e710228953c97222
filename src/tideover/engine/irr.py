"""Internal rates, net present values and the time value of money.

Rates are analytic, never money that is booked, so they are floats. Root rule: of all roots above -100 % the one nearest to 0 is
returned; at equal distance the positive one. Roots are bracketed on a fixed grid of discount exponents ln(1+r), then refined by
Newton inside the bracket with bisection as the fall-back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

GRID_LOW, GRID_HIGH, GRID_STEPS = -16.0, 16.0, 6400


class NoRate(ValueError):
    """The flows have no internal rate."""


def _value(times: Sequence[float], amounts: Sequence[float], x: float) -> float:
    """Sum of amount x exp(-x t), scaled by the largest exponent so that nothing overflows."""
    top = max(-x * t for t in times)
    return math.fsum(a * math.exp(-x * t - top) for t, a in zip(times, amounts, strict=True))


def _refine(times: Sequence[float], amounts: Sequence[float], low: float, high: float) -> float:
    at_low = _value(times, amounts, low)
    x = (low + high) / 2
    for _ in range(200):
        top = max(-x * t for t in times)
        weights = [a * math.exp(-x * t - top) for t, a in zip(times, amounts, strict=True)]
        value = math.fsum(weights)
        if value == 0 or high - low < 1e-15:
            break
        if (value > 0) == (at_low > 0):
            low = x
        else:
            high = x
        slope = -math.fsum(w * t for t, w in zip(times, weights, strict=True))
        step = x - value / slope if slope else low
        following = step if low < step < high else (low + high) / 2
        if abs(following - x) < 1e-16:
            break
        x = following
    return x


def roots(times: Sequence[float], amounts: Sequence[float]) -> list[float]:
    """Every rate r found with sum(amount / (1+r)^time) = 0, ascending. times in years from the first flow."""
    grid = [GRID_LOW + (GRID_HIGH - GRID_LOW) * k / GRID_STEPS for k in range(GRID_STEPS + 1)]
    values = [_value(times, amounts, x) for x in grid]
    found = [math.expm1(x) for x, v in zip(grid, values, strict=True) if v == 0]
    for k in range(GRID_STEPS):
        if values[k] * values[k + 1] < 0:
            found.append(math.expm1(_refine(times, amounts, grid[k], grid[k + 1])))
    return sorted(found)


def rate(times: Sequence[float], amounts: Sequence[float]) -> float:
    """The root nearest to 0. Raises NoRate when there is none, ValueError when the lengths differ."""
    if len(times) != len(amounts):
        raise ValueError(f"{len(times)} times but {len(amounts)} amounts")
    if not (any(a > 0 for a in amounts) and any(a < 0 for a in amounts)):
        raise NoRate("the flows never change sign: they have no rate")
    found = roots(times, amounts)
    if not found:
        raise NoRate("the flows have no real rate above -100 %")
    return min(found, key=lambda r: (abs(r), -r))


def irr(amounts: Sequence[float]) -> float:
    """Rate a period of equally spaced flows."""
    return rate([float(k) for k in range(len(amounts))], amounts)


def npv(rate_a_period: float, amounts: Sequence[float], first: int = 0) -> float:
    """Present value; the first flow lies `first` periods ahead (1: as spreadsheets count)."""
    return math.fsum(a / (1 + rate_a_period) ** (k + first) for k, a in enumerate(amounts))


def xnpv(annual_rate: float, years: Sequence[float], amounts: Sequence[float]) -> float:
    """Present value of flows that lie `years` ahead."""
    return math.fsum(a / (1 + annual_rate) ** t for t, a in zip(years, amounts, strict=True))


def mirr(amounts: Sequence[float], finance_rate: float, reinvest_rate: float) -> float:
    """Modified rate: outflows discounted at `finance_rate`, inflows carried forward at `reinvest_rate`."""
    out = npv(finance_rate, [min(a, 0.0) for a in amounts])
    back = npv(reinvest_rate, [max(a, 0.0) for a in amounts])
    if out == 0 or back == 0:
        raise NoRate("the flows never change sign: they have no rate")
    n = len(amounts) - 1
    return float((back / -out) ** (1 / n) * (1 + reinvest_rate) - 1)


def fv(r: float, n: float, pmt: float, pv: float = 0.0, begin: int = 0) -> float:
    """Future value; money received is positive, paid negative; begin 1: payments at the start of a period."""
    if r == 0:
        return -(pv + pmt * n)
    growth = (1 + r) ** n
    return float(-(pv * growth + pmt * (1 + r * begin) * (growth - 1) / r))


def pv(r: float, n: float, pmt: float, future: float = 0.0, begin: int = 0) -> float:
    """Present value."""
    if r == 0:
        return -(future + pmt * n)
    growth = (1 + r) ** n
    return float(-(future + pmt * (1 + r * begin) * (growth - 1) / r) / growth)


def pmt(r: float, n: float, pv: float, future: float = 0.0, begin: int = 0) -> float:
    """Level payment a period."""
    if r == 0:
        return -(pv + future) / n
    growth = (1 + r) ** n
    return float(-(pv * growth + future) * r / ((1 + r * begin) * (growth - 1)))


def ipmt(r: float, k: int, n: float, pv: float, future: float = 0.0, begin: int = 0) -> float:
    """Interest in payment k (from 1)."""
    if begin and k == 1:
        return 0.0
    level = pmt(r, n, pv, future, begin)
    interest = fv(r, k - 1, level, pv, begin) * r
    return interest / (1 + r) if begin else interest


def ppmt(r: float, k: int, n: float, pv: float, future: float = 0.0, begin: int = 0) -> float:
    """Principal in payment k (from 1)."""
    return pmt(r, n, pv, future, begin) - ipmt(r, k, n, pv, future, begin)


def cumipmt(r: float, n: int, pv: float, first: int, last: int, begin: int = 0) -> float:
    """Interest in payments first..last."""
    return math.fsum(ipmt(r, k, n, pv, 0.0, begin) for k in range(first, last + 1))


def cumprinc(r: float, n: int, pv: float, first: int, last: int, begin: int = 0) -> float:
    """Principal in payments first..last."""
    return math.fsum(ppmt(r, k, n, pv, 0.0, begin) for k in range(first, last + 1))


def nper(r: float, pmt: float, pv: float, future: float = 0.0, begin: int = 0) -> float:
    """Number of payments. Raises NoRate when they never repay."""
    if r == 0:
        return -(pv + future) / pmt
    flow = pmt * (1 + r * begin) / r
    ratio = (flow - future) / (flow + pv)
    if ratio <= 0:
        raise NoRate("the payments never reach the future value")
    return math.log(ratio) / math.log1p(r)


def tvm_rate(n: int, pmt: float, pv: float, future: float = 0.0, begin: int = 0) -> float:
    """Rate a period of n level payments."""
    amounts = [pv] + [0.0] * n
    for k in range(n):
        amounts[k + 1 - begin] += pmt
    amounts[n] += future
    return irr(amounts)


def effect(nominal: float, per_year: int) -> float:
    """Effective yearly rate of a nominal one."""
    return math.expm1(per_year * math.log1p(nominal / per_year))
