"""Loans of a tape: whole columns to contracts, checked as terms; then stored with their standings, thousands a transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db import transaction

from tideover.core.business_time import business_date
from tideover.core.sql import among, rows_read
from tideover.core.sql_columns import columns_insert, ids_take
from tideover.engine.columns_bulk import terms_bulk, unsound
from tideover.engine.terms import NO_DAY, ROW_COUNT_MAX, CustomRow, day
from tideover.lending.clock import stamp
from tideover.lending.columns import OK, Conventions, Loans, columns_of, standings_of
from tideover.lending.contract_terms import overrides_pinned, terms_build
from tideover.lending.imports import opening
from tideover.lending.imports.bulk import EventBatch, append_batch, events_table
from tideover.lending.imports.checks import Links
from tideover.lending.imports.frame import Frame
from tideover.lending.imports.opening import Openings
from tideover.lending.imports.standings import standings_now, standings_write, why_not
from tideover.lending.imports.targets import KINDS, Type
from tideover.lending.imports.writers import Progress, write_all
from tideover.lending.models import Contract, ImportBatch, LoanParty, Product
from tideover.lending.sources import CONTRACTS, Partition

LOANS_AT_ONCE = 5_000
"""A chunk stays under the second that a writer may hold its transaction (DESIGN §2)."""
CHECKED_AT_ONCE = 50_000


@dataclass(slots=True)
class NewLoans:
    """Loans to be written. at: the row of the frame that names loan k (int64[n]); those with `keep` stand."""

    frame: Frame
    links: Links
    at: np.ndarray
    opened: Openings
    keep: np.ndarray

    def __len__(self) -> int:
        return int(self.keep.sum())


def openings(frame: Frame, links: Links, batch_sha: str) -> tuple[NewLoans, int]:
    """The loans of every standing row, and how many of them this very file has opened before.

    Rows whose numbers give no possible terms, pass the product's limit, or name a loan that exists are refused.
    """
    names = frame.values["loan_id"].to_pylist()
    before = _existing(sorted({n for n in names if n}))
    same = np.array([before.get(n) == batch_sha for n in names], bool) if before else np.zeros(len(frame), bool)
    if before:
        frame.reject(np.array([n in before for n in names], bool) & ~same, "loan_id", "the loan exists already")
    grouped = _grouped(frame, names) if frame.mapping.plan == "rows" else None
    heads = np.arange(len(frame)) if grouped is None else grouped[0]
    already = int((same & frame.ok)[heads].sum())
    own = frame.ok[heads] & ~same[heads]
    at = heads[own]
    row = {name: column[at] for name, column in _numbers(frame).items()}
    products = [p.conventions if p else {} for p in links.things["product_code"]]
    product_of = links.at["product_code"][at]
    if frame.mapping.plan == "balances":
        opened = opening.as_it_stood(row, products, product_of)
    elif frame.mapping.plan == "level":
        opened = opening.by_level(row)
    elif grouped is not None:
        opened = _rows(frame, grouped, own)
    else:
        opened = opening.by_product(row, np.array([p.get("method", "") for p in products] or [""])[product_of])
    made = NewLoans(frame, links, at, opened, np.ones(len(at), bool))
    _check(made)
    _replay_check(made)
    return made, already


def _existing(names: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    shas = dict(ImportBatch.objects.values_list("pk", "sha256"))
    for start in range(0, len(names), 20_000):
        found = rows_read(Contract, ("number", "imported_from_id"), *among("number", names[start : start + 20_000]))
        out |= {n: shas.get(batch, "") for n, batch in found}
    return out


def _numbers(frame: Frame) -> dict[str, np.ndarray]:
    return {
        t.name: frame.number(t.name, NO_DAY if t.type == Type.DATE else 0)
        for t in KINDS["tape"]
        if t.type in (Type.MONEY, Type.RATE, Type.INTEGER, Type.DATE)
    }


def _grouped(frame: Frame, names: list[str | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first row of each loan, loan of each row, rows in order of the loans): a loan with one refused row is refused whole."""
    firsts, loan = np.unique(np.array([n or "" for n in names]), return_index=True, return_inverse=True)[1:]
    for name, values in frame.values.items():
        if not name.startswith("due_"):
            plain = values if isinstance(values, np.ndarray) else np.asarray(pc.fill_null(values, "").dictionary_encode().indices)
            frame.reject(plain != plain[firsts][loan], name, "differs between the rows of this loan")
    bad = np.zeros(len(firsts), bool)
    np.logical_or.at(bad, loan, ~frame.ok)
    frame.reject(bad[loan], "loan_id", "another row of this loan is refused")
    return firsts, loan, np.argsort(loan, kind="stable")


