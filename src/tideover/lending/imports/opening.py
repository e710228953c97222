"""How a tape row becomes a contract: by its product, as level instalments, or as it stood on the day of the cut-off.

As it stood (`balances`): the file gives no history, so the contract is a CUSTOM plan that owes from the first day what the
file says, and shows the file's figures on the cut-off date to the cent:
  - arrears: one row, due days_past_due before the cut-off, with arrears_principal and arrears_interest;
  - interest of the running period (accrued_interest - arrears_interest): one row whose period ends on the cut-off and whose
    due day is the next payment date. Its dates come apart by a calendar, pinned by the contract, that is closed in between;
  - what is left: rows of the product's own method from the next payment date; the first one's interest is less what has
    already accrued;
  - penalty and fees: CHARGE events on the cut-off, after a PAUSE of penalty up to it, so that the engine adds none of its own
    for days that the old system has already charged.
Days before the cut-off are not the loan's history: only an import of events gives that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tideover.engine.events import EventKind, PauseWhat
from tideover.engine.replay import schedule
from tideover.engine.terms import NO_DAY, Method, Terms, Unit, date_of
from tideover.lending.contract_terms import terms_from

FREE = {"settlement_day": 0, "debit_day": 0, "grace_principal_rows": 0, "grace_interest_rows": 0, "interest_free_rows": 0}
"""Conventions of a product that would move or change the rows that a file states."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Columns of the contract, its overrides, and the events that open it: (kind, day, amount, extra)."""

    columns: dict[str, Any]
    overrides: dict[str, Any]
    events: tuple[tuple[EventKind, int, int, dict[str, Any]], ...] = ()


def opening(plan: str, row: Mapping[str, int], conventions: Mapping[str, Any]) -> Opening:
    """The opening of one tape row: engine days, minor units and ppm by target name (NO_DAY and 0 where empty).

    Raises ValueError when the row's numbers give no possible plan.
    """
    return {"product": _by_product, "level": _level, "balances": _as_it_stood}[plan](row, conventions)


def _date(value: int) -> date | None:
    return None if value == NO_DAY else date_of(value)


def _by_product(row: Mapping[str, int], conventions: Mapping[str, Any]) -> Opening:
    first, maturity = row["first_payment_date"], row["maturity_date"]
    stepped = conventions.get("method") in ("annuity", "equal_principal", "flat")
    columns = {
        "principal_minor": row["original_principal_balance"],
        "instalments": row["original_term"] if stepped else 0,
        "first_due_on": _date(first),
        "due_day": date_of(first).day if first != NO_DAY else 0,
        "maturity_on": None if stepped else _date(maturity),
    }
    return Opening(columns, {})


def _level(row: Mapping[str, int], conventions: Mapping[str, Any]) -> Opening:
    """N equal shares of principal and of what is due above it; the last row takes what division leaves."""
    count, principal = row["original_term"], row["original_principal_balance"]
    above = row["total_due"] - principal
    rows = []
    for k in range(count):
        last = k + 1 == count
        share = principal - principal // count * k if last else principal // count
        interest = above - above // count * k if last else above // count
        rows.append(_row(_step(row, row["first_payment_date"], k), share, interest))
    return Opening(_custom_columns(principal), {**FREE, "method": "custom", "custom_rows": rows})


def _step(row: Mapping[str, int], first: int, k: int) -> int:
    from tideover.engine.reference_schedule import months_later

    every = row["payment_every_days"]
    return first + every * k if every else months_later(first, k, date_of(first).day)


def _custom_columns(principal: int) -> dict[str, Any]:
    return {"principal_minor": principal, "instalments": 0, "first_due_on": None, "due_day": 0, "maturity_on": None}


def _row(on: int, principal: int, interest: int) -> dict[str, Any]:
    return {"due_on": date_of(on).isoformat(), "principal_minor": principal, "interest_minor": interest}


def _as_it_stood(row: Mapping[str, int], conventions: Mapping[str, Any]) -> Opening:
    cut, principal = row["data_cut_off_date"], row["current_principal_balance"]
    late_principal, late_interest = row["arrears_principal"], row["arrears_interest"]
    accrued, rows = row["accrued_interest"] - late_interest, []
    overrides: dict[str, Any] = {**FREE, "method": "custom", "business_day": "unadjusted"}
    if late_principal + late_interest:
        rows.append(_row(cut - row["days_past_due"], late_principal, late_interest))
    ahead = row["next_payment_date"] if row["next_payment_date"] != NO_DAY else row["maturity_date"]
    if accrued:
        rows.append(_row(cut, 0, accrued))
        closed = [date_of(d).isoformat() for d in range(cut, ahead)]
        overrides |= {
            "business_day": "following",
            "accrual_dates": "nominal",
            "late_from": "shifted",
            "calendar": {"name": "opening", "weekend": [], "holidays": closed, "workdays": []},
        }
    if principal > late_principal:
        rows += _rows_ahead(row, conventions, principal - late_principal, accrued, ahead)
    overrides["custom_rows"] = rows
    return Opening(_custom_columns(principal), overrides, _opening_events(row, cut))


def _opening_events(row: Mapping[str, int], cut: int) -> tuple[tuple[EventKind, int, int, dict[str, Any]], ...]:
    start = row["origination_date"]
    pause = {"from_day": date_of(start).isoformat(), "until": date_of(cut).isoformat(), "pause_what": int(PauseWhat.PENALTY)}
    out: list[tuple[EventKind, int, int, dict[str, Any]]] = []
    if row["days_past_due"]:
        out.append((EventKind.PAUSE, start, 0, pause))
    for name, component in (("penalty_outstanding", "penalty"), ("fees_outstanding", "fee")):
        if row[name]:
            out.append((EventKind.CHARGE, cut, row[name], {"component": component}))
    return tuple(out)


def _rows_ahead(
    row: Mapping[str, int], conventions: Mapping[str, Any], principal: int, accrued: int, ahead: int
) -> list[dict[str, Any]]:
    """Rows of the product's method from the next payment date on."""
    from tideover.engine.reference_schedule import step

    cut, count = row["data_cut_off_date"], max(1, row["remaining_term"])
    plain = {k: v for k, v in conventions.items() if k not in FREE}
    columns: dict[str, Any] = {"principal_minor": principal, "annual_rate_ppm": row["interest_rate"], "disbursed_on": cut}
    if conventions.get("method") == "bullet":
        return [_row(max(ahead, row["maturity_date"]), principal, -1)]
    columns |= {"first_due_on": ahead, "due_day": date_of(ahead).day}
    if conventions.get("method") == "interest_only":
        columns["maturity_on"] = max(ahead + 1, row["maturity_date"])
    else:
        columns["instalments"] = count
        if row["scheduled_payment"] and conventions.get("method") == "annuity":
            columns["fixed_instalment_minor"] = row["scheduled_payment"]
    # One whole period before the next payment date: its interest is the period's, of which `accrued` has run already.
    at = Terms(principal, cut, Method.BULLET, every=plain.get("every", 1), unit=Unit[str(plain.get("unit", "month")).upper()])
    columns["disbursed_on"] = step(at.with_(due_day=date_of(ahead).day), ahead, -1)
    out = []
    for index, r in enumerate(schedule(terms_from(plain, columns))):
        interest = max(0, r.interest_minor - accrued) if index == 0 else r.interest_minor
        out.append(_row(r.due_on, r.principal_minor, interest))
    return out
