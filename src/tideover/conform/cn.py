"""Cases of Chinese loan arithmetic (tests/cases/cn.json): parsed, replayed, compared cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tideover.conform.report import CaseResult
from tideover.engine import terms as T
from tideover.engine.apportion import Debt, apportion
from tideover.engine.apr import annual_cost
from tideover.engine.classify import classify
from tideover.engine.events import DebitStatus, DeferInterest, Event, EventKind, PrepayMode, RowPolicy
from tideover.engine.judgment import JudgmentTerms
from tideover.engine.replay import replay as engine_replay
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, Calendar, Component, DayCount, Terms, date_of, day

Json = dict[str, Any]
ReplayFunction = Callable[..., Standing]
DAY_COUNTS = {
    "periods": DayCount.PERIODS,
    "ACT/360": DayCount.ACT_360,
    "ACT/365F": DayCount.ACT_365F,
    "30/360": DayCount.THIRTY_360,
}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def minor(text: str | None, exponent: int = 2) -> int:
    """Minor units of a decimal string; a value finer than the currency is an error."""
    value = Decimal(text or "0").scaleb(exponent)
    if value != value.to_integral_value():
        raise ValueError(f"{text} is finer than the currency's smallest unit")
    return int(value)


def money(value: int, exponent: int = 2) -> str:
    """Decimal string of minor units."""
    return str(Decimal(value).scaleb(-exponent).quantize(Decimal(1).scaleb(-exponent)))


def ppm(text: str) -> int:
    """Parts per million of a decimal ratio."""
    value = Decimal(text) * 1_000_000
    if value != value.to_integral_value():
        raise ValueError(f"rate {text} is finer than one part per million")
    return int(value)


def on_day(text: str | None) -> int:
    return NO_DAY if text is None else day(text)


def _components(names: list[str]) -> tuple[Component, ...]:
    return tuple(Component[n.upper()] for n in names)


def terms_of(t: Json) -> Terms:
    """Engine terms of a case's `terms`."""
    penalty = t["penalty"]
    over = t["allocation_over"]
    return Terms(
        principal_minor=minor(t["principal"]),
        disbursed_on=day(t["disbursed_on"]),
        method=T.Method[t["method"].upper()],
        annual_rate_ppm=ppm(t["annual_rate"]),
        currency=t["currency"],
        exponent=t["exponent"],
        day_count=DAY_COUNTS[t["day_count"]],
        part_period=T.PartPeriod.PROPORTION if t["part_period"] == "proportion" else T.PartPeriod.ACT_360,
        first_period=T.FirstPeriod[t["first_period"].upper()],
        odd_first=T.OddFirst[t["odd_first"].upper()],
        instalments=t["instalments"] or 0,
        every=t["every"],
        unit=T.Unit[t["unit"].upper()],
        first_due_on=on_day(t["first_due_on"]),
        due_day=t["due_day"] or 0,
        maturity_on=on_day(t["maturity_on"]),
        settlement_day=t["settlement_day"] or 0,
        settlement_day_counted=bool(t["settlement_day_counted"]),
        debit_day=t["debit_day"] or 0,
        business_day=T.BusinessDay[t["business_day"]["convention"].upper()],
        accrual_dates=T.Shift[t["business_day"]["accrual"].upper()],
        late_from=T.Shift[t["business_day"]["late_from"].upper()],
        calendar=_calendar(t["calendar"]),
        interest_basis=T.InterestBasis[t["interest_basis"].upper()],
        rounding=T.Rounding[t["rounding"]["mode"].upper()],
        rounding_unit_minor=minor(t["rounding"]["unit"]),
        round_where=T.RoundWhere[t["rounding"]["where"].upper()],
        accruals=T.Accruals[t["rounding"]["accruals"].upper()],
        residue=T.Residue[t["residue"].upper()],
        penalty=_penalty(penalty) if penalty else None,
        allocation_order=_components(t["allocation"]["order"]),
        allocation_by=T.AllocateBy[t["allocation"]["by"].upper()],
        allocation_over_dpd=over["dpd_over"] if over else -1,
        allocation_over_order=_components(over["order"]) if over else (),
        allocation_over_by=T.AllocateBy[over["by"].upper()] if over else T.AllocateBy.COMPONENT,
        surplus=T.Surplus[t["surplus"].upper()],
        prepayment_interest=T.PrepaymentInterest[t["prepayment"]["interest"].upper()],
        dpd=_dpd(t["dpd"]),
        subsidy=_subsidy(t["subsidy"]) if t.get("subsidy") else None,
    )


