"""Writing what a file brought: whole loans in short transactions, each with its standing; a re-run goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Model

from tideover.core.business_time import business_date, micros, now
from tideover.engine.events import EventKind
from tideover.engine.replay import replay
from tideover.engine.standing import Depth
from tideover.engine.terms import NO_DAY, date_of, day
from tideover.lending import clock
from tideover.lending.chain import body_hash
from tideover.lending.contract_terms import calendar_pinned, terms_for
from tideover.lending.imports.bulk import BulkEvent, append, keys_known
from tideover.lending.imports.checks import Links
from tideover.lending.imports.frame import Frame
from tideover.lending.imports.opening import Opening, opening
from tideover.lending.imports.targets import KINDS, Type
from tideover.lending.journal import engine_event_of, engine_events
from tideover.lending.models import (
    Complaint,
    ContactRecord,
    Contract,
    ImportBatch,
    LoanEvent,
    LoanParty,
    Party,
    Promise,
    StandingRow,
)
from tideover.lending.selectors import standing_fields

LOANS_AT_ONCE = 300
EVENTS_AT_ONCE = 20_000
"""A chunk stays well under the second that a writer may hold its transaction (DESIGN §2)."""
Progress = Callable[[int], None]
LoanEvents = tuple[int, list[BulkEvent]]


# --- loans -----------------------------------------------------------------------------------------------------------


def openings(frame: Frame, links: Links, batch_sha: str) -> tuple[list[tuple[int, Contract, Opening]], int]:
    """(row, unsaved contract, opening) of every standing row, and how many loans this very file has opened before.

    Rows whose numbers give no possible terms, pass the product's limit, or name a loan that exists are refused.
    """
    names = frame.values["loan_id"].to_pylist()
    before = _existing([n for n in names if n])
    same = np.array([before.get(n) == batch_sha for n in names], bool)
    exists = np.array([n in before for n in names], bool) & ~same
    frame.reject(exists, "loan_id", "the loan exists already")
    already = int((same & frame.ok).sum())
    numbers = _numbers(frame)
    texts = {c: frame.values[c].to_pylist() if frame.has(c) else None for c in ("channel", "purpose")}
    out = []
    for i in np.flatnonzero(frame.ok & ~same).tolist():
        row = {name: int(column[i]) for name, column in numbers.items()}
        contract, opened, problem = _contract(frame, links, i, names[i], row, texts)
        if problem:
            bad = np.zeros(len(frame), bool)
            bad[i] = True
            frame.reject(bad, *problem)
        else:
            out.append((i, contract, opened))
    return out, already


def _existing(names: Sequence[str]) -> dict[str, str]:
    out: dict[str, str] = {}
    for start in range(0, len(names), 5000):
        found = Contract.objects.filter(number__in=names[start : start + 5000]).values_list("number", "imported_from__sha256")
        out |= {n: sha or "" for n, sha in found}
    return out


def _numbers(frame: Frame) -> dict[str, np.ndarray]:
    return {
        t.name: frame.number(t.name, NO_DAY if t.type == Type.DATE else 0)
        for t in KINDS["tape"]
        if t.type in (Type.MONEY, Type.RATE, Type.INTEGER, Type.DATE)
    }


def _contract(
    frame: Frame, links: Links, i: int, number: str, row: dict[str, int], texts: dict[str, Any]
) -> tuple[Any, Any, tuple[str, str] | None]:
    product, branch = links.of("product_code", i), links.of("branch_code", i)
    try:
        opened = opening(frame.mapping.plan, row, product.conventions)
    except (ValueError, ZeroDivisionError, IndexError) as error:
        return None, None, ("loan_id", f"gives no possible plan: {error}")
    start = date_of(row["origination_date"])
    contract = Contract(
        number=number, entity=branch.entity, branch=branch, product=product, borrower_id=links.of("borrower_id", i),
        currency=branch.entity.currency, signed_on=start, disbursed_on=start, annual_rate_ppm=row["interest_rate"],
        channel=(texts["channel"][i] or "") if texts["channel"] else "",
        purpose=(texts["purpose"][i] or "") if texts["purpose"] else "",
        overrides=opened.overrides, created_at=now(), **opened.columns,
    )  # fmt: skip
    ceiling = product.limits.get("principal_max_minor")
    if ceiling is not None and frame.mapping.plan == "product" and contract.principal_minor > ceiling:
        return None, None, ("original_principal_balance", f"{product.code} lends at most {ceiling // 100}.{ceiling % 100:02d}")
    calendar_pinned(contract)  # a calendar that no pack has is said by terms_for
    try:
        terms_for(contract)
    except (ValueError, TypeError) as error:
        return None, None, ("loan_id", f"impossible terms: {error}")
    return contract, opened, None


def loans_store(made: list[tuple[int, Contract, Opening]], batch: ImportBatch, actor: str, progress: Progress) -> int:
    """Write contracts, their borrowers' roles, opening events and standings, some hundred loans a transaction."""
    for start in range(0, len(made), LOANS_AT_ONCE):
        part = made[start : start + LOANS_AT_ONCE]
        with transaction.atomic():
            for _, contract, _ in part:
                contract.imported_from = batch
            Contract.objects.bulk_create([c for _, c, _ in part])
            LoanParty.objects.bulk_create(
                [LoanParty(contract=c, party_id=c.borrower_id, role="borrower", valid_from=c.signed_on) for _, c, _ in part]
            )
            append([(c.pk, _opened(c, o)) for _, c, o in part if o.events], actor)
            standings_refresh([c.pk for _, c, _ in part])
        progress(len(part))
    return len(made)


