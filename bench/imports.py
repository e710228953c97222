"""Files in: loans validated, journal events stored, payments by file, on PostgreSQL and on SQLite.

Run: tideover bench imports [--loans N]. A fresh lender on each database takes a tape of N loans (by product, and as balances),
then 12 events a loan straight into the journal (hash chain included), then a payment file with one payment a loan and one with
twelve. Against, in the same run on the same database: a bare COPY (PostgreSQL) or executemany (SQLite) of the same journal rows
into a table of the same columns and indexes, in transactions of the same size. CPU seconds stand beside wall seconds, because the
wall clock of a shared machine says little: `cpu` is this process, `server_cpu` the PostgreSQL backend of the main connection (the
two that store chunks side by side are others). `longest_transaction`: seconds that one transaction of the main connection held
the book, from its begin to its commit.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench._databases import bare_copy, on_each

EVENTS_A_LOAN = 12
LENDER = """
entities:
  - {code: B, name_zh: x, name_en: x, lender_type: bank, valid_from: 2020-01-01, branches: [{code: B, name_zh: x, name_en: x}]}
products: [built-in]
"""
PEOPLE = "kind: people\ncolumns: {borrower_id: id, branch_code: {value: B}}\n"
PRODUCT = """
kind: tape
columns: {loan_id: loan, borrower_id: id, branch_code: {value: B}, product_code: product, origination_date: start,
  first_payment_date: first, original_term: n, original_principal_balance: amount, interest_rate: {from: rate, rate: percent}}
"""
BALANCES = """
kind: tape
plan: balances
columns: {data_cut_off_date: cut, loan_id: loan, borrower_id: id, branch_code: {value: B}, product_code: product,
  origination_date: start, next_payment_date: next, remaining_term: left, scheduled_payment: pay,
  original_principal_balance: amount, current_principal_balance: balance, accrued_interest: accrued, penalty_outstanding: penalty,
  interest_rate: {from: rate, rate: percent}, arrears_principal: late_principal, arrears_interest: late_interest,
  days_past_due: dpd}
