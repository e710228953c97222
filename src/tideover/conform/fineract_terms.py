"""Terms of a published loan scenario (fineract.json): product and loan conventions as values of the engine's terms."""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import Any

from tideover.conform.cn import minor
from tideover.engine import terms as T
from tideover.engine.events import EventKind
from tideover.engine.reference_schedule import months_later
from tideover.engine.terms import (
    AllocateBy,
    AllocationStep,
    Component,
    FutureRule,
    KindRule,
    RowTerms,
    RowTiming,
    Terms,
    date_of,
    day,
)

Json = dict[str, Any]
WORDS = {
    "pen": Component.PENALTY, "penalty": Component.PENALTY, "fee": Component.FEE, "int": Component.INTEREST,
    "interest": Component.INTEREST, "prin": Component.PRINCIPAL, "principal": Component.PRINCIPAL,
}  # fmt: skip
FUTURES = {"next_installment": FutureRule.NEXT, "last_installment": FutureRule.LAST, "reamortization": FutureRule.EVEN}
KINDS = {
    "goodwill_credit": EventKind.GOODWILL,
    "merchant_issued_refund": EventKind.MERCHANT_REFUND,
    "payout_refund": EventKind.PAYOUT_REFUND,
    "down_payment": EventKind.DOWN_PAYMENT,
    "repayment": EventKind.PAYMENT,
}
TIMINGS = {"past_due": RowTiming.PAST_DUE, "due": RowTiming.DUE_TODAY, "in_advance": RowTiming.IN_ADVANCE}
UNITS = {"days": T.Unit.DAY, "weeks": T.Unit.WEEK, "months": T.Unit.MONTH, "years": T.Unit.YEAR}
ROUNDINGS = {"half_even": T.Rounding.HALF_EVEN, "half_up": T.Rounding.HALF_UP, "up": T.Rounding.UP, "down": T.Rounding.DOWN}


class NotOffered(Exception):
    """A convention that the engine does not offer: the reason to report."""


def cents(value: Any) -> int:
    """Minor units of a JSON number."""
    return minor(str(value))


def ppm_of_percent(value: Any) -> int:
    """Parts per million of a percentage. Raises NotOffered for one that is finer."""
    scaled = Decimal(str(value)) * 10_000
    if scaled != scaled.to_integral_value():
        raise NotOffered("rate finer than one part per million")
    return int(scaled)


def steps_of_strategy(name: str) -> tuple[AllocationStep, ...]:
    """The steps that a strategy's name spells: "pen_fee_int_prin", or "due_…__adv_…" for two orders."""
    out = []
    for part in name.split("__"):
        head, _, rest = part.partition("_")
        timing = {"due": RowTiming.DUE, "adv": RowTiming.IN_ADVANCE}.get(head)
        words = (part if timing is None else rest).split("_")
        if any(w not in WORDS for w in words):
            raise NotOffered(f"strategy {name}")
        out.append(AllocationStep(timing or RowTiming.ANY, tuple(WORDS[w] for w in words)))
    return tuple(out)


def steps_of_order(order: list[str], by: AllocateBy) -> tuple[AllocationStep, ...]:
    """Steps of an order such as past_due_penalty, past_due_fee, due_penalty …: neighbours of one bucket are one step."""
    split = [w.rpartition("_")[::2] for w in order]
    return tuple(
        AllocationStep(TIMINGS[bucket], tuple(WORDS[word] for _, word in words), by)
        for bucket, words in groupby(split, key=lambda pair: pair[0])
    )


def row_terms_of(product: Json, strategy: str) -> RowTerms:
    """How this loan allocates money, carries charges and takes tranches."""
    progressive = product["schedule_type"] == "progressive"
    down = product.get("down_payment")
    credit = (product.get("credit_allocation") or {}).get("chargeback", [])
    recalculation = product.get("recalculation") or {}
    common: Json = {
        "plan_changes": T.PlanChanges.ON_DAY if strategy == "advanced" else T.PlanChanges.FIRST,
        "tranches": T.TrancheRule.SPREAD_LEFT if progressive else T.TrancheRule.LEVEL_ALL,
        "down_payment_ppm": ppm_of_percent(down["pct"]) if down else 0,
        "credit_order": tuple(WORDS[w] for w in credit),
        **_recalculation(recalculation, progressive),
    }
    if strategy != "advanced":
        own = T.ChargeTiming.OWN if "__" in strategy else T.ChargeTiming.ROW
        return RowTerms(steps_of_strategy(strategy), charges_due=own, **common)
    by = AllocateBy.COMPONENT if product.get("schedule_processing") == "vertical" else AllocateBy.INSTALMENT
    rules = product["allocation"]
    steps = {name: steps_of_order(r["order"], by) for name, r in rules.items()}
    kinds = tuple(
        KindRule(int(KINDS[name]), FUTURES[r["future"]], steps[name] if steps[name] != steps["default"] else ())
        for name, r in rules.items()
        if name != "default"
    )
    return RowTerms(steps["default"], FUTURES[rules["default"]["future"]], kinds, **common)


