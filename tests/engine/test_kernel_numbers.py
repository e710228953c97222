"""Kernel numbers against exact fractions: level instalments, sums of products, rounding."""

from __future__ import annotations

import random
from fractions import Fraction

from tideover.engine import kernel_numbers
from tideover.engine.compiled import entry
from tideover.engine.kernel_numbers import AMBIGUOUS
from tideover.engine.reference_schedule import round_exact
from tideover.engine.terms import Rounding


@entry
def add_product(q, r, a, b, n, m, d):  # type: ignore[no-untyped-def]
    return kernel_numbers.add_product(q, r, a, b, n, m, d)


@entry
def rounded(q, r, over, mode, unit):  # type: ignore[no-untyped-def]
    return kernel_numbers.rounded(q, r, over, mode, unit)


@entry
def level_instalment(balance, num, den, n, mode, unit):  # type: ignore[no-untyped-def]
    return kernel_numbers.level_instalment(balance, num, den, n, mode, unit)


@entry
def balloon_instalment(balance, balloon, num, den, n, mode, unit):  # type: ignore[no-untyped-def]
    return kernel_numbers.balloon_instalment(balance, balloon, num, den, n, mode, unit)


def test_level_instalment_is_exact_or_says_that_it_cannot_tell() -> None:
    rng, ambiguous = random.Random(1), 0
    for _ in range(5000):
        balance = rng.choice([rng.randrange(1, 10**5), rng.randrange(1, 10**8), rng.randrange(1, 10**13)])
        rate = rng.choice([1, 100, 43_125, 60_000, 151_999, rng.randrange(1, 10**7)])
        months, n = rng.choice([1, 3, 12]), rng.choice([1, 2, 3, 12, 24, 36, 360, 1200])
        mode, unit = rng.choice(list(Rounding)), rng.choice([1, 1, 100])
        i = Fraction(rate * months, 12_000_000)
        growth = (1 + i) ** n
        exact = round_exact(balance * growth * i / (growth - 1), mode, unit)
        got = level_instalment(balance, rate * months, 12_000_000, n, int(mode), unit)
        ambiguous += got == AMBIGUOUS
        assert got in (exact, AMBIGUOUS), (balance, rate, months, n, mode, unit)
    assert ambiguous < 400  # mostly rates of one part per million, whose discount 60 bits cannot tell from 1


def test_an_instalment_before_a_balloon_is_exact_or_says_that_it_cannot_tell() -> None:
    rng, ambiguous = random.Random(3), 0
    for _ in range(5000):
        balance = rng.choice([rng.randrange(1, 10**5), rng.randrange(1, 10**8), rng.randrange(1, 10**13)])
        balloon = rng.choice([1, balance, rng.randrange(1, 2 * balance + 1), rng.randrange(1, 10**13)])
        rate = rng.choice([1, 100, 43_125, 60_000, 151_999, rng.randrange(1, 10**7)])
        months, n = rng.choice([1, 3, 12]), rng.choice([1, 2, 3, 12, 24, 36, 360, 1200])
        mode, unit = rng.choice(list(Rounding)), rng.choice([1, 1, 100])
        i = Fraction(rate * months, 12_000_000)
        growth = (1 + i) ** n
        exact = round_exact((balance * growth - balloon) * i / (growth - 1), mode, unit)
        got = balloon_instalment(balance, balloon, rate * months, 12_000_000, n, int(mode), unit)
        ambiguous += got == AMBIGUOUS
        assert got in (exact, AMBIGUOUS), (balance, balloon, rate, months, n, mode, unit)
    assert ambiguous < 400


def test_sums_of_products_keep_every_remainder_also_beyond_63_bits() -> None:
    rng = random.Random(2)
    for _ in range(3000):
        m, d = 10**6 * rng.choice([1, 2, 100]), rng.choice([360, 365, 133_590, 360 * 3660])
        q = r = 0
        exact = Fraction(0)
        for _ in range(3):
            a, b, n = rng.randrange(2 * 10**13), rng.randrange(10**8), rng.randrange(40_000)
            q, r = add_product(q, r, a, b, n, m, d)
            exact += Fraction(a * b * n, m * d)
        assert q + Fraction(int(r), m * d) == exact
        mode, unit = rng.choice(list(Rounding)), rng.choice([1, 10])
        assert rounded(q, r, m * d, int(mode), unit) == round_exact(exact, mode, unit)
