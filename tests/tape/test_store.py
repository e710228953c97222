"""Tapes on disk: pages by position, many days as one table, old versions, and what a query may not do."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tideover.tape import store
from tideover.tape.schema import LOANS, SCHEMA_VERSION, arrow_schema

DAY = date(2026, 5, 31)


def rows(n: int, on: date = DAY, branches: str = "AB") -> pa.Table:
    return store.table_of(
        "loans",
        [
            {
                "data_cut_off_date": on, "loan_id": f"L-{i:04d}", "originator_id": "BANK", "branch": branches[i % len(branches)],
                "total_balance": i,
            }
            for i in range(n)
        ],
    )  # fmt: skip


@pytest.fixture
def grouped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of 25 loans in row groups of 10."""
    monkeypatch.setattr(store, "ROW_GROUP", 10)
    store.write(tmp_path, "loans.parquet", rows(25))
    return tmp_path / "loans.parquet"


def paged(path: Path, limit: int, scope: dict | None = None) -> list[list[str]]:
    out, cursor = [], 0
    while cursor is not None:
        found, cursor = store.page(path, "loans", cursor, limit, scope)
        out.append(found["loan_id"].to_pylist())
    return out


@pytest.mark.parametrize("limit", [1, 7, 10, 25, 100])
def test_pages_cover_every_row_once_in_order(grouped: Path, limit: int) -> None:
    pages = paged(grouped, limit)
    assert [x for p in pages for x in p] == [f"L-{i:04d}" for i in range(25)]
    assert all(0 < len(p) <= limit for p in pages)


@pytest.mark.parametrize("limit", [1, 4, 5, 13, 50])
def test_pages_in_scope(grouped: Path, limit: int) -> None:
    pages = paged(grouped, limit, {"originator_id": ["BANK"], "branch": ["A"]})
    assert [x for p in pages for x in p] == [f"L-{i:04d}" for i in range(0, 25, 2)] and all(pages)
    assert paged(grouped, limit, {"branch": []}) == [[]]


def test_a_position_beyond_the_end_is_an_empty_last_page(grouped: Path) -> None:
    assert store.page(grouped, "loans", 10**12, 5) == (arrow_schema("loans").empty_table(), None)


def test_only_the_row_groups_of_a_page_are_read(grouped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda self, i, **k: read.append(i) or original(self, i, **k))
    store.page(grouped, "loans", 12, 5)
    assert read == [1]


def test_a_file_says_its_version_and_gives_codes_as_text(grouped: Path) -> None:
    file = pq.ParquetFile(grouped)
    assert file.metadata.metadata[b"tideover.schema_version"] == str(SCHEMA_VERSION).encode()
    assert file.schema_arrow.field("branch").type == pa.string()


def version_one(folder: Path, on: date) -> Path:
    """A file as version 1 of the schema wrote it."""
    old = [c for c in LOANS if c.since == 1]
    schema = pa.schema([pa.field(c.name, c.type) for c in old], {"tideover.schema_version": "1", "tideover.table": "loans"})
    table = rows(3, on).select([c.name for c in old]).cast(schema)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "v1.parquet", compression="zstd")
    return folder / "v1.parquet"


def test_a_tape_of_version_one_is_still_readable_and_its_missing_columns_are_unknown(tmp_path: Path) -> None:
    old = version_one(tmp_path / "a", DAY)
    assert store.read(old.parent, "loans", ["v1.parquet"], ["loan_id", "holds_open"]).to_pylist()[0] == {
        "loan_id": "L-0000",
        "holds_open": None,
    }
    assert store.page(old, "loans", 0, 2)[0]["replay_state"].null_count == 2
    store.write(tmp_path / "b", "new.parquet", rows(2, DAY + timedelta(days=1)))
    files = [store.TapeFile(DAY, old), store.TapeFile(DAY + timedelta(days=1), tmp_path / "b" / "new.parquet")]
    said = "count(*) AS n, count(is_held) AS known, sum(total_balance) AS t"
    sql = f"SELECT {said} FROM loans GROUP BY data_cut_off_date ORDER BY 1 DESC"
    found = store.query(sql, {"loans": store.dataset("loans", files)}).to_pylist()
    assert [(r["n"], r["known"], r["t"]) for r in found] == [(3, 0, 3), (2, 0, 1)]


def test_days_that_a_query_does_not_name_are_not_opened(tmp_path: Path) -> None:
    store.write(tmp_path, "one.parquet", rows(4))
    files = [store.TapeFile(DAY, tmp_path / "one.parquet"), store.TapeFile(DAY + timedelta(days=1), tmp_path / "missing.parquet")]
    tapes = {"loans": store.dataset("loans", files)}
    found = store.query(f"SELECT count(*) AS n FROM loans WHERE data_cut_off_date = DATE '{DAY}'", tapes)
    assert found.to_pylist() == [{"n": 4}]


def test_memory_does_not_grow_with_the_number_of_days(tmp_path: Path) -> None:
    pool = pa.default_memory_pool()
    peaks = []
    for days in (2, 30):
        files = []
        for n in range(days):
            on = DAY + timedelta(days=n)
            store.write(tmp_path / str(on), "loans.parquet", rows(20_000, on))
            files.append(store.TapeFile(on, tmp_path / str(on) / "loans.parquet"))
        before = pool.bytes_allocated()
        found = store.query("SELECT sum(total_balance) AS t FROM loans", {"loans": store.dataset("loans", files)})
        assert found.to_pylist() == [{"t": days * sum(range(20_000))}]
        peaks.append(max(0, pool.bytes_allocated() - before))
    assert peaks[1] <= peaks[0] + 2**20


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')", "COPY loans TO '/tmp/stolen.csv'", "SELECT 1; SELECT 2", "SET threads = 1",
        "CREATE TABLE x (a int)", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "SELECT nothing FROM loans", "", "DROP VIEW loans",
    ],
)  # fmt: skip
def test_what_a_query_may_not_do(sql: str) -> None:
    with pytest.raises(store.QueryRefused):
        store.query(sql, {"loans": store.dataset("loans", [])})
    assert not Path("/tmp/stolen.csv").exists()