def _calendar(c: Json) -> Calendar:
    return Calendar(
        name=c["name"],
        weekend=frozenset(WEEKDAYS.index(d) for d in c["weekend"]),
        holidays=frozenset(day(d) for d in c["holidays"]),
        workdays=frozenset(day(d) for d in c["workdays"]),
    )


def _penalty(p: Json) -> T.PenaltyTerms:
    rate, compound = p["rate"], p["compound"]
    num, den = (int(x) for x in rate.get("ratio", "1/1").split("/"))
    return T.PenaltyTerms(
        ratio_num=num,
        ratio_den=den,
        rate_ppm=ppm(rate["annual"]) if "annual" in rate else -1,
        base=T.PenaltyBase[p["base"].upper()],
        day_count=DAY_COUNTS[p["day_count"]],
        grace_days=p["grace_days"],
        grace_from=T.Shift.SHIFTED if p["grace_from"] == "due_on" else T.Shift.NOMINAL,
        restart_on_grace_end=p["restart_on_grace_end"],
        compound_on_interest=compound["on_interest"],
        compound_on_compound=compound["on_compound"],
        compound_joins_base=T.JoinsBase[compound["joins_base"].upper()],
        compound_rate_before_maturity=T.CompoundRate[compound["rate_before_maturity"].upper()],
        compound_rate_after_maturity=T.CompoundRate[compound["rate_after_maturity"].upper()],
        compound_day_count=DAY_COUNTS[compound["day_count"]],
    )


def _dpd(d: Json) -> T.DpdTerms:
    return T.DpdTerms(
        counts_principal="principal" in d["counts"],
        counts_interest="interest" in d["counts"],
        materiality_abs_minor=minor(d["materiality_abs"]),
        materiality_rel_ppm=ppm(d["materiality_rel"]),
        materiality_per=T.MaterialityPer[d["materiality_per"].upper()],
        grace_days=d["grace_days"],
        restart_on_grace_end=d["restart_on_grace_end"],
    )


def _subsidy(s: Json) -> T.SubsidyTerms:
    share = Fraction(s["max_share_of_rate"])
    return T.SubsidyTerms(
        points_ppm=ppm(s["points"]),
        max_share_num=share.numerator,
        max_share_den=share.denominator,
        cap_per_year_minor=minor(s["cap_per_year"]),
        from_day=day(s["from"]),
        to_day=day(s["to"]),
        eligible_principal_minor=minor(s["eligible_principal"]),
    )


def event_of(e: Json) -> Event:
    """One engine event; recorded_at is an int day."""
    kind = EventKind[e["kind"].upper()]
    amount = e.get("amount") or (e.get("principal") if kind == EventKind.REPAY_PART else None)
    shares = tuple((Component[c.upper()], Fraction(s).numerator, Fraction(s).denominator) for c, s in e.get("covers", {}).items())
    from_day = e.get("rate_from") or e.get("first_due_on")
    until = e.get("maturity_on") or e.get("due_on")
    return Event(
        seq=e["seq"],
        on=day(e["on"]),
        kind=kind,
        recorded_at=day(e["recorded_at"]),
        amount_minor=-1 if amount == "all" else minor(amount),
        component=Component[e["component"].upper()] if "component" in e else Component.PRINCIPAL,
        components=_components(e.get("capitalise") or e.get("order") or []),
        shares=shares,
        of_seq=e.get("of", -1),
        rate_ppm=ppm(e["annual_rate"]) if e.get("annual_rate") else -1,
        later_rows=RowPolicy[e.get("later_rows", "reamortise").upper()],
        prepay_mode=PrepayMode[e.get("mode", "keep_term").upper()],
        defer_interest=DeferInterest[e["interest"].upper()] if kind == EventKind.DEFER else DeferInterest.FIRST_ROW,
        rows=e.get("rows", e.get("instalments", 0)) or 0,
        from_day=on_day(from_day),
        until=on_day(until),
        class_min=e.get("min_class", ""),
        debit_id=e.get("debit", ""),
        debit_status=DebitStatus[e.get("status", "sent").upper()],
    )


def events_of(case: Json) -> list[Event]:
    """The case's events."""
    return [event_of(e) for e in case.get("events", [])]


def run_case(case: Json, replay: ReplayFunction = engine_replay) -> CaseResult:
    """Compare every asserted cell of one case exactly."""
    runner = {"loan": _loan, "facility": _facility, "receipt": _receipt, "judgment": _judgment, "apr": _apr}.get(case["kind"])
    result = CaseResult(case["id"])
    if runner is None:
        result.not_compared = f"kind {case['kind']}"
    else:
        runner(case, result, replay)
    return result


