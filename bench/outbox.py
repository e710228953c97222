"""Messages through the outbox: queued a second and worked a second, on SQLite and on PostgreSQL, with the sink as gateway.

Run: tideover bench outbox [--loans N] (one text message to each of N borrowers). *Queued*: `message_queue`, each in a transaction
of its own: wording made, content checked, gate asked, verdict stored. *Worked*: rounds of one worker over all of them: claimed,
gate asked again, marked, handed over, answer and receipt stored, contact written. *Two workers*: the same number again, by two
processes at once. `fault` counts what did not end as delivered once. `by_cpu`: messages a second of this process's CPU time,
which others' work on the machine changes little (PostgreSQL's own processes are not in it).

Against, in the same run on the same database: bare INSERTs of the very rows that came to be, each message's in as many
transactions as the outbox takes, into tables of the same columns and indexes (`bare`); and writes of 4 KiB made durable one by
one in the same folder (`fsyncs`), which bound transactions a second where each commit waits for the disk (PostgreSQL; SQLite in
WAL mode with synchronous=NORMAL does not wait).
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench._databases import ROOT, bare_copy, on_each

FSYNCS = 300
ROUND = 25
"""Messages claimed at a time: small, so that two workers share even a short run."""


class Meter:
    """Wall seconds, commits and rows that came to be in a part of the bench."""

    def __init__(self, connection: Any) -> None:
        from django.apps import apps

        owned = [m._meta for label in ("contact", "lending", "core") for m in apps.get_app_config(label).get_models(True)]
        self.tables = [m.db_table for m in owned if m.pk.column == "id"]
        self.connection, self.commits = connection, 0
        self.parts: dict[str, dict[str, Any]] = {}
        plain: Callable[[], None] = connection.commit

        def commit() -> None:
            self.commits += 1
            plain()

        connection.commit = commit

    @contextmanager
    def part(self, name: str, count: int) -> Iterator[None]:
        """Time `count` messages."""
        tips, self.commits = self._tips(), 0
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        wall, cpu, commits = time.perf_counter() - wall, time.process_time() - cpu, self.commits
        rows = {t: self._rows(t, tip) for t, tip in tips.items()}
        self.parts[name] = {
            "rate": round(count / wall, 1), "messages": count, "seconds": round(wall, 3), "by_cpu": round(count / cpu, 1),
            "transactions": round(commits / count, 2), "rows": round(sum(map(len, rows.values())) / count, 2),
        }  # fmt: skip
        self.parts[name]["bare"] = round(self._bare(rows, count, max(1, round(commits / count))), 1)

    def _tips(self) -> dict[str, int]:
        with self.connection.cursor() as cursor:
            return {t: _one(cursor, f"SELECT COALESCE(MAX(id), 0) FROM {t}") for t in self.tables}

    def _rows(self, table: str, tip: int) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table} WHERE id > %s ORDER BY id", [tip])
            return list(cursor.fetchall())

    def _bare(self, rows: dict[str, list[tuple[Any, ...]]], count: int, commits: int) -> float:
        """Messages/s of bare INSERTs: the k-th message takes its share of each table's rows, in `commits` transactions."""
        from django.db import transaction

        with self.connection.cursor() as cursor:
            into = {t: bare_copy(cursor, t) for t, r in rows.items() if r}
            sql = {t: f"INSERT INTO {into[t]} VALUES ({', '.join(['%s'] * len(rows[t][0]))})" for t in into}
            work = [[(sql[t], row) for t in into for row in _share(rows[t], k, count)] for k in range(count)]
            began = time.perf_counter()
            for lines in work:
                for c in range(commits):
                    with transaction.atomic():
                        for line in _share(lines, c, commits):
                            cursor.execute(*line)
            seconds = time.perf_counter() - began
            for name in into.values():
                cursor.execute(f"DROP TABLE {name}")
        return count / seconds