def _opened(contract: Contract, opened: Opening) -> list[BulkEvent]:
    return [
        BulkEvent(int(kind), on, amount, f"open:{contract.number}:{n}", extra)
        for n, (kind, on, amount, extra) in enumerate(opened.events)
    ]


def standings_refresh(ids: Sequence[int]) -> None:
    """Rewrite the cached standing of many loans by replay; call in the transaction that changed them."""
    today = business_date()
    rows = LoanEvent.objects.filter(contract__in=ids).order_by("contract_id", "seq")
    events = {pk: engine_events(of) for pk, of in groupby(rows, key=lambda e: e.contract_id)}
    out = []
    for c in Contract.objects.filter(pk__in=ids).select_related("product", "entity").order_by("pk"):
        as_of = max(day(today), day(c.disbursed_on))
        standing = replay(terms_for(c), events.get(c.pk, []), as_of, None, Depth.ROWS)
        out.append(StandingRow(contract=c, **standing_fields(standing, c)))
    names = [f.name for f in StandingRow._meta.concrete_fields if f.name != "contract"]
    StandingRow.objects.bulk_create(
        out, update_conflicts=True, unique_fields=["contract"], update_fields=names, batch_size=LOANS_AT_ONCE
    )


# --- events ----------------------------------------------------------------------------------------------------------


def payments(frame: Frame, links: Links, file_sha: str) -> tuple[list[LoanEvents], int]:
    """New payments by loan, ordered by day and row, and how many the journal holds already.

    Keys: namespace and reference, else the file's digest and the row, so that one file is never booked twice.
    A reference that was booked with another loan, day or amount is refused.
    """
    at = np.flatnonzero(frame.ok)
    keys = _keys(frame, file_sha)
    on, amount = frame.number("effective_on"), frame.number("amount")
    pk = np.array([t[0] if t else 0 for t in links.things["loan_id"]] or [0])[links.at["loan_id"]]
    known = keys_known([keys[i] for i in at.tolist()])
    if known:
        kind = int(EventKind.PAYMENT)
        held = np.array([k in known for k in keys], bool)
        other = np.zeros(len(frame), bool)
        for i in np.flatnonzero(held & frame.ok).tolist():
            other[i] = known[keys[i]] != body_hash(kind, int(on[i]), int(amount[i]), b"", int(pk[i]))
        frame.reject(other, "reference" if frame.has("reference") else "loan_id", "was booked with another loan, day or amount")
        already = int((held & frame.ok).sum())
        at = np.flatnonzero(frame.ok & ~held)
    else:
        already = 0
    at = at[np.lexsort((at, on[at], pk[at]))]
    kind = int(EventKind.PAYMENT)
    events = [
        (p, BulkEvent(kind, d, a, keys[i]))
        for p, d, a, i in zip(pk[at].tolist(), on[at].tolist(), amount[at].tolist(), at.tolist(), strict=True)
    ]
    return [(p, [e for _, e in of]) for p, of in groupby(events, key=lambda e: e[0])], already


def _keys(frame: Frame, file_sha: str) -> list[str]:
    space = frame.mapping.namespace
    rows = frame.rows.tolist()
    if not frame.has("reference"):
        return [f"file:{file_sha[:24]}:{row}" for row in rows]
    names = frame.values["reference"].to_pylist()
    return [f"{space}:{n}"[:80] if n else f"file:{file_sha[:24]}:{row}" for n, row in zip(names, rows, strict=True)]


