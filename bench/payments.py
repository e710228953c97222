"""Money in by REST: payments one a request and in batches of 1,000, receipts one a request, through a served process on loopback.

Run: python -m bench.payments [--loans N] [--singles N] [--batches N], under scripts/with_postgres.py for PostgreSQL. Against: the
same event rows by bare INSERT into a table of the same database, each in a transaction of its own (singles) and 1,000 a
transaction (batches). Figures in payments/s; `cpu`: payments per second of the server's CPU time, which others' work on the
machine changes less. The last batch has half its keys from the one before: they must answer with their first events and book
nothing. Receipts (one for each borrower with two loans) are divided over the loans and booked as parts, one payment a part.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sqlite3
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

from bench._served import built, cpu_seconds, machine, peak_bytes, served

BATCH = 1000
CLIENTS = 2


def _post(connection: http.client.HTTPConnection, address: str, body: Any, key: str = "") -> Any:
    head = {"Authorization": "Bearer payments", "Content-Type": "application/json"}
    head |= {"Idempotency-Key": key} if key else {}
    connection.request("POST", f"/api/v1{address}", json.dumps(body), head)
    answer = connection.getresponse()
    data = json.loads(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {data}")
    return data


def _payment(n: int, loans: int, name: str) -> dict[str, str]:
    today = date.today().isoformat()
    return {"loan": f"L-{n % loans}", "amount": "1.00", "effective_on": today, "idempotency_key": f"{name}-{n}"}


def _receipt(n: int, loans: int) -> dict[str, str]:
    who, entity = f"P-{n % (loans // 2):07d}", "BANK" if n % 10 < 5 else "SHOP"
    return {"party": who, "entity": entity, "amount": "1.00", "received_on": date.today().isoformat()}


def _singles(port: int, count: int, loans: int, name: str, *, receipts: bool = False) -> float:
    """Seconds for `count` single payments (or receipts) by CLIENTS connections."""
    failed: list[BaseException] = []

    def work(first: int) -> None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for n in range(first, count, CLIENTS):
                if receipts:
                    _post(connection, "/receipts", _receipt(n, loans), f"{name}-{n}")
                else:
                    _post(connection, "/payments", _payment(n, loans, name))
        except BaseException as error:  # handed to the caller, who stops
            failed.append(error)

    started = time.perf_counter()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(CLIENTS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
    return time.perf_counter() - started


def _batches(port: int, count: int, loans: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    started = time.perf_counter()
    for b in range(count):
        body = {"payments": [_payment(b * BATCH + i, loans, "many") for i in range(BATCH)]}
        answer = _post(connection, "/payments/batch", body)
        if answer["accepted"] != BATCH:
            raise RuntimeError(f"{answer['accepted']} of {BATCH} accepted")
    return time.perf_counter() - started


def _repeats(port: int, batches: int, loans: int) -> None:
    """Send half of the last batch again with as many new payments, and see that each key has one event and no more."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    last = (batches - 1) * BATCH
    first = _post(connection, "/payments/batch", {"payments": [_payment(last + i, loans, "many") for i in range(BATCH)]})
    mixed = [_payment(last + i if i % 2 else last + BATCH + i, loans, "many") for i in range(BATCH)]
    again = _post(connection, "/payments/batch", {"payments": mixed})
    if again["accepted"] != BATCH or [r["seq"] for r in again["results"][1::2]] != [r["seq"] for r in first["results"][1::2]]:
        raise RuntimeError("a repeated key was booked again")


def _bare(home: str, count: int, together: int) -> float:
    """Payments/s of bare INSERTs of the stored event rows into a copy of their table, `together` a transaction."""
    uri = os.environ.get("TIDEOVER_DATABASE", "")
    return _bare_postgresql(uri, count, together) if uri.startswith("postgres") else _bare_sqlite(home, count, together)


def _bare_postgresql(uri: str, count: int, together: int) -> float:
    import psycopg

    with psycopg.connect(uri, autocommit=True) as bare:
        rows = bare.execute("SELECT * FROM lending_loanevent WHERE extra IS NULL LIMIT %s", [count]).fetchall()
        bare.execute("DROP TABLE IF EXISTS bare")
        bare.execute("CREATE TABLE bare (LIKE lending_loanevent INCLUDING INDEXES)")
        marks = ",".join(["%s"] * len(rows[0]))
        started = time.perf_counter()
        for at in range(0, len(rows), together):
            with bare.transaction(), bare.cursor() as cursor:
                cursor.executemany(f"INSERT INTO bare VALUES ({marks})", rows[at : at + together])
        return len(rows) / (time.perf_counter() - started)


def _bare_sqlite(home: str, count: int, together: int) -> float:
    with sqlite3.connect(Path(home, "tideover.sqlite3")) as book:
        rows = book.execute("SELECT * FROM lending_loanevent LIMIT ?", [count]).fetchall()
        ddl = book.execute("SELECT sql FROM sqlite_master WHERE name = 'lending_loanevent'").fetchone()[0]
    bare = sqlite3.connect(Path(home, f"bare-{together}.sqlite3"), isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=NORMAL")
    bare.execute(ddl)
    marks = ",".join("?" * len(rows[0]))
    started = time.perf_counter()
    for at in range(0, len(rows), together):
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany(f"INSERT INTO lending_loanevent VALUES ({marks})", rows[at : at + together])
        bare.execute("COMMIT")
    seconds = time.perf_counter() - started
    bare.close()
    return len(rows) / seconds


def run(loans: int = 2000, singles: int = 2000, batches: int = 4) -> dict[str, Any]:
    """The bench as DESIGN §7 wants it: `rate` is the batch rate; the single rate stands under `single`."""
    with tempfile.TemporaryDirectory() as home:
        built(home, loans)
        with served(home) as (port, pid):
            _singles(port, 20, loans, "warm")  # the kernel is loaded by the first request
            at = [cpu_seconds(pid)]
            one = _singles(port, singles, loans, "one")
            at.append(cpu_seconds(pid))
            many = _batches(port, batches, loans)
            at.append(cpu_seconds(pid))
            _repeats(port, batches, loans)
            at.append(cpu_seconds(pid))
            receipts = min(singles, loans // 2)
            parts = _singles(port, receipts, loans, "receipt", receipts=True)
            at.append(cpu_seconds(pid))
            peak, said = peak_bytes(pid), machine()
        bare = {"single": _bare(home, singles, 1), "batch": _bare(home, singles + batches * BATCH, BATCH)}
    rate = batches * BATCH / many
    return {
        "bench": "payments",
        "rate": round(rate, 1),
        "unit": "payments/s in batches of 1000",
        "seconds": round(one + many, 3),
        "peak_rss_bytes": peak,
        "single": {"rate": round(singles / one, 1), "unit": "payments/s, one a request", "connections": CLIENTS},
        "receipts": {"rate": round(receipts / parts, 1), "unit": "receipts/s, one a request", "connections": CLIENTS},
        "cpu": {
            "single": round(singles / (at[1] - at[0]), 1),
            "batch": round(batches * BATCH / (at[2] - at[1]), 1),
            "receipts": round(receipts / (at[4] - at[3]), 1),
        },
        "against": {
            "bare INSERT, 1000 a transaction": {"rate": round(bare["batch"], 1), "ratio": round(rate / bare["batch"], 4)},
            "bare INSERT, one a transaction": {
                "rate": round(bare["single"], 1),
                "ratio": round(singles / one / bare["single"], 4),
            },
        },
        "machine": said,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("loans", 2000), ("singles", 2000), ("batches", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(run(**vars(parser.parse_args())), indent=1))