MONEY_CELLS = {
    "principal": "principal_minor",
    "interest": "interest_minor",
    "accrued": "accrued_minor",
    "penalty": "penalty_minor",
    "compound": "compound_minor",
    "fee": "fee_minor",
    "recovery_cost": "recovery_cost_minor",
    "total_overdue": "total_overdue_minor",
    "surplus": "surplus_minor",
    "payoff": "payoff_minor",
    "in_flight": "in_flight_minor",
}
COUNT_CELLS = ("days_past_due", "shown_days_past_due", "borrower_days_past_due")


def _standing_cell(key: str, s: Standing, t: Json) -> object:
    if key in MONEY_CELLS:
        return money(getattr(s, MONEY_CELLS[key]))
    if key == "recovered":
        return money(sum(s.recovered_minor))
    if key in COUNT_CELLS:
        return getattr(s, key)
    if key == "oldest_due_on":
        return None if s.oldest_due_on == NO_DAY else date_of(s.oldest_due_on).isoformat()
    if key == "class":
        over = tuple((int(d), str(c)) for d, c in t["classification"]["over"])
        return classify(s.days_past_due, over, s.class_min)
    return f"no cell {key}"


def _compare_standing(result: CaseResult, at: str, expected: Json, s: Standing, t: Json) -> None:
    for key, value in expected.items():
        if isinstance(value, dict):
            by_component = getattr(s, f"{key}_minor")
            for name, amount in value.items():
                result.check(f"{at} {key}.{name}", amount, money(by_component[Component[name.upper()]]))
        else:
            result.check(f"{at} {key}", value, _standing_cell(key, s, t))


def _compare_rows(result: CaseResult, at: str, expected: list[Json], s: Standing) -> None:
    for want in expected:
        nr = want["nr"]
        row = s.rows[nr - 1] if nr <= len(s.rows) else None
        if row is None:
            result.check(f"{at} row {nr}", "present", "missing")
            continue
        cells = {
            "nr": nr,
            "due_on": date_of(row.due_on).isoformat(),
            "principal": money(row.principal_minor),
            "interest": money(row.interest_minor),
            "total": money(row.total_minor),
            "balance": money(row.balance_minor),
            "paid": money(row.paid_minor),
            "outstanding": money(row.outstanding_minor),
            "subsidy": money(row.subsidy_minor),
            "borrower_interest": money(row.interest_minor - row.subsidy_minor),
        }
        for key, value in want.items():
            result.check(f"{at} row {nr} {key}", value, cells.get(key, "no such cell"))


def _compare_trace(result: CaseResult, at: str, expected: list[Json], s: Standing) -> None:
    got = [
        {
            "seq": line.seq,
            **{c.name.lower(): money(line.amounts_minor[c]) for c in Component if line.amounts_minor[c]},
            **({"surplus": money(line.held_minor)} if line.held_minor else {}),
        }
        for line in s.trace
    ]
    got = [g for g in got if len(g) > 1]
    want = [{k: v for k, v in w.items() if k == "seq" or minor(v)} for w in expected]
    want = [w for w in want if len(w) > 1]
    result.check(f"{at} trace", [sorted(w.items(), key=str) for w in want], [sorted(g.items(), key=str) for g in got])


def _loan(case: Json, result: CaseResult, replay: ReplayFunction) -> None:
    terms, events = terms_of(case["terms"]), events_of(case)
    for want in case["expect"]:
        known = day(want["known_at"]) if "known_at" in want else None
        s = replay(terms, events, day(want["as_of"]), known)
        at = want["as_of"] + (f" known {want['known_at']}" if known is not None else "")
        _compare_standing(result, at, want.get("standing", {}), s, case["terms"])
        _compare_rows(result, at, want.get("rows", []), s)
        if "row_count" in want:
            result.check(f"{at} row_count", want["row_count"], s.row_count)
        if "trace" in want:
            _compare_trace(result, at, want["trace"], s)


def _facility(case: Json, result: CaseResult, replay: ReplayFunction) -> None:
    t = case["terms"]
    for want in case["expect"]:
        as_of, principal = day(want["as_of"]), 0
        for d in t["drawdowns"]:
            if day(d["on"]) > as_of:
                continue
            terms = terms_of(
                {**t["drawdown_terms"], "principal": d["amount"], "disbursed_on": d["on"], "maturity_on": d["maturity_on"]}
            )
            events = [event_of(e) for e in case["events"] if e.get("drawdown") == d["id"]]
            s = replay(terms, events, as_of, None)
            principal += s.principal_minor
            _compare_drawdown(result, want, d["id"], s, t["drawdown_terms"])
        if "available" in want:
            result.check(f"{want['as_of']} available", want["available"], money(minor(t["limit"]) - principal))


