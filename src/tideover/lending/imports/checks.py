"""What must hold between the columns of a file, and between a file and the book. Vectorised; the book is asked once a column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from tideover.core.business_time import business_date
from tideover.core.sql import among, rows_read
from tideover.engine.terms import NO_DAY, day
from tideover.lending.imports.frame import Frame
from tideover.lending.models import Branch, ContactPoint, Contract, Party, Product
from tideover.lending.models.party import ONE_PERSON
from tideover.lending.services_points import point_hash, point_problem

ASK, CODES_MAX = 20_000, 900
AGAINST = ("reversal", "chargeback", "adjustment")
"""Kinds of event that speak of an earlier one."""


@dataclass(slots=True)
class Links:
    """Rows of the book that a file's rows point at, by index: `things[name][at[name][row]]`."""

    at: dict[str, np.ndarray] = field(default_factory=dict)
    things: dict[str, list[Any]] = field(default_factory=dict)

    def of(self, name: str, row: int) -> Any:
        return self.things[name][self.at[name][row]] if name in self.at else None


def check(frame: Frame) -> Links:
    """Refuse rows that contradict themselves or the book; what the others point at."""
    links = Links()
    CHECKS[frame.mapping.kind](frame, links)
    return links


def _link(frame: Frame, links: Links, column: str, find: Any, reason: str) -> None:
    if not frame.has(column):
        return
    at, things, known = frame.looked_up(column, find)
    links.at[column], links.things[column] = at, things
    frame.reject(~known & ~frame.empty[column], column, reason)


def _ask(model: Any, column: str, names: list[str], fields: tuple[str, ...]) -> Any:
    """Rows of `fields` where the column holds one of any number of names."""
    for start in range(0, len(names), ASK):
        yield from rows_read(model, fields, *among(column, names[start : start + ASK]))


def parties(names: list[str]) -> dict[str, Any]:
    """Party ids by reference."""
    return dict(_ask(Party, "reference", names, ("reference", "id")))


def branches(names: list[str]) -> dict[str, Any]:
    """Branches with their entity, by code."""
    return {b.code: b for b in Branch.objects.select_related("entity").filter(code__in=names[:CODES_MAX])}


def products(names: list[str]) -> dict[str, Any]:
    """The newest version of each product, by code."""
    return {p.code: p for p in Product.objects.filter(code__in=names[:CODES_MAX]).order_by("version")}


def loans(names: list[str]) -> dict[str, Any]:
    """(id, disbursed on as engine day, borrower id) of loans, by number."""
    found = _ask(Contract, "number", names, ("number", "id", "disbursed_on", "borrower_id"))
    return {n: (pk, day(on), party) for n, pk, on, party in found}


def _days_disbursed(frame: Frame, links: Links) -> np.ndarray:
    each = np.array([t[1] if t else -NO_DAY for t in links.things["loan_id"]] or [0], np.int64)
    return each[links.at["loan_id"]]


def _tape(frame: Frame, links: Links) -> None:
    if frame.mapping.plan != "rows":
        frame.reject_twice("loan_id", "the loan stands twice in the file")
    _link(frame, links, "borrower_id", parties, "no such borrower; import people first")
    _link(frame, links, "branch_code", branches, "no such branch")
    _link(frame, links, "product_code", products, "no such product")
    if frame.has("currency"):
        currency = np.array([b.entity.currency if b else "" for b in links.things["branch_code"]] or [""])[
            links.at["branch_code"]
        ]
        given = np.array([v or "" for v in frame.values["currency"].to_pylist()])
        frame.reject(frame.given("currency") & (given != currency), "currency", "not the currency of the branch's entity")
    start = frame.number("origination_date")
    for name in ("first_payment_date", "maturity_date"):
        frame.reject(frame.given(name) & (frame.number(name) <= start), name, "must be after origination_date")
    if frame.mapping.plan == "level":
        frame.reject(frame.number("original_term") < 1, "original_term", "must be at least 1")
        frame.reject(frame.number("total_due") < frame.number("original_principal_balance"), "total_due", "below the principal")
    elif frame.mapping.plan == "balances":
        _balances(frame, start)
    elif frame.mapping.plan == "rows":
        frame.reject(frame.number("due_on") <= start, "due_on", "must be after origination_date")
    else:
        _product_plan(frame, links)


def _product_plan(frame: Frame, links: Links) -> None:
    methods = np.array([p.conventions.get("method", "") if p else "" for p in links.things["product_code"]] or [""])
    method = methods[links.at["product_code"]]
    stepped = np.isin(method, ("annuity", "equal_principal", "flat"))
    frame.reject(stepped & (frame.number("original_term") < 1), "original_term", "needed by the product's method")
    frame.reject(stepped & ~frame.given("first_payment_date"), "first_payment_date", "needed by the product's method")
    frame.reject(~stepped & ~frame.given("maturity_date"), "maturity_date", "needed by the product's method")