def histories(frame: Frame, links: Links, file_sha: str) -> tuple[list[LoanEvents], int]:
    """New events of any kind by loan, in the file's order, checked by replaying each loan with them."""
    keys = _keys(frame, file_sha)
    known = keys_known([keys[i] for i in np.flatnonzero(frame.ok).tolist()])
    rows_of: dict[int, list[int]] = {}
    for i in np.flatnonzero(frame.ok).tolist():
        rows_of.setdefault(links.of("loan_id", i)[0], []).append(i)
    loans = {c.pk: c for c in _loans(list(rows_of))}
    columns = {n: frame.values[n].to_pylist() if frame.has(n) else [None] * len(frame) for n in _EVENT_TEXTS}
    numbers = {n: frame.number(n, o) for n, o in (("effective_on", 0), ("amount", 0), ("due_on", NO_DAY), ("rate", -1))}
    recorded = frame.number("recorded_at", -1)
    _recorded_check(frame, rows_of, loans, recorded)
    rows_of = {pk: left for pk, rows in rows_of.items() if (left := [i for i in rows if frame.ok[i]])}
    out, already = [], 0
    for pk, rows in sorted(rows_of.items()):
        new = [i for i in rows if keys[i] not in known]
        already += len(rows) - len(new)
        seqs = {columns["reference"][i]: loans[pk].event_count + n for n, i in enumerate(new, 1)}
        events = [_event(columns, numbers, i, seqs, keys[i], int(recorded[i])) for i in new]
        problem = _history_problem(loans[pk], events)
        if problem:
            bad = np.zeros(len(frame), bool)
            bad[rows] = True
            frame.reject(bad, "loan_id", problem)
        elif events:
            out.append((pk, events))
    return out, already


def _recorded_check(frame: Frame, rows_of: dict[int, list[int]], loans: dict[int, Contract], recorded: np.ndarray) -> None:
    """Refuse what is said to have been known in a day that is closed, or later than now."""
    closed, late = clock.cut_off(), recorded > micros(now())
    known = np.zeros(len(frame), bool)
    for pk, rows in rows_of.items():
        if closed is not None and loans[pk].created_at <= closed:
            known[rows] = (recorded[rows] >= 0) & (recorded[rows] <= micros(closed))
    frame.reject(late, "recorded_at", "lies in the future")
    if closed is not None:
        frame.reject(
            known, "recorded_at", f"what was known by {closed.isoformat()} is closed; leave it out, or import before closing"
        )


_EVENT_TEXTS = ("kind", "component", "reference", "of_reference")


def _loans(ids: list[int]) -> Iterator[Contract]:
    for start in range(0, len(ids), 5000):
        yield from Contract.objects.filter(pk__in=ids[start : start + 5000]).select_related("product")


def _event(
    texts: dict[str, list[Any]], numbers: dict[str, np.ndarray], i: int, seqs: dict[str, int], key: str, recorded_us: int
) -> BulkEvent:
    kind = EventKind[texts["kind"][i].upper()]
    extra: dict[str, Any] = {}
    if texts["component"][i]:
        extra["component"] = texts["component"][i]
    if kind == EventKind.REVERSAL:
        extra["of_seq"] = seqs.get(texts["of_reference"][i], -1)
    if kind == EventKind.CHARGE and numbers["due_on"][i] != NO_DAY:
        extra["until"] = date_of(int(numbers["due_on"][i])).isoformat()
    if kind == EventKind.RATE_CHANGE:
        extra["rate_ppm"] = int(numbers["rate"][i])
    amount = int(numbers["amount"][i])
    amount = -1 if kind == EventKind.WAIVER and not amount else amount
    return BulkEvent(int(kind), int(numbers["effective_on"][i]), amount, key, extra or None, recorded_us)


def _history_problem(contract: Contract, events: Sequence[BulkEvent]) -> str:
    from tideover.engine.events import EventRejected

    stored = engine_events(contract.events.order_by("seq"))
    try:
        added = [
            engine_event_of(contract.event_count + n, EventKind(e.kind), date_of(e.on), e.amount_minor, e.extra, recorded_us=0)
            for n, e in enumerate(events, 1)
        ]
        known = {e.seq for e in (*stored, *added)}
        if any(e.kind == EventKind.REVERSAL and e.of_seq not in known for e in added):
            return "a reversal of an event of another loan"
        if added:
            replay(terms_for(contract), [*stored, *added], max(day(business_date()), *(e.on for e in added)))
    except EventRejected as error:
        return f"event {error.seq} cannot happen: {error.reason}"
    except (ValueError, KeyError) as error:
        return str(error)
    return ""


