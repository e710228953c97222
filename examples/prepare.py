"""Turn a public data set into the files of an example book: run examples/BOOK/prepare.sql in DuckDB, write its tables as CSV.

    python examples/prepare.py BOOK --data FOLDER --out FOLDER

FOLDER of --data holds the data set's own tables as Parquet, named as in the script (docs/real-books.md says where each comes
from). Every table that the script makes is written to OUT/TABLE.csv, with a header, in UTF-8.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent


def prepare(book: str, data: Path, out: Path) -> list[Path]:
    """The files written. Raises FileNotFoundError without such a book, duckdb.Error when the data lack a table or a column."""
    sql = (HERE / book / "prepare.sql").read_text(encoding="utf-8")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with duckdb.connect() as base:
        base.execute("SET VARIABLE data = ?", [str(data)])
        base.execute(sql)
        names = base.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1").fetchall()
        for (name,) in names:
            path = out / f"{name}.csv"
            base.execute(f"COPY {name} TO '{path}' (HEADER, DELIMITER ',')")
            written.append(path)
    return written


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("book", choices=sorted(p.parent.name for p in HERE.glob("*/prepare.sql")))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        for path in prepare(args.book, args.data, args.out):
            print(path)
    except duckdb.Error as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