def _rows(frame: Frame, grouped: tuple[np.ndarray, np.ndarray, np.ndarray], own: np.ndarray) -> Openings:
    """The file's own rows of the loans `own`, in order of due day."""
    _, loan_of, order = grouped
    loan = loan_of[order]
    lines = order[own[loan]]
    of = (np.cumsum(own) - 1)[loan[own[loan]]]
    due = frame.number("due_on")[lines]
    by_due = np.lexsort((due, of))
    lines, of = lines[by_due], of[by_due]
    ends = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=int(own.sum())))])
    values = (frame.number(n)[lines] for n in ("due_on", "due_principal", "due_interest"))
    return opening.by_rows(ends, *values)


def _check(made: NewLoans) -> None:
    """Refuse loans that their product does not allow, or that give no sound terms."""
    opened, frame = made.opened, made.frame
    for where, column, reason in opened.bad:
        _refuse(made, where, column, reason)
    _refuse(made, opened.principal < 1, "original_principal_balance", "must be more than zero")
    if opened.rows is not None:
        sums = np.zeros(len(made.at), np.int64)
        np.add.at(sums, np.repeat(np.arange(len(made.at)), np.diff(opened.rows.offsets)), opened.rows.principal)
        _refuse(made, sums != opened.principal, "loan_id", "gives no possible plan: its rows do not add up to the principal")
        long = np.diff(opened.rows.offsets) > ROW_COUNT_MAX
        _refuse(made, long, "loan_id", f"has more than {ROW_COUNT_MAX} instalments")
    if frame.mapping.plan == "rows" and frame.has("original_principal_balance"):
        stated = frame.number("original_principal_balance")[made.at] != opened.principal
        _refuse(made, stated, "original_principal_balance", "not the sum of due_principal")
    ceilings = [p.limits.get("principal_max_minor") if p else None for p in made.links.things["product_code"]]
    for p, ceiling in enumerate(ceilings):
        if ceiling is not None and frame.mapping.plan == "product":
            over = (made.links.at["product_code"][made.at] == p) & (opened.principal > ceiling)
            code = made.links.things["product_code"][p].code
            _refuse(made, over, "original_principal_balance", f"{code} lends at most {ceiling // 100}.{ceiling % 100:02d}")
    for p, product in enumerate(made.links.things["product_code"]):
        _terms_check(made, made.links.at["product_code"][made.at] == p, product)


