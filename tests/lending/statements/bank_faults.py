"""A bank that errs, against the real site: `python -m tests.lending.statements.bank_faults --lines 40` prints one row a fault.

Each row: the bank reports the lines by webhook with the fault on every second one, then sends the day as CAMT.053 and as a table;
lost: lines without a receipt; doubled: receipts too many. Runs on the database that TIDEOVER_DATABASE names (SQLite without one).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.databases import book_fresh

FAULTS = ("", "receipt_twice", "delay", "garbage", "drop_after", "receipt_first")
SITE = """
import os, sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from tideover.web.wsgi import application
class Server(ThreadingMixIn, WSGIServer):
    daemon_threads, request_queue_size = True, 50
class Quiet(WSGIRequestHandler):
    def log_message(self, *a): pass
make_server("127.0.0.1", int(sys.argv[1]), application, Server, Quiet).serve_forever()
"""
BUILD = """
import django; django.setup()
from datetime import date
from tests.factories import house_build
from tests.lending.statements.samples import ACCOUNT
from tideover.lending.statements.secrets import secret_new
from tideover.lending.statements.services import account_open
house = house_build()
account_open(entity=house.entity, number=ACCOUNT, name="Collections", bank="", opened_on=date(2020, 1, 1), actor="test")
made, text = secret_new(bank="ICBC", entity=house.entity, actor="test")
print(made.key_id, text)
"""
FILES = """
import django; django.setup()
import json, sys
from tests.lending.statements.samples import ACCOUNT, Paid, camt, table
from tideover.lending.models import Match, Receipt
from tideover.lending.statements.services import statement_import
lines = json.loads(sys.argv[1])
paid = [Paid(x["amount"], x["reference"], x["name"], x["counter_account"], f"SVC{n}") for n, x in enumerate(lines)]
statement_import(camt(*paid), "day.xml", actor="ops")
rows = [("20260310", "", x["amount"], x["name"], x["counter_account"], x["reference"]) for x in lines]
statement_import(table(*rows), "day.csv", actor="ops", account=ACCOUNT)
live = Receipt.objects.filter(reversed_at=None)
print(json.dumps([live.count(), Match.objects.filter(kind="doubt").count(), sum(live.values_list("amount_minor", flat=True))]))
"""


def lines_made(count: int) -> list[dict[str, str]]:
    """Payments of two people, every third equal to the one before but for the bank's id."""
    who = [("李明", "6217000000000000001", "T-1"), ("王芳", "6218000000000000002", "T-3")]
    out = []
    for n in range(count):
        name, account, words = who[(n // 3) % 2]
        out.append({
            "id": f"W{n}", "account": "1100000000000000001", "booked_on": "2026-03-10", "amount": f"{10 + n // 3}.00",
            "direction": "credit", "name": name, "counter_account": account, "reference": words if n % 2 else "",
        })  # fmt: skip
    return out


def port_free() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def post(url: str, body: Any) -> Any:
    for _ in range(100):
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, json.dumps(body).encode(), method="POST"), timeout=60
            ) as said:
                return json.loads(said.read())
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.1)
    raise AssertionError(f"nobody answers at {url}")


def row(fault: str, count: int, folder: Path) -> dict[str, Any]:
    """One fault on a book of its own."""
    env, lines = book_fresh(folder), lines_made(count)
    python = [sys.executable, "-c"]
    key, secret = subprocess.run([*python, BUILD], env=env, check=True, capture_output=True, text=True).stdout.split()
    site, bank = port_free(), port_free()
    processes = [subprocess.Popen([*python, SITE, str(site)], env=env)]
    command = [sys.executable, "-m", "tideover.sandbox.bank_notify", "--port", str(bank), "--parent", str(os.getpid())]
    command += [
        "--hook",
        f"http://127.0.0.1:{site}/hooks/bank",
        "--key",
        key,
        "--secret",
        secret,
        "--record",
        str(folder / "record"),
    ]
    command += [f"--fault={fault}=0.5"] if fault else []
    processes.append(subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL))
    try:
        for line in lines:
            post(f"http://127.0.0.1:{bank}/money", line)
        owed = post(f"http://127.0.0.1:{bank}/flush", {})["owed"]
    finally:
        for p in processes:
            p.kill()
            p.wait()
    calls = sum('"to": "hook"' in x for x in (folder / "record").read_text(encoding="utf-8").splitlines())
    said = subprocess.run([*python, FILES, json.dumps(lines)], env=env, check=True, capture_output=True, text=True).stdout
    receipts, doubts, amount = json.loads(said)
    wanted = sum(int(x["amount"].replace(".", "")) for x in lines)
    lost, doubled = max(0, count - receipts), max(0, receipts - count)
    return {
        "fault": fault or "none", "lines": count, "calls": calls, "owed": owed, "receipts": receipts, "lost": lost,
        "doubled": doubled, "doubts": doubts, "off_minor": amount - wanted,
    }  # fmt: skip


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--lines", type=int, default=40)
    p.add_argument("--fault", action="append")
    args = p.parse_args()
    os.environ.setdefault("TIDEOVER_MIGRATED", tempfile.mkdtemp())
    for fault in args.fault or FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(row(fault, args.lines, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