def terms_of(case: Json, principal_minor: int, disbursed_on: int) -> Terms:
    """Engine terms of a scenario whose first tranche of `principal_minor` is paid out on `disbursed_on` (int day)."""
    t, product = case["terms"], case["product"]
    anchor = day(t["submitted"]) if product.get("repayment_start") == "submitted_date" else disbursed_on
    unit, every = UNITS[t["unit"]], t["every"]
    months = {T.Unit.MONTH: 1, T.Unit.YEAR: 12}.get(unit, 0) * every
    anchor_day = date_of(anchor).day
    first = months_later(anchor, months, anchor_day) if months else anchor + every * (7 if unit == T.Unit.WEEK else 1)
    declining = {"equal_installments": T.Method.ANNUITY, "equal_principal_payments": T.Method.EQUAL_PRINCIPAL}
    method = T.Method.FLAT if t["interest_type"] == "flat" else declining[t["amortization"]]
    multiple = product.get("installment_multiple_of")
    fixed = t.get("fixed_length_days") or product.get("fixed_length_days")
    if first <= disbursed_on:
        raise NotOffered("a first due day that is not after the payout")
    return Terms(
        principal_minor=principal_minor,
        disbursed_on=disbursed_on,
        method=method,
        annual_rate_ppm=ppm_of_percent(t["annual_rate"]),
        currency=product["currency"],
        exponent=product["decimals"],
        day_count=_day_count(product, t),
        instalments=t["repayments"],
        every=every,
        unit=unit,
        first_due_on=first,
        due_day=anchor_day if months else 0,
        rounding=ROUNDINGS[product["rounding"]],
        instalment_multiple_minor=cents(multiple) if multiple and method != T.Method.EQUAL_PRINCIPAL else 1,
        fixed_instalment_minor=cents(t.get("fixed_emi") or 0) if method == T.Method.ANNUITY else 0,
        maturity_on=disbursed_on + fixed if fixed else T.NO_DAY,
        grace_principal_rows=t["grace_principal"],
        grace_interest_rows=t["grace_interest"],
        penalty=None,
        dpd=T.DpdTerms(grace_days=product["grace_on_arrears_days"] or 0, restart_on_grace_end=True),
        row_terms=row_terms_of(product, t["strategy"]),
        **_interest_terms(case, method),
    )


def _interest_terms(case: Json, method: T.Method) -> Json:
    """Terms of loans in equal instalments on the declining balance."""
    product, t = case["product"], case["terms"]
    if method != T.Method.ANNUITY or not t["annual_rate"]:
        return {}
    progressive = product["schedule_type"] == "progressive"
    daily = t["interest_period"] == "daily"
    out: Json = {"level_rate": T.LevelRate.FIRST_ROW if daily else T.LevelRate.PERIOD}
    if progressive:
        out = {"level_rate": T.LevelRate.EACH_ROW, "part_period": T.PartPeriod.PROPORTION}
    elif product["multi_disburse"] and product.get("recalculation"):
        out["level_principal_minor"] = cents(t["principal"])
    if product.get("recalculation") or progressive:
        out["round_where"] = T.RoundWhere.PER_PIECE
    if product.get("recalculation"):
        if t["grace_principal"] or t["grace_interest"]:
            raise NotOffered("grace together with recalculated interest")
        out["interest_basis"] = T.InterestBasis.OUTSTANDING
    return out


EARLY = {
    "reduce_emi_amount": T.EarlyMoney.LOWER_LEVEL,
    "reduce_number_of_installments": T.EarlyMoney.FEWER_ROWS,
    "adjust_last_unpaid_period": T.EarlyMoney.AS_ALLOCATED,
}


def _recalculation(r: Json, progressive: bool) -> Json:
    """How interest follows the outstanding principal: a product's recalculation as values of the terms."""
    if not r:
        return {}
    if r["advance_adjust"] not in EARLY:
        raise NotOffered(f"advance payment rule {r['advance_adjust']}")
    if r["compounding"] not in ("none", "interest"):
        raise NotOffered(f"compounding of {r['compounding']}")
    joins = T.JoinsBase.EACH_ROW_DUE_DATE if r["compounding"] == "interest" else T.JoinsBase.NEVER
    to_end = r["pre_closure"] == "till_rest_frequency_date"
    return {
        "early_money": EARLY[r["advance_adjust"]],
        "late_interest": T.LateInterest.EVERY_ROW if progressive else T.LateInterest.RUNNING_ROW,
        "unpaid_interest_joins": joins,
        "payoff_interest": T.PayoffInterest.TO_ROW_END if to_end else T.PayoffInterest.TO_DAY,
    }


def _day_count(product: Json, t: Json) -> T.DayCount:
    if t["interest_period"] == "same_as_repayment_period" or t["interest_type"] == "flat":
        return T.DayCount.PERIODS
    if product["schedule_type"] == "progressive":
        return day_count_of(product["day_count_year"], product["day_count_month"])
    return T.DayCount.ACT_365F


def day_count_of(year: Any, month: Any) -> T.DayCount:
    """The engine's day count for days in a year and in a month. Raises NotOffered."""
    if year == 360 and month == 30:
        return T.DayCount.PERIODS
    counts = {360: T.DayCount.ACT_360, 364: T.DayCount.ACT_364, 365: T.DayCount.ACT_365F, "actual": T.DayCount.ACT_ACT_ISDA}
    if year not in counts:
        raise NotOffered(f"day count {year}/{month}")
    return counts[year]
