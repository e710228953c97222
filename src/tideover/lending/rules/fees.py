"""The fees of a product: what is charged beside interest, when, how much, and by whom; what they come to over a schedule.

A fee is `amount_minor` each time, or `share_ppm` of a sum (the principal at payout and with instalments, the part repaid early,
the instalment that is late), or, with instalments, `yearly_ppm`: a year's share of the principal outstanding, counted as interest
is. Fees at payout and with instalments are the loan's normal cost and in its all-in rate; `early` and `late` depend on what the
borrower does. Source: 个人贷款业务明示综合融资成本规定 (金规〔2026〕2号).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tideover.core.packs.rules.price import days_between
from tideover.core.problems import Problem
from tideover.engine.standing import Row
from tideover.engine.terms import RATE_PPM_MAX, Component, Terms

MILLION = 1_000_000
NORMAL = ("payout", "instalment")
WHEN = (*NORMAL, "early", "late")
KEYS = {"code", "name_zh", "name_en", "when", "amount_minor", "share_ppm", "yearly_ppm", "payee_zh", "payee_en"}
NAMED = ("code", "name_zh", "name_en")
HOW = ("amount_minor", "share_ppm", "yearly_ppm")


@dataclass(frozen=True, slots=True)
class Fee:
    """One fee. `payee_zh`, `payee_en`: who gets it; empty: the lender. Of the three amounts exactly one is set."""

    code: str
    name_zh: str
    name_en: str
    when: str
    amount_minor: int = 0
    share_ppm: int = 0
    yearly_ppm: int = 0
    payee_zh: str = ""
    payee_en: str = ""

    @property
    def component(self) -> Component:
        """The slot of the claim that it is charged to."""
        return Component.THIRD_PARTY_FEE if self.payee_zh else Component.FEE


@dataclass(frozen=True, slots=True)
class FeeDue:
    """One charge of a normal fee. `nr`: the instalment, 0 at payout. `due_on`: engine day. Minor units."""

    fee: Fee
    nr: int
    due_on: int
    amount_minor: int


def fees_read(raw: Any) -> tuple[Fee, ...]:
    """Fees from plain values that `fee_problems` found nothing wrong with."""
    return tuple(Fee(**one) for one in raw)


def fee_problems(raw: Any) -> list[Problem]:
    """Everything that is wrong with a product's list of fees; `field` names the entry and the key."""
    if not isinstance(raw, list):
        return [Problem("wrong_type", "fees must be a list", "fees")]
    out, seen = [], set()
    for n, one in enumerate(raw):
        at = f"fees.{n}"
        if not isinstance(one, Mapping):
            out.append(Problem("wrong_type", f"{at} must be a table of keys and values", at))
            continue
        known = ", ".join(sorted(KEYS))
        out += [Problem("unknown_key", f"{at}: unknown key {k}; keys are {known}", at) for k in one.keys() - KEYS]
        out += [Problem("missing_key", f"{at}: {k} is missing", f"{at}.{k}") for k in NAMED if not one.get(k)]
        out += _amount_problems(at, one)
        if one.get("when") not in WHEN:
            out.append(Problem("bad_value", f"{at}: when must be one of {', '.join(WHEN)}", f"{at}.when"))
        if bool(one.get("payee_zh")) != bool(one.get("payee_en")):
            out.append(Problem("missing_key", f"{at}: a payee needs payee_zh and payee_en", f"{at}.payee_zh"))
        if one.get("code") in seen:
            out.append(Problem("twice", f"{at}: there are two fees {one.get('code')}", f"{at}.code"))
        seen.add(one.get("code"))
    return out


def _amount_problems(at: str, one: Mapping[str, Any]) -> list[Problem]:
    given = [k for k in HOW if k in one]
    if len(given) != 1:
        return [Problem("bad_value", f"{at}: give exactly one of {', '.join(HOW)}", at)]
    key, value = given[0], one[given[0]]
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return [Problem("wrong_type", f"{at}: {key} must be a whole number above nothing, not {value!r}", f"{at}.{key}")]
    if key != "amount_minor" and value > RATE_PPM_MAX:
        return [Problem("bad_value", f"{at}: {key} is more than {RATE_PPM_MAX}", f"{at}.{key}")]
    if key == "yearly_ppm" and one.get("when") in WHEN and one["when"] != "instalment":
        return [Problem("bad_value", f"{at}: yearly_ppm goes with when: instalment", f"{at}.{key}")]
    return []


def fees_due(fees: Sequence[Fee], terms: Terms, rows: Sequence[Row]) -> list[FeeDue]:
    """Every charge of the normal fees over a schedule, by day; amounts half up to the terms' unit, none of nothing."""
    out = [FeeDue(f, 0, terms.disbursed_on, _of(f, terms.principal_minor, 0, 1, terms)) for f in fees if f.when == "payout"]
    before = terms.disbursed_on
    for r in rows:
        open_minor = r.balance_minor + r.principal_minor
        days, year = days_between(terms.day_count, before, r.due_on)
        for f in fees:
            if f.when == "instalment":
                base = open_minor if f.yearly_ppm else terms.principal_minor
                out.append(FeeDue(f, r.nr, r.due_on, _of(f, base, days, year, terms)))
        before = r.due_on
    return [d for d in out if d.amount_minor > 0]


def _of(fee: Fee, base_minor: int, days: int, year: int, terms: Terms) -> int:
    if fee.amount_minor:
        return fee.amount_minor
    unit = terms.rounding_unit_minor
    above, below = base_minor * fee.share_ppm, MILLION
    if fee.yearly_ppm:
        above, below = base_minor * fee.yearly_ppm * days, MILLION * year
    return (2 * above + below * unit) // (2 * below * unit) * unit
