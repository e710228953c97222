"""What a loan may cost under a pack: penalty band and all-in cap, each finding with its article. Exact integers throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tideover.core.packs.rules.fixings import MissingFixing, fixing
from tideover.core.packs.rules.pack import Citation, NoRule, Pack, rule
from tideover.engine.standing import Row
from tideover.engine.terms import DayCount, PenaltyTerms, Terms, date_of

CAP = "price.cap."
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule does not allow. `field`: the term at fault."""

    code: str
    message: str
    field: str
    citation: Citation | None = None

    def __str__(self) -> str:
        return f"{self.message} ({self.citation})" if self.citation else self.message


def lender_types(pack: Pack) -> list[str]:
    """The kinds of lender that the pack's price caps know; empty when it has no price caps."""
    return sorted(id.removeprefix(CAP) for id in pack.rules if id.startswith(CAP))


def penalty_findings(
    pack: Pack, penalty: PenaltyTerms | None, annual_rate_ppm: int, on: date, use: str = "overdue"
) -> list[Finding]:
    """Whether penalty interest lies in the band of its use (overdue, misuse). A loan without penalty interest passes."""
    if penalty is None:
        return []
    try:
        band = rule(pack, f"penalty.{use}_ratio", on)
    except NoRule:
        return []
    num, den = penalty.ratio_num, penalty.ratio_den
    if penalty.rate_ppm >= 0:
        num, den = penalty.rate_ppm, annual_rate_ppm
    if den <= 0 or band.values["min_ppm"] * den <= num * MILLION <= band.values["max_ppm"] * den:
        return []
    low, high = (f"{band.values[k] // 10_000 / 100:.2f}" for k in ("min_ppm", "max_ppm"))
    message = f"penalty interest is {num}/{den} of the contract rate; it must lie between {low} and {high} times"
    return [Finding("penalty_outside_band", message, "penalty", band.citation)]


def price_findings(
    pack: Pack, lender: str, terms: Terms, rows: Sequence[Row], signed_on: date, fees_minor: int = 0
) -> list[Finding]:
    """Whether a loan costs more than its lender may ask: nominal rate, all-in cost of the schedule, and where the rule counts it
    the penalty rate. `fees_minor`: its normal fees. A missing fixing is a finding, never a guess. A pack without price caps finds
    nothing."""
    known = lender_types(pack)
    if not known:
        return []
    if lender not in known:
        return [Finding("no_price_rule", f"lender type {lender} has no price rule; types are {', '.join(known)}", "lender_type")]
    out = penalty_findings(pack, terms.penalty, terms.annual_rate_ppm, signed_on) if lender != "private" else []
    try:
        cap = rule(pack, CAP + lender, signed_on)
    except NoRule:
        return out
    try:
        cap_ppm = cap.values.get("cap_ppm") or cap.values["multiple"] * fixing(pack, cap.values["index"], signed_on)
    except MissingFixing as error:
        return [*out, Finding("missing_fixing", str(error), "annual_rate_ppm", cap.citation)]
    limit = f"at most {cap_ppm} parts per million a year are allowed"
    if terms.annual_rate_ppm > cap_ppm:
        message = f"the rate of {terms.annual_rate_ppm} is too high; {limit}"
        out.append(Finding("over_price_cap", message, "annual_rate_ppm", cap.citation))
    elif _costs_more(terms, rows, cap_ppm, fees_minor):
        message = f"all-in the loan costs more than its rate of {terms.annual_rate_ppm} says; {limit}"
        out.append(Finding("over_price_cap", message, "annual_rate_ppm", cap.citation))
    if (
        cap.values["penalty_counts"]
        and terms.penalty is not None
        and _penalty_over(terms.penalty, terms.annual_rate_ppm, cap_ppm)
    ):
        out.append(Finding("over_price_cap", f"the penalty rate is too high; {limit}", "penalty", cap.citation))
    return out


def _penalty_over(p: PenaltyTerms, rate_ppm: int, cap_ppm: int) -> bool:
    return p.rate_ppm > cap_ppm if p.rate_ppm >= 0 else rate_ppm * p.ratio_num > cap_ppm * p.ratio_den


def simple_cost_ppm(terms: Terms, rows: Sequence[Row], fees_minor: int = 0) -> int:
    """Interest of the schedule and all normal fees over the principal really outstanding, by the year, by the simple method, ppm
    half up.

    Source: PBC announcement [2021] No. 3. Equal periods count months of 30 days, other conventions real days over 365.
    """
    weight, year = _principal_days(terms, rows)
    cost = sum(r.interest_minor for r in rows) + fees_minor
    return (2 * cost * year * MILLION + weight) // (2 * weight) if weight else 0


def _principal_days(terms: Terms, rows: Sequence[Row]) -> tuple[int, int]:
    """Sum of principal outstanding x days (minor units x days), and the days of a year by the same count."""
    balance, before, weight = terms.principal_minor, terms.disbursed_on, 0
    for r in rows:
        weight += balance * days_between(terms.day_count, before, r.due_on)[0]
        balance, before = balance - r.principal_minor, r.due_on
    return weight, days_between(terms.day_count, 0, 0)[1]


def days_between(count: DayCount, start: int, end: int) -> tuple[int, int]:
    """Days between two engine days as yearly cost counts them, and the days of a year: months of 30 where periods are equal."""
    return (_thirty(start, end), 360) if count == DayCount.PERIODS else (end - start, 365)


def _costs_more(terms: Terms, rows: Sequence[Row], cap_ppm: int, fees_minor: int) -> bool:
    """Whether the simple yearly cost is above a cap; each row may have been rounded up by one unit."""
    weight, year = _principal_days(terms, rows)
    interest = sum(max(0, r.interest_minor - terms.rounding_unit_minor) for r in rows)
    return (interest + fees_minor) * year * MILLION > cap_ppm * weight


def _thirty(start: int, end: int) -> int:
    a, b = date_of(start), date_of(end)
    return (b.year - a.year) * 360 + (b.month - a.month) * 30 + min(b.day, 30) - min(a.day, 30)