def _terms_check(made: NewLoans, where: np.ndarray, product: Product | None) -> None:
    """Refuse loans of one product whose terms the engine finds impossible: nothing may be stored that a close cannot replay."""
    some = np.flatnonzero(where & made.keep)
    if product is None or not len(some):
        return
    opened, start = made.opened, made.frame.number("origination_date")[made.at]
    own = {"principal_minor": 1, "disbursed_on": 0, "currency": "CNY"}
    try:
        terms = terms_build(product.conventions, own, opened.conventions(int(some[0])))
    except (ValueError, TypeError, KeyError) as error:
        _refuse(made, where, "product_code", f"impossible terms: {error}")
        return
    columns = {
        "principal_minor": opened.principal, "annual_rate_ppm": made.frame.number("interest_rate")[made.at],
        "disbursed_on": start, "instalments": opened.instalments, "first_due_on": opened.first_due, "due_day": opened.due_day,
        "maturity_on": opened.maturity,
    }  # fmt: skip
    if opened.rows is None:
        packed = terms_bulk({n: v[some] for n, v in columns.items()}, [terms], np.zeros(len(some), np.int64))
        bad = np.flatnonzero(unsound(packed)).tolist()
        reasons = {int(some[k]): packed.at(k).problems() for k in bad}
    else:
        # The conventions are those of every loan here; their rows are compared below, all at once.
        first = int(some[0])
        rows = [CustomRow(day(r["due_on"]), r["principal_minor"], r["interest_minor"]) for r in opened.rows.of(first)]
        example = terms.with_(**{n: int(v[first]) for n, v in columns.items()}, custom_rows=tuple(rows))
        out_of_order = opened.rows.out_of_order(start)
        reasons = {int(k): ["its instalments must fall due one after another, after the day of payout"]
                   for k in np.flatnonzero(out_of_order & where)}  # fmt: skip
        if first not in reasons and (found := example.problems()):
            _refuse(made, where, "product_code", f"impossible terms: {found[0]}")
            return
    for reason in sorted({r[0] for r in reasons.values()}):
        hit = np.zeros(len(made.at), bool)
        hit[[k for k, r in reasons.items() if r[0] == reason]] = True
        _refuse(made, hit, "loan_id", f"impossible terms: {reason}")


def _replay_check(made: NewLoans) -> None:
    """Refuse loans that do not replay with the events that open them: the file comes whole, so nothing may stop the storing."""
    shared, keep, today = Conventions.of_book(), np.flatnonzero(made.keep), day(business_date())
    for start in range(0, len(keep), CHECKED_AT_ONCE):
        ks = keep[start : start + CHECKED_AT_ONCE]
        loans = _part(made, ks, shared).loans
        as_of = np.maximum(today, loans.disbursed)
        for i in np.flatnonzero(standings_of(loans, as_of)[1] != OK).tolist():
            hit = np.zeros(len(made.at), bool)
            hit[ks[i]] = True
            _refuse(made, hit, "loan_id", f"cannot be replayed: {why_not(loans, i, int(as_of[i]))}")


def _refuse(made: NewLoans, where: np.ndarray, column: str, reason: str) -> None:
    bad = np.zeros(len(made.frame), bool)
    bad[made.at[where]] = True
    made.keep &= ~where
    made.frame.reject(bad, column, reason)


@dataclass(slots=True)
class _Part:
    """Some new loans, ready to be written but for their ids. contracts: columns of the table, but for id, batch and instant;
    opened: their events, `contract_ids` places in the part; standings: columns of the cache today."""

    contracts: dict[str, Any]
    opened: EventBatch
    loans: Loans

    def write(self, batch: ImportBatch, actor: str) -> int:
        """Contracts, their borrowers' roles, opening events and standings, in one transaction; how many loans."""
        standings = standings_now(self.loans)
        with transaction.atomic():
            at = stamp()  # a close with an earlier cut-off must never know these loans
            ids = ids_take(Contract, len(self.loans.ids))
            own = {"id": pa.array(ids), **self.contracts}
            journal = {"imported_from_id": batch.pk, "created_at": at, "event_count": 0, "chain_hash": b""}
            columns_insert(Contract, own | journal)
            role = {"contract_id": own["id"], "party_id": own["borrower_id"], "role": "borrower", "valid_from": own["signed_on"]}
            columns_insert(LoanParty, role)
            append_batch(replace(self.opened, contract_ids=ids[self.opened.contract_ids]), actor)
            standings_write(ids, standings, new=True)
        return len(ids)