def _balances(frame: Frame, start: np.ndarray) -> None:
    cut = frame.number("data_cut_off_date")
    principal, accrued = frame.number("current_principal_balance"), frame.number("accrued_interest")
    late_principal, late_interest = frame.number("arrears_principal"), frame.number("arrears_interest")
    late, dpd = late_principal + late_interest, frame.number("days_past_due")
    frame.reject(start >= cut, "origination_date", "must be before data_cut_off_date")
    frame.reject(cut > day(business_date()), "data_cut_off_date", "lies in the future")
    frame.reject(principal == 0, "current_principal_balance", "nothing is left of the loan; import its history instead")
    frame.reject(late_principal > principal, "arrears_principal", "more than current_principal_balance")
    frame.reject(late_interest > accrued, "arrears_interest", "more than accrued_interest, which contains it")
    frame.reject(frame.given("arrears_balance") & (frame.number("arrears_balance") != late), "arrears_balance",
                 "not arrears_principal + arrears_interest")  # fmt: skip
    total = principal + accrued + frame.number("fees_outstanding") + frame.number("penalty_outstanding")
    frame.reject(frame.given("total_balance") & (frame.number("total_balance") != total), "total_balance",
                 "not principal + accrued interest + fees + penalty")  # fmt: skip
    frame.reject((dpd > 0) & (late == 0), "days_past_due", "past due without arrears")
    frame.reject((late > 0) & (dpd == 0), "days_past_due", "arrears without days past due: give the age of the oldest")
    frame.reject((dpd > 0) & (cut - dpd <= start), "days_past_due", "due before the loan was paid out")
    ahead = np.maximum(frame.number("next_payment_date", NO_DAY), frame.number("maturity_date", NO_DAY))
    left = (principal > late_principal) | (accrued > late_interest)
    frame.reject(left & (ahead <= cut), "next_payment_date", "money falls due later, but no later date is given")
    frame.reject(frame.given("next_payment_date") & (frame.number("next_payment_date") <= cut), "next_payment_date",
                 "must be after data_cut_off_date")  # fmt: skip


def _payments(frame: Frame, links: Links) -> None:
    _link(frame, links, "loan_id", loans, "no such loan")
    on = frame.number("effective_on")
    frame.reject(on < _days_disbursed(frame, links), "effective_on", "before the loan was paid out")
    frame.reject(on > day(business_date()), "effective_on", "lies in the future")
    if frame.has("reference"):
        odd = np.asarray(pc.match_substring_regex(pc.fill_null(frame.values["reference"], ""), r"[\p{Cc}\p{Zl}\p{Zp}]"))
        frame.reject(odd, "reference", "holds characters that cannot be printed")
        frame.reject_twice("reference", "the reference stands twice in the file")


def _events(frame: Frame, links: Links) -> None:
    _payments(frame, links)
    kinds = np.array(frame.values["kind"].to_pylist(), object)
    names = frame.values["of_reference"].to_pylist() if frame.has("of_reference") else [None] * len(frame)
    known = set(frame.values["reference"].to_pylist())
    lost = np.isin(kinds, AGAINST) & np.array([n not in known for n in names], bool)
    frame.reject(lost, "of_reference", "names no event of the file")


def _people(frame: Frame, links: Links) -> None:
    frame.reject_twice("borrower_id", "the borrower stands twice in the file")
    _link(frame, links, "branch_code", branches, "no such branch")
    for column, channel in POINTS.items():
        if frame.has(column):
            _points(frame, column, channel)


POINTS = {"email": "email", "wecom_id": "wecom", "mini_program_id": "mini_program"}
"""Columns of a file of people that hold an address of their own, and its channel. A consent does not come with it."""


def _points(frame: Frame, column: str, channel: str) -> None:
    """An address can be one of its channel; a messenger's id is one person's, in the file and in the book."""
    texts = [t or "" for t in frame.values[column].to_pylist()]
    frame.reject(
        np.array([bool(t and point_problem(channel, t.strip())) for t in texts], bool), column, "not an address of this kind"
    )
    if channel not in ONE_PERSON:
        return
    frame.reject_twice(column, "the id stands twice in the file")
    hashes = [point_hash(t) if t else b"" for t in texts]
    own = frame.values["borrower_id"].to_pylist()
    held: dict[bytes, str] = {}
    for start in range(0, len(hashes), CODES_MAX):
        asked = [h for h in hashes[start : start + CODES_MAX] if h]
        live = ContactPoint.objects.filter(channel=channel, address_hash__in=asked, ended_at=None)
        held |= {bytes(h): r for h, r in live.values_list("address_hash", "party__reference")}
    others = [bool(h) and held.get(h, own[i]) != own[i] for i, h in enumerate(hashes)]
    frame.reject(np.array(others, bool), column, "the id belongs to another person")


def _of_people(frame: Frame, links: Links) -> None:
    _link(frame, links, "borrower_id", parties, "no such borrower; import people first")
    _link(frame, links, "loan_id", loans, "no such loan")
    if frame.has("loan_id"):
        owner = np.array([t[2] if t else -1 for t in links.things["loan_id"]] or [0])[links.at["loan_id"]]
        party = np.array([t or -2 for t in links.things["borrower_id"]] or [0])[links.at["borrower_id"]]
        frame.reject(frame.given("loan_id") & (owner != party), "loan_id", "not a loan of this borrower")
    if frame.has("closed_on"):
        early = frame.given("closed_on") & (frame.number("closed_on") < frame.number("opened_on"))
        frame.reject(early, "closed_on", "before opened_on")
    if frame.has("due_on"):
        frame.reject(frame.number("due_on") < frame.number("promised_on"), "due_on", "before promised_on")


def _ledger(frame: Frame, links: Links) -> None:
    _link(frame, links, "loan_id", loans, "no such loan in the book")
    on = frame.number("data_cut_off_date")
    frame.reject(on < _days_disbursed(frame, links), "data_cut_off_date", "before the loan was paid out")


CHECKS = {
    "tape": _tape,
    "payments": _payments,
    "people": _people,
    "events": _events,
    "contacts": _of_people,
    "promises": _of_people,
    "complaints": _of_people,
    "ledger": _ledger,
}