def events_store(loans: Sequence[LoanEvents], actor: str, progress: Progress) -> int:
    """Append events and rewrite standings, whole loans a transaction."""
    written = 0
    for part in _chunks(loans):
        with transaction.atomic():
            count = append(part, actor)
            standings_refresh([pk for pk, _ in part])
        written += count
        progress(count)
    return written


def _chunks(loans: Sequence[LoanEvents]) -> Iterator[list[LoanEvents]]:
    part: list[LoanEvents] = []
    size = 0
    for loan in loans:
        if part and (len(part) >= LOANS_AT_ONCE or size + len(loan[1]) > EVENTS_AT_ONCE):
            yield part
            part, size = [], 0
        part.append(loan)
        size += len(loan[1])
    if part:
        yield part


# --- people and what happened to them --------------------------------------------------------------------------------


def people_store(frame: Frame, links: Links, progress: Progress) -> tuple[int, int]:
    """Write new parties, some thousand a transaction; those who exist stay as they are. (written, already there)"""
    names = frame.values["borrower_id"].to_pylist()
    texts = ("kind", "name", "id_number", "phone", "address", "region", "industry", "language")
    columns = {n: frame.values[n].to_pylist() for n in texts if frame.has(n)}
    numbers = {n: frame.number(n, -1) for n in ("birth_year", "monthly_income")}
    known: set[str] = set()
    for start in range(0, len(names), 5000):
        part = [n for n in names[start : start + 5000] if n]
        known |= set(Party.objects.filter(reference__in=part).values_list("reference", flat=True))
    new = [i for i in np.flatnonzero(frame.ok).tolist() if names[i] not in known]
    already = int(frame.ok.sum()) - len(new)
    for start in range(0, len(new), 2000):
        rows = [_party(names[i], i, columns, numbers, links) for i in new[start : start + 2000]]
        Party.objects.bulk_create(rows, batch_size=500)
        progress(len(rows))
    return len(new), already


def _party(name: str, i: int, columns: dict[str, list[Any]], numbers: dict[str, np.ndarray], links: Links) -> Party:
    texts = {n: column[i] or "" for n, column in columns.items()}
    party = Party(reference=name, branch=links.of("branch_code", i), created_at=now(), **texts)
    party.kind = texts.get("kind") or "person"
    party.language = texts.get("language") or "zh-hans"
    for n, attribute in (("birth_year", "birth_year"), ("monthly_income", "monthly_income_minor")):
        setattr(party, attribute, None if numbers[n][i] < 0 else int(numbers[n][i]))
    party.hash_fields()
    return party


def records_store(frame: Frame, links: Links, actor: str, progress: Progress) -> int:
    """Contacts, promises or complaints, in the caller's transaction: they have no keys, so they come whole or not at all."""
    model, fields = RECORDS[frame.mapping.kind]
    texts = {n: frame.values[n].to_pylist() for n in fields if frame.has(n) and not isinstance(frame.values[n], np.ndarray)}
    numbers = {n: frame.values[n] for n in fields if frame.has(n) and isinstance(frame.values[n], np.ndarray)}
    rows = []
    for i in np.flatnonzero(frame.ok).tolist():
        values: dict[str, Any] = {n: column[i] or "" for n, column in texts.items()}
        for n, column in numbers.items():
            values[_ATTRIBUTE.get(n, n)] = None if frame.empty[n][i] else _plain(n, int(column[i]))
        loan = links.of("loan_id", i) if frame.has("loan_id") and not frame.empty["loan_id"][i] else None
        rows.append(
            model(
                party_id=links.of("borrower_id", i),
                contract_id=loan[0] if loan else None,
                actor=actor,
                recorded_at=now(),
                **values,
            )
        )
    model._default_manager.bulk_create(rows, batch_size=1000)
    progress(len(rows))
    return len(rows)


_ATTRIBUTE = {"amount": "amount_minor"}


def _plain(name: str, value: int) -> Any:
    if name == "at":
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    return date_of(value) if name.endswith("_on") else value


RECORDS: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "contacts": (ContactRecord, ("at", "direction", "channel", "outcome", "seconds")),
    "promises": (Promise, ("amount", "promised_on", "due_on")),
    "complaints": (Complaint, ("source", "opened_on", "closed_on", "subject")),
}