def _compare_drawdown(result: CaseResult, want: Json, name: str, s: Standing, t: Json) -> None:
    for expected in want.get("drawdowns", []):
        if expected["id"] == name:
            at = f"{want['as_of']} {name}"
            cells = {k: v for k, v in expected.items() if k not in ("id", "rows", "trace")}
            _compare_standing(result, at, cells, s, t)
            _compare_rows(result, at, expected.get("rows", []), s)
            if "trace" in expected:
                _compare_trace(result, at, expected["trace"], s)


def _receipt(case: Json, result: CaseResult, replay: ReplayFunction) -> None:
    t = case["terms"]
    order = t["security_order"]
    debts = [
        Debt(
            id=d["id"],
            due_on=day(d["due_on"]),
            security_rank=order.index(d["security"]),
            annual_rate_ppm=ppm(d["annual_rate"]),
            claims_minor={Component[k.upper()]: minor(v) for k, v in d["claims"].items()},
        )
        for d in t["debts"]
    ]
    parts = apportion(
        minor(t["amount"]),
        debts,
        received_on=day(t["received_on"]),
        designation=t["designation"],
        within_order=_components(t["within_debt_order"]),
    )
    for want in case["expect"]:
        result.check("unapplied", want["unapplied"], money(parts.unapplied_minor))
        for line in want["receipt"]:
            got = parts.by_debt.get(line["debt"], {})
            result.check(f"{line['debt']} amount", line["amount"], money(sum(got.values())))
            for key, value in line.items():
                if key not in ("debt", "amount"):
                    result.check(f"{line['debt']} {key}", value, money(got.get(Component[key.upper()], 0)))


JUDGED = {"recovery_cost": "recovery_cost", "interest": "interest", "principal": "principal", "double": "penalty"}
"""A judged sum's name -> the component that carries it: the double part is claimed as penalty."""


def _judgment(case: Json, result: CaseResult, replay: ReplayFunction) -> None:
    """The judged debt as a loan on which the judgment fell on the first day that the case knows."""
    t = case["terms"]
    judged = JudgmentTerms(
        principal_minor=minor(t["principal"]),
        cost_minor=minor(t["cost"]),
        interest_minor=minor(t["general_interest"]),
        general_rate_ppm=ppm(t["general_rate"]) if t["general_rate"] else 0,
        general_from=on_day(t["general_from"]),
        general_year=t["general_year"] or 360,
        performance_due_on=day(t["performance_due_on"]),
        double_daily_ppm=ppm(t["daily_rate"]),
        order=_components([JUDGED[n] for n in t["order"]]),
        double_on_cost=t["double_base"] == "principal_and_cost",
    )
    events = [event_of(e) for e in case["events"]]
    known = [judged.performance_due_on, *(e.on for e in events), *(day(w["as_of"]) for w in case["expect"])]
    first = min([*known, *([judged.general_from] if judged.general_from != NO_DAY else [])])
    start = Event(seq=0, on=first, kind=EventKind.JUDGMENT, recorded_at=first, judgment=judged)
    terms = Terms(
        principal_minor=judged.principal_minor, disbursed_on=first - 1, method=T.Method.BULLET, maturity_on=first, penalty=None
    )
    for want in case["expect"]:
        s = replay(terms, [start, *events], day(want["as_of"]), None)
        for key, value in want["standing"].items():
            result.check(f"{want['as_of']} {key}", value, money(getattr(s, f"{JUDGED.get(key, key)}_minor")))
        if "trace" in want:
            given = [{JUDGED.get(k, k): v for k, v in line.items()} for line in want["trace"]]
            s.trace = [line for line in s.trace if line.seq != start.seq]
            _compare_trace(result, want["as_of"], given, s)


def _apr(case: Json, result: CaseResult, replay: ReplayFunction) -> None:
    t = case["terms"]
    flows = [(int(f["period"]), minor(f["amount"]), minor(f["principal"])) for f in t["flows"]]
    cost = annual_cost(flows, t["periods_per_year"])
    for want in case["expect"]:
        for key, value in want["apr"].items():
            got = money(cost.charges_minor) if key == "charges" else str(getattr(cost, key))
            result.check(key, value, got)