"""
PAYMENTS = "kind: payments\nnamespace: {}\ncolumns: {{loan_id: loan, amount: amount, effective_on: day, reference: ref}}\n"


def files(folder: Path, loans: int) -> None:
    """Write the bench's files: people, two tapes, two payment files. The same numbers in every run."""
    import pyarrow as pa
    import pyarrow.csv as pcsv

    rng = np.random.default_rng(11)
    borrowers = max(1, loans // 2)

    def write(name: str, **columns: Any) -> None:
        pcsv.write_csv(pa.table(columns), folder / f"{name}.csv")

    def days(since: str, offset: np.ndarray) -> np.ndarray:
        return np.datetime64(since) + offset

    def cents(values: np.ndarray) -> list[str]:
        return [f"{v // 100}.{v % 100:02d}" for v in values.tolist()]

    of = rng.integers(0, borrowers, loans)
    shift, amount = rng.integers(0, 28, loans), rng.integers(100_000, 9_000_000, loans)
    plain = {
        "id": [f"P{k}" for k in of.tolist()], "product": ["consumer-annuity"] * loans, "start": days("2025-01-05", shift),
        "amount": cents(amount), "rate": ["12.6"] * loans,
    }  # fmt: skip
    write("people", id=[f"P{k}" for k in range(borrowers)])
    first = {"first": days("2025-02-05", shift), "n": np.full(loans, 12)}
    write("product", loan=[f"L{k}" for k in range(loans)], **plain, **first)
    late = rng.random(loans) < 0.1
    left = amount // 2
    arrears = np.where(late, amount // 12, 0)
    interest = np.where(late, amount // 100, 0)
    write(
        "balances", loan=[f"B{k}" for k in range(loans)], **plain, cut=["2025-06-30"] * loans,
        next=days("2025-07-01", shift), left=np.full(loans, 6), pay=cents(amount * 89 // 1000), balance=cents(left),
        accrued=cents(interest + amount // 500), penalty=cents(np.where(late, 500, 0)), late_principal=cents(arrears),
        late_interest=cents(interest), dpd=np.where(late, 30, 0),
    )  # fmt: skip
    for name, each in (("one", 1), ("twelve", EVENTS_A_LOAN)):
        loan, nr = np.repeat(np.arange(loans), each), np.tile(np.arange(each), loans)
        write(
            name, loan=[f"L{k}" for k in loan.tolist()], amount=cents(amount[loan] * 9 // 100), day=days("2025-03-05", nr * 30),
            ref=[f"{k}-{i}" for k, i in zip(loan.tolist(), nr.tolist(), strict=True)],
        )  # fmt: skip


class Clock:
    """Wall and CPU seconds of named parts."""

    def __init__(self, connection: Any) -> None:
        self.server_cpu, self.longest = _server_cpu(connection), 0.0
        self.parts: dict[str, dict[str, float]] = {}
        autocommit, begun = connection.set_autocommit, [0.0]

        def timed(on: bool, **options: Any) -> None:
            begun[0] = begun[0] if on else time.perf_counter()
            autocommit(on, **options)
            self.longest = max(self.longest, time.perf_counter() - begun[0]) if on else self.longest

        connection.set_autocommit = timed

    @contextmanager
    def part(self, name: str, count: int) -> Iterator[None]:
        """Time one part that handles `count` rows."""
        self.longest = 0.0
        wall, cpu, server = time.perf_counter(), time.process_time(), self.server_cpu()
        yield
        wall = time.perf_counter() - wall
        self.parts[name] = {
            "rate": round(count / wall, 1), "rows": count, "seconds": round(wall, 3),
            "cpu": round(time.process_time() - cpu, 3), "server_cpu": round(self.server_cpu() - server, 3),
            "longest_transaction": round(self.longest, 3),
        }  # fmt: skip


def worker(folder: Path) -> dict[str, Any]:
    """Everything on the database that the environment names; rates by part."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from tideover.lending.imports.run import import_file
    from tideover.lending.lender import lender_init
    from tideover.lending.models import Contract, LoanEvent

    call_command("migrate", verbosity=0)
    lender_init(LENDER, folder, actor="bench")
    clock = Clock(connection)
    loans = sum(1 for _ in (folder / "product.csv").open()) - 1

    def load(what: str, name: str, mapping: str, **options: Any) -> Any:
        done = import_file(what, folder / f"{name}.csv", mapping, actor="bench", **options)
        if done.rejects:
            raise RuntimeError(f"{name}: {done.rejects[0]}")
        return done

    with clock.part("store people", sum(1 for _ in (folder / "people.csv").open()) - 1):
        load("people", "people", PEOPLE)
    load("tape", "product", PRODUCT, dry_run=True)  # first use loads the kernel
    load("tape", "balances", BALANCES, dry_run=True)
    for name, mapping in (("product", PRODUCT), ("balances", BALANCES)):
        with clock.part(f"validate {name}", loans):
            load("tape", name, mapping, dry_run=True)
    for name, mapping in (("product", PRODUCT), ("balances", BALANCES)):
        with clock.part(f"store loans {name}", loans):
            load("tape", name, mapping)
    ids = np.array(Contract.objects.filter(number__startswith="L").order_by("pk").values_list("pk", flat=True), np.int64)
    _events(clock, ids)
    if LoanEvent.objects.count() < len(ids) * EVENTS_A_LOAN:
        raise RuntimeError("events are missing")
    _bare(clock, connection, len(ids) * EVENTS_A_LOAN)
    for name, each in (("one", 1), ("twelve", EVENTS_A_LOAN)):
        part = f"payments by file, {each} a loan"
        with clock.part(part, loans * each):
            done = load("payments", name, PAYMENTS.format(name))
        clock.parts[part] |= {f"seconds_{phase}": round(took, 3) for phase, took in done.seconds.items()}
    return {"parts": clock.parts, "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def _events(clock: Clock, ids: np.ndarray) -> None:
    """Twelve payments a loan into the journal: chain, COPY, tips."""
    from django.db import transaction

    from tideover.lending.imports.bulk import EventBatch, append_batch
    from tideover.lending.imports.events import EVENTS_AT_ONCE, LOANS_AT_ONCE, chunks

    n = len(ids) * EVENTS_A_LOAN
    loan, nr = np.repeat(ids, EVENTS_A_LOAN), np.tile(np.arange(EVENTS_A_LOAN), len(ids))
    keys = [f"bench:{k}:{i}" for k, i in zip(loan.tolist(), nr.tolist(), strict=True)]
    batch = EventBatch(loan, np.ones(n, np.int64), 20_150 + nr * 20, 100 + nr, np.full(n, -1), keys)
    with clock.part("store events", n):
        for first, last in chunks(loan, LOANS_AT_ONCE, EVENTS_AT_ONCE):
            with transaction.atomic():
                append_batch(batch.part(first, last), "bench")


def _bare(clock: Clock, connection: Any, count: int) -> None:
    """The same journal rows into a copy of their table, as fast as the database takes them."""
    from tideover.lending.imports.events import EVENTS_AT_ONCE

    with connection.cursor() as cursor:
        bare = bare_copy(cursor, "lending_loanevent")
        if connection.vendor == "postgresql":
            parts = []
            for first in range(0, count, EVENTS_AT_ONCE):
                sql = f"COPY (SELECT * FROM lending_loanevent ORDER BY id LIMIT {EVENTS_AT_ONCE} OFFSET {first}) TO STDOUT BINARY"
                with cursor.copy(sql) as copy:
                    parts.append(b"".join(bytes(b) for b in copy))
            with clock.part("bare rows", count):
                for data in parts:
                    with cursor.copy(f"COPY {bare} FROM STDIN BINARY") as copy:
                        copy.write(data)
            return
        cursor.execute("SELECT * FROM lending_loanevent ORDER BY id LIMIT %s", [count])
        rows = cursor.fetchall()
        marks = ", ".join(["%s"] * len(rows[0]))
        with clock.part("bare rows", count):
            for first in range(0, count, EVENTS_AT_ONCE):
                cursor.execute("BEGIN IMMEDIATE")
                cursor.executemany(f"INSERT INTO {bare} VALUES ({marks})", rows[first : first + EVENTS_AT_ONCE])
                cursor.execute("COMMIT")


def _server_cpu(connection: Any) -> Callable[[], float]:
    """CPU seconds so far of the PostgreSQL backend of this connection; 0 on SQLite."""
    if connection.vendor != "postgresql":
        return lambda: 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    tick = os.sysconf("SC_CLK_TCK")

    def read() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / tick

    return read


def run(loans: int = 20_000) -> dict[str, Any]:
    """The bench as DESIGN §7 wants it: `rate` is events stored a second on PostgreSQL; every part stands under its database."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files(folder, loans)
        found = on_each("bench.imports", folder, str(folder))
    main = "postgresql" if "postgresql" in found else "sqlite"
    parts = found[main]["parts"]
    return {
        "bench": "imports",
        "rate": parts["store events"]["rate"],
        "unit": f"events/s stored with their chain ({main})",
        "seconds": sum(p["seconds"] for f in found.values() for p in f["parts"].values()),
        "peak_rss_bytes": max(f["peak_rss_bytes"] for f in found.values()),
        "against": {
            f"bare rows, {d}": {
                "rate": f["parts"]["bare rows"]["rate"],
                "ratio": round(f["parts"]["store events"]["rate"] / f["parts"]["bare rows"]["rate"], 3),
            }
            for d, f in found.items()
        },
        "parts": {d: f["parts"] for d, f in found.items()},
    }


if __name__ == "__main__":
    print(json.dumps(worker(Path(sys.argv[1]))))
