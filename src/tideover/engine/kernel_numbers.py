"""Exact numbers for kernels: sums of products as whole part and remainder, rounding, and the level instalment.

A sum S over a fixed denominator D is kept as (q, r) with S = q + r/D and 0 <= r < D. Products that would leave 63 bits are
split before they are formed. No float decides anything: floats only choose between two exact ways.
"""

from __future__ import annotations

from tideover.engine.compiled import inlined, kernel
from tideover.engine.terms import Rounding

HALF_EVEN, UP, DOWN = int(Rounding.HALF_EVEN), int(Rounding.UP), int(Rounding.DOWN)
BITS = 30
MASK = (1 << BITS) - 1
ONE = 1 << 60
AMBIGUOUS = -1


@inlined
def add_product(q, r, a, b, n, m, d):
    """(q, r) over m*d, plus a*b*n/(m*d). Bounds: |a| <= 6e15, b <= 1e9, m <= 1e8, d <= 2e6, n <= 2e7."""
    over = m * d
    if abs(float(a)) * b * n < 4e18:
        p = a * b * n + r
        whole = p // over
        return q + whole, p - whole * over
    return _add_large(q, r, a, b, n, m, d)


@kernel
def _add_large(q, r, a, b, n, m, d):
    """`add_product` by parts, where the whole product would leave 63 bits."""
    over = m * d
    # a*b/m = q1 + r1/m; then times n over d, again by parts.
    q1 = (a // m) * b + ((a % m) * b) // m
    r1 = ((a % m) * b) % m
    q2, r2 = q1 // d, q1 % d
    rest = ((r2 * n) % d) * m + r1 * n + r
    return q + q2 * n + (r2 * n) // d + rest // over, rest % over


@inlined
def rounded(q, r, over, mode, unit):
    """q + r/over rounded to a multiple of `unit`; twin of reference_schedule.round_exact."""
    m = q % unit if unit > 1 else 0
    floor = q - m
    if (m == 0 and r == 0) or mode == DOWN:
        return floor
    if mode == UP:
        return floor + unit
    twice, whole = 2 * (m * over + r), unit * over
    if twice == whole and mode == HALF_EVEN and (floor // unit) % 2 == 0:
        return floor
    return floor + (unit if twice >= whole else 0)


@kernel
def share_rounded(amount, num, den, mode, unit):
    """amount*num/den rounded; num, den < 2e6."""
    q = (amount // den) * num + ((amount % den) * num) // den
    return rounded(q, ((amount % den) * num) % den, den, mode, unit)


@inlined
def _times(a, b):
    """a*b/2^60 of two numbers below 2^60, at most 2 too small."""
    a1, a0, b1, b0 = a >> BITS, a & MASK, b >> BITS, b & MASK
    return a1 * b1 + ((a1 * b0 + a0 * b1 + ((a0 * b0) >> BITS)) >> BITS)


@kernel
def _discount(num, den, n):
    """((den/(den+num))^n in units of 2^-60, how much too small it may be)."""
    m = den + num
    high, rest = (den << BITS) // m, (den << BITS) % m
    base, base_error = (high << BITS) + (rest << BITS) // m, 1
    out, error, first = ONE, 0, True
    while n > 0:
        if n & 1:
            if first:
                out, error, first = base, base_error, False
            else:
                out, error = _times(out, base), error + base_error + 3
        n >>= 1
        if n > 0:
            base, base_error = _times(base, base), 2 * base_error + 3
    return out, error


@kernel
def _either(x, slack, places, mode, unit):
    """x/2^places rounded, where x may be wrong by `slack`; AMBIGUOUS when that matters."""
    low, high, mask = x - slack, x + slack, (1 << places) - 1
    a = rounded(low >> places, low & mask, 1 << places, mode, unit)
    b = rounded(high >> places, high & mask, 1 << places, mode, unit)
    return a if a == b else AMBIGUOUS


@kernel
def _quotient_short(whole, part, den, below, error, mode, unit):
    """(whole + part/den)/(below/2^60) rounded, by 44 bits of `below` and 18 binary places a step."""
    cut = 0
    while (below >> cut) >= (1 << 44):
        cut += 1
    divisor, places = below >> cut, 20
    left = 60 - cut + places
    x, rest = whole // divisor, whole % divisor
    while left > 0:
        k = min(18, left)
        part <<= k
        carry = part // den
        part -= carry * den
        rest = (rest << k) + carry
        digit = rest // divisor
        rest -= digit * divisor
        x = (x << k) + digit
        left -= k
    slack = 4 + ((x >> 20) + 1) * ((error >> cut) + 2) // (divisor >> 20)
    return _either(x, slack, places, mode, unit)


@kernel
def level_instalment(balance, num, den, n, mode, unit):
    """balance*i/(1-(1+i)^-n) with i = num/den, rounded; AMBIGUOUS when 60 bits cannot tell on which side of a half it lies.

    Bounds: balance <= 2e13, num <= 4e9, den <= 4e8.
    """
    if num == 0:
        return rounded(balance // n, balance % n, n, mode, unit)
    whole = (balance // den) * num + ((balance % den) * num) // den
    part = ((balance % den) * num) % den
    if n == 1:
        return rounded(balance + whole, part, den, mode, unit)
    discount, error = _discount(num, den, n)
    below = ONE - discount
    if below < (1 << 40):
        return AMBIGUOUS
    short = AMBIGUOUS
    if balance + whole < (1 << 40):
        short = _quotient_short(whole, part, den, below, error, mode, unit)
    if short != AMBIGUOUS:
        return short
    x, slack, places = _quotient_long(whole, part, den, below, error)
    return _either(x, slack, places, mode, unit)


@kernel
def _quotient_long(whole, part, den, below, error):
    """(x, slack, places): (whole + part/den)/(below/2^60) is x/2^places, wrong by `slack` at most; bit by bit, then as many
    binary places as fit."""
    x, rest = whole // below, whole % below
    places, k = 0, 0
    while k < 60 or (x < (1 << 58) and places < 40):
        rest, part, x = 2 * rest, 2 * part, 2 * x
        if part >= den:
            part -= den
            rest += 1
        if rest >= below:
            rest -= below
            x += 1
        if k >= 60:
            places += 1
        k += 1
    return x, 3 + ((x >> 20) + 1) * (error + 1) // (below >> 20), places


@kernel
def balloon_instalment(balance, balloon, num, den, n, mode, unit):
    """(P (1+i)^n - B) i / ((1+i)^n - 1) = (P - B) i / (1 - (1+i)^-n) + B i with i = num/den, rounded; AMBIGUOUS as above.

    Bounds: balance and balloon <= 2e13, num <= 4e9, den <= 4e8. A balance below the balloon may give a negative instalment.
    """
    rest = balance - balloon
    if num == 0:
        return rounded(rest // n, rest % n, n, mode, unit)
    carried = balance if n == 1 else balloon
    more = (carried // den) * num + ((carried % den) * num) // den
    part = ((carried % den) * num) % den
    if n == 1 or rest == 0:
        return rounded(more + (rest if n == 1 else 0), part, den, mode, unit)
    discount, error = _discount(num, den, n)
    below = ONE - discount
    if below < (1 << 40):
        return AMBIGUOUS
    size = abs(rest)
    whole = (size // den) * num + ((size % den) * num) // den
    x, slack, places = _quotient_long(whole, ((size % den) * num) % den, den, below, error)
    x = x if rest > 0 else -x
    left = places
    fraction = 0
    while left > 0:
        k = min(30, left)
        part <<= k
        fraction = (fraction << k) + part // den
        part %= den
        left -= k
    x += fraction
    low, high, mask = x - slack - 1, x + slack + 1, (1 << places) - 1
    a = rounded((low >> places) + more, low & mask, 1 << places, mode, unit)
    b = rounded((high >> places) + more, high & mask, 1 << places, mode, unit)
    return a if a == b else AMBIGUOUS
