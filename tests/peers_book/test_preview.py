"""Fineract FINERACT-1302: what is shown before signing is what is booked, byte for byte, for products drawn at random."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
import yaml

from tests.factories import House
from tests.web.test_api import client, post
from tideover.engine import terms as T
from tideover.lending.models import Product
from tideover.lending.products import product_load

SEED = 20261125
DAY_COUNTS = ("periods", "act_360", "act_365f", "thirty_360", "act_act_isda", "thirty_e_360")


def product(rng: random.Random, n: int) -> Product:
    """A random product: method, day count, rounding, allocation, penalty and lateness conventions."""
    method = rng.choice(["annuity", "equal_principal", "interest_only", "bullet", "flat"])
    conventions: dict[str, Any] = {
        "method": method,
        "day_count": rng.choice(DAY_COUNTS),
        "rounding": rng.choice(["half_up", "half_even", "up", "down"]),
        "instalment_multiple_minor": rng.choice([1, 100]),
        "residue": rng.choice(["last", "first"]),
        "surplus": rng.choice(["hold", "next", "shorten", "keep_term"]),
        "odd_first": rng.choice(["within_instalment", "extra_interest"]),
        "business_day": rng.choice(["unadjusted", "following", "modified_following"]),
        "calendar": rng.choice(["cn", "us-federal"]),
        "penalty": rng.choice([None, {"ratio_num": 3, "ratio_den": 2}, {"grace_days": 3}]),
        "grace_principal_rows": rng.choice([0, 0, 2]) if method == "annuity" else 0,
    }
    example = {"principal_minor": 1_000_000, "annual_rate_ppm": 60_000, "disbursed_on": T.day("2026-01-05")}
    dated = method in ("interest_only", "bullet")
    example |= (
        {"maturity_on": T.day("2027-01-05")} if dated else {"instalments": 12, "first_due_on": T.day("2026-02-05"), "due_day": 5}
    )
    text = yaml.safe_dump(
        {
            "code": f"random-{n}", "version": 1, "name_zh": "随机", "name_en": "Random", "valid_from": date(2025, 1, 1),
            "conventions": conventions, "example": example,
        },
        allow_unicode=True,
    )  # fmt: skip
    return product_load(text)


def request(rng: random.Random, made: Product) -> dict[str, Any]:
    signed = date(2026, 1, 5) + timedelta(days=rng.randrange(60))
    body: dict[str, Any] = {
        "product": made.code, "borrower": "P-0001", "branch": "HZ",
        "principal": f"{rng.randrange(10_000, 20_000_000) / 100:.2f}",
        "annual_rate_ppm": rng.choice([0, 43_500, 60_000, 119_999]), "signed_on": signed.isoformat(),
        "disbursed_on": (signed + timedelta(days=rng.randrange(4))).isoformat(),
    }  # fmt: skip
    if made.conventions["method"] in ("interest_only", "bullet"):
        return body | {"maturity_on": (signed + timedelta(days=rng.randrange(40, 700))).isoformat()}
    first = signed + timedelta(days=rng.randrange(20, 50))
    return body | {"instalments": rng.randrange(3, 37), "first_due_on": first.isoformat(), "due_day": first.day}


@pytest.mark.parametrize("n", range(25))
def test_preview_is_what_is_booked(house: House, n: int) -> None:
    rng = random.Random(SEED + n)
    c = client(house, "underwriter")
    body = request(rng, product(rng, n))
    shown = post(c, "/contracts/preview", body, key="preview")
    assert shown.status_code == 200, (SEED + n, shown.content)
    booked = post(c, "/contracts", {**body, "number": f"N-{n}"}, key="open")
    assert booked.status_code == 200, (SEED + n, booked.content)
    read = c.get(f"/api/v1/loans/N-{n}/schedule?as_of={body['disbursed_on']}")
    assert shown.content == read.content, f"seed {SEED + n}"