def loans_store(made: NewLoans, batch: ImportBatch, actor: str, progress: Progress) -> int:
    """Write new loans, some thousand a transaction."""
    shared, keep = Conventions.of_book(), np.flatnonzero(made.keep)
    parts = (_part(made, keep[k : k + LOANS_AT_ONCE], shared) for k in range(0, len(keep), LOANS_AT_ONCE))
    return write_all(parts, lambda part: part.write(batch, actor), progress)


def _part(made: NewLoans, ks: np.ndarray, shared: Conventions) -> _Part:
    """Loans `ks` (int64) as columns."""
    rows = made.opened.rows.part(ks) if made.opened.rows is not None else None
    contracts, conventions = _contracts(made, ks), _conventions(made, ks)
    contracts["overrides"] = conventions
    if rows is not None:
        head = pc.utf8_slice_codeunits(conventions, 0, -1)
        contracts["overrides"] = pc.binary_join_element_wise(head, ', "custom_rows": [', rows.texts(), "]}", "")
    opened = made.opened.events(ks, contracts["number"].to_pylist())
    none = pa.nulls(len(ks), pa.int64())
    known = contracts | {
        "id": pa.array(np.arange(len(ks))), "borrower": made.frame.values["borrower_id"].take(pa.array(made.at[ks])),
        "manager_id": none, "facility_id": none, "overrides": conventions,
    }  # fmt: skip
    table = pa.Table.from_arrays([known[f.name].cast(f.type) for f in CONTRACTS], schema=CONTRACTS)
    events = events_table(opened, opened.contract_ids, np.zeros(len(ks), np.int64))
    custom = None if rows is None else (np.stack([rows.due, rows.principal, rows.interest], axis=1), rows.offsets)
    return _Part(contracts, opened, columns_of(Partition(table, events), shared, custom))


def _contracts(made: NewLoans, ks: np.ndarray) -> dict[str, Any]:
    """The contracts' columns but for their overrides, as Arrow arrays."""
    at, frame, opened = made.at[ks], made.frame, made.opened

    def linked(name: str, value: Callable[[Any], Any]) -> pa.Array:
        return pa.array([value(t) if t else None for t in made.links.things[name]]).take(pa.array(made.links.at[name][at]))

    def text(name: str) -> pa.Array:
        if not frame.has(name):
            return pa.array([""] * len(ks))
        return pc.fill_null(frame.values[name].take(pa.array(at)), "")

    start = _dates(frame.number("origination_date")[at])
    return {
        "number": frame.values["loan_id"].take(pa.array(at)), "entity_id": linked("branch_code", lambda b: b.entity_id),
        "branch_id": linked("branch_code", lambda b: b.pk), "product_id": linked("product_code", lambda p: p.pk),
        "borrower_id": linked("borrower_id", int), "currency": linked("branch_code", lambda b: b.entity.currency),
        "channel": text("channel"), "purpose": text("purpose"), "signed_on": start, "disbursed_on": start,
        "annual_rate_ppm": pa.array(frame.number("interest_rate")[at]), "principal_minor": pa.array(opened.principal[ks]),
        "instalments": pa.array(opened.instalments[ks]), "first_due_on": _dates(opened.first_due[ks]),
        "due_day": pa.array(opened.due_day[ks]), "maturity_on": _dates(opened.maturity[ks]),
    }  # fmt: skip


def _dates(days: np.ndarray) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32(), mask=days == NO_DAY).cast(pa.date32())


def _conventions(made: NewLoans, ks: np.ndarray) -> pa.Array:
    """What each loan overrides besides its rows, as JSON; the calendar's version pinned."""
    product = made.links.at["product_code"][made.at[ks]]
    kinds, kind = np.unique(made.opened.kinds(ks), return_inverse=True)
    _, first, which = np.unique(product * len(kinds) + kind, return_index=True, return_inverse=True)
    of = [made.links.things["product_code"][product[i]].conventions for i in first.tolist()]
    own = [made.opened.conventions(int(ks[i])) for i in first.tolist()]
    return pa.array([json.dumps(overrides_pinned(a, b)) for a, b in zip(of, own, strict=True)]).take(pa.array(which))