def _share(rows: list[Any], k: int, of: int) -> list[Any]:
    return rows[len(rows) * k // of : len(rows) * (k + 1) // of]


def _one(cursor: Any, sql: str) -> int:
    cursor.execute(sql)
    return int(cursor.fetchone()[0])


def worker(people: int) -> dict[str, Any]:
    """Everything on the database that the environment names."""
    from bench import _book  # sets Django up

    _book.build((people + 1) * 2)  # two loans a borrower; the first borrower has the app
    from django.db import connection

    from tideover.contact.message_templates import templates_seed
    from tideover.core.business_time import now

    templates_seed(now().date() - timedelta(days=1), actor="bench")
    meter = Meter(connection)
    queue(20, "warm")
    work()
    with meter.part("queued", people):
        queue(people, "one")
    with meter.part("worked", people):
        work()
    queue(people, "two")
    two = _two_workers(people)
    fsyncs = _fsyncs(Path(os.environ["TIDEOVER_HOME"]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"parts": meter.parts, "two workers": two, "fsyncs": fsyncs, "fault": faults(people), "peak_rss_bytes": peak}


def queue(count: int, key: str) -> None:
    """A text message to each of `count` people without the app: an answer, which may go at any hour."""
    from tideover.contact.outbox import message_queue
    from tideover.contact.rules.model import Channel, Purpose
    from tideover.core.business_time import now
    from tideover.lending.models import Contract

    loans = Contract.objects.select_related("borrower", "branch", "entity", "product")
    loans = loans.filter(borrower__user=None).order_by("borrower", "pk")
    seen: set[int] = set()
    for c in loans.iterator():
        if len(seen) == count:
            break
        if c.borrower_id in seen:
            continue
        seen.add(c.borrower_id)
        message_queue(
            party=c.borrower, contracts=[c], channel=Channel.SMS, purpose=Purpose.REPLY, template="dispute.received",
            values={"answer_by": now().date()}, at=now(), key=f"{key}:{c.number}", actor="bench",
        )  # fmt: skip


def work() -> int:
    """Rounds until nothing is due; how many messages were sent."""
    from tideover.contact.outbox import outbox_work
    from tideover.contact.outbox.work import Gateways
    from tideover.core.business_time import now

    lines, sent = Gateways(), 0
    while (done := outbox_work(ROUND, now(), gateways=lines)).any():
        sent += done.sent
    lines.close()
    return sent


def _two_workers(count: int) -> dict[str, Any]:
    """Two processes over the same messages, from one start."""
    command = [sys.executable, "-m", "bench.outbox", "--work"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    crew = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]
    for p in crew:
        p.stdout.readline()
    began = time.perf_counter()
    for p in crew:
        p.stdin.write("go\n")
        p.stdin.flush()
    each = [int(p.stdout.readline()) for p in crew]
    seconds = time.perf_counter() - began
    for p in crew:
        p.communicate()
    return {"rate": round(count / seconds, 1), "seconds": round(seconds, 3), "each": each}


def faults(count: int) -> int:
    """Messages that did not end as delivered, and keys that the sink did not take exactly once."""
    from collections import Counter

    from tideover.contact.models import Message

    lines = (Path(os.environ["TIDEOVER_HOME"]) / "outgoing.jsonl").read_text("utf-8").splitlines()
    taken = Counter(json.loads(line)["key"] for line in lines)
    known = dict(Message.objects.values_list("key", "state"))
    missing = 2 * count + 20 - len(known)
    return missing + sum(1 for key, state in known.items() if state != "delivered" or taken[key] != 1)


def _fsyncs(folder: Path) -> float:
    """Durable writes of 4 KiB a second, one after the other."""
    block = b"x" * 4096
    with (folder / "fsync").open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(FSYNCS):
            file.write(block)
            os.fsync(file.fileno())
        return round(FSYNCS / (time.perf_counter() - began), 1)


def run(loans: int = 1000) -> dict[str, Any]:
    """The bench as DESIGN §7 wants it: `rate` is messages worked a second by one worker on PostgreSQL; all parts by database."""
    with tempfile.TemporaryDirectory(prefix="tideover-bench-") as name:
        found = on_each("bench.outbox", Path(name), "--loans", str(loans))
    main = "postgresql" if "postgresql" in found else "sqlite"
    worked = found[main]["parts"]["worked"]
    against = {}
    for database, f in found.items():
        for part, p in f["parts"].items():
            against[f"bare INSERTs, {part}, {database}"] = {"rate": p["bare"], "ratio": round(p["rate"] / p["bare"], 4)}
        w = f["parts"]["worked"]
        against[f"fsyncs, {database}"] = {"rate": f["fsyncs"], "ratio": round(w["rate"] * w["transactions"] / f["fsyncs"], 4)}
    return {
        "bench": "outbox", "rate": worked["rate"], "unit": f"messages/s worked by one worker ({main})",
        "seconds": worked["seconds"], "peak_rss_bytes": max(f["peak_rss_bytes"] for f in found.values()), "against": against,
        "fault": sum(f["fault"] for f in found.values()),
        "parts": {d: f["parts"] | {"two workers": f["two workers"]} for d, f in found.items()},
    }  # fmt: skip


def main() -> None:
    """One database (`--loans`), or one of two workers (`--work`)."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--loans", type=int, default=1000)
    p.add_argument("--work", action="store_true")
    args = p.parse_args()
    if not args.work:
        print(json.dumps(worker(args.loans)))
        return
    import django

    django.setup()
    print("ready", flush=True)
    sys.stdin.readline()
    print(work(), flush=True)


if __name__ == "__main__":
    main()
