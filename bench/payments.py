"""Payments by REST: one a request and in batches of 1,000, through a served process on loopback.

Run: python -m bench.payments [--loans N] [--singles N] [--batches N]. Against: the same event rows by bare INSERT on the same
kind of SQLite file, each in a transaction of its own (singles) and 1,000 a transaction (batches). Figures in payments/s.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BATCH = 1000
CLIENTS = 2
BUILD = """
import sys, hashlib, django; django.setup()
from datetime import date
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tideover.core.business_time import now
from tideover.core.models import ApiToken, User
from tideover.lending.models import Branch, LegalEntity, Party, Staff
from tideover.lending.products import CATALOGUE, product_load
from tideover.lending.services import contract_open
start = date(2020, 1, 1)
entity = LegalEntity.objects.create(code="BANK", name_zh="x", name_en="x", valid_from=start)
branch = Branch.objects.create(entity=entity, code="B", name_zh="x", name_en="x", valid_from=start)
user = User.objects.create_user(username="pay", role="payments")
Staff.objects.create(user=user, number="S1", name_zh="x", name_en="x", entity=entity, valid_from=start)
ApiToken.objects.create(user=user, name="b", token_hash=hashlib.sha256(b"bench").digest(), created_at=now())
product = product_load((CATALOGUE / "consumer_equal_principal.yaml").read_text(encoding="utf-8"))
party = Party(reference="P-1", kind="person", name="x", phone="1", id_number="1", branch=branch, created_at=now())
party.hash_fields(); party.save()
from django.db import transaction
with transaction.atomic():
    for n in range(int(sys.argv[1])):
        contract_open(number=f"L-{n}", product=product, borrower=party, branch=branch, principal_minor=1_200_000,
            annual_rate_ppm=60_000, signed_on=date(2026, 1, 20), disbursed_on=date(2026, 1, 20), instalments=12,
            first_due_on=date(2026, 2, 20), due_day=20, actor="bench")
"""


@contextmanager
def served(home: str, loans: int) -> Iterator[tuple[int, int]]:
    """A lender with loans, served on loopback; gives (port, process id)."""
    env = {**os.environ, "TIDEOVER_HOME": home, "DJANGO_SETTINGS_MODULE": "tideover.web.settings", "TIDEOVER_DATABASE": ""}
    Path(home, "static").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", BUILD, str(loans)], env=env, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "2", "--log-level", "error", "tideover.web.wsgi:application"]
    server = subprocess.Popen(command, env=env)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def _post(connection: http.client.HTTPConnection, address: str, body: Any) -> Any:
    head = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1{address}", json.dumps(body), head)
    answer = connection.getresponse()
    data = json.loads(answer.read())
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {data}")
    return data


def _payment(n: int, loans: int, name: str) -> dict[str, str]:
    return {"loan": f"L-{n % loans}", "amount": "1.00", "effective_on": "2026-02-20", "idempotency_key": f"{name}-{n}"}


def _singles(port: int, count: int, loans: int) -> float:
    """Seconds for `count` single payments by CLIENTS connections."""
    failed: list[BaseException] = []

    def work(first: int) -> None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for n in range(first, count, CLIENTS):
                _post(connection, "/payments", _payment(n, loans, "one"))
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


def _bare(home: str, count: int, together: int) -> float:
    """Payments/s of bare INSERTs of the stored event rows into a copy of their table, `together` a transaction."""
    with sqlite3.connect(Path(home, "tideover.sqlite3")) as book:
        rows = book.execute("SELECT * FROM lending_loanevent LIMIT ?", [count]).fetchall()
        ddl = book.execute("SELECT sql FROM sqlite_master WHERE name = 'lending_loanevent'").fetchone()[0]
    path = Path(home, f"bare-{together}.sqlite3")
    bare = sqlite3.connect(path, isolation_level=None)
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
        with served(home, loans) as (port, pid):
            one = _singles(port, singles, loans)
            many = _batches(port, batches, loans)
            status = Path(f"/proc/{pid}/status")
            peak = _peak(pid) if status.exists() else resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        bare = {"single": _bare(home, singles, 1), "batch": _bare(home, singles + batches * BATCH, BATCH)}
    rate = batches * BATCH / many
    return {
        "bench": "payments",
        "rate": round(rate, 1),
        "unit": "payments/s in batches of 1000",
        "seconds": round(one + many, 3),
        "peak_rss_bytes": peak,
        "single": {"rate": round(singles / one, 1), "unit": "payments/s, one a request", "connections": CLIENTS},
        "against": {
            "bare INSERT, 1000 a transaction": {"rate": round(bare["batch"], 1), "ratio": round(rate / bare["batch"], 4)},
            "bare INSERT, one a transaction": {
                "rate": round(bare["single"], 1),
                "ratio": round(singles / one / bare["single"], 4),
            },
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite",
    }


def _peak(pid: int) -> int:
    """Peak memory of the server's biggest process (bytes)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = []
    for p in [str(pid), *children]:
        lines = Path(f"/proc/{p}/status").read_text().splitlines()
        sizes += [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return max(sizes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("loans", 2000), ("singles", 2000), ("batches", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(run(**vars(parser.parse_args())), indent=1))
