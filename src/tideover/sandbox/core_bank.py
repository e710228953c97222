"""A core banking system: it takes instructions over HTTP, confirms them late, and writes its files at the end of a day.

    python -m tideover.sandbox.core_bank --port 2830 --ledger balances.csv --files out --record booked.jsonl --fault lose=0.1

    POST /instructions         {key, loan, kind, effective_on, amount_minor, extra}: 202 received, 422 rejected; the same key
                               again answers as before and books nothing
    GET  /instructions/KEY     what became of it; 404: no such key
    GET  /answers?after=N      confirmations and rejections after number N, in order
    POST /day                  {"day": "2026-06-21"}: writes balances-DAY.csv and movements-DAY.csv into --files

The ledger is the last file of balances (loan, then a column a component in currency units); waivers and charges move it. What
is booked is written to --record, one line each: the judge of "never doubled". `reject`, `lose`, `receipt_twice` and the faults
of the connection act on single instructions.
"""

from __future__ import annotations

import argparse
import csv
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tideover.sandbox.http_peer import NOT_TAKEN, Reply, Request, serve
from tideover.sandbox.peer import arguments, later

LOWERS = {"waiver": -1, "charge": 1}


@dataclass
class Bank:
    """Instructions by key, answers in order, movements that no file has told of yet, and the ledger's lines."""

    args: argparse.Namespace
    lines: list[dict[str, str]] = field(default_factory=list)
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    moved: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, r: Request) -> Reply:
        """Answer anything, one request at a time."""
        with self.lock:
            if r.path == "/instructions" and r.method == "POST":
                return self.instruction(r.json())
            if r.path.startswith("/instructions/"):
                return self.asked(r.path.removeprefix("/instructions/"))
            if r.path == "/answers":
                after = int(r.query.get("after") or 0)
                return Reply({"answers": [a for a in self.answers if a["nr"] > after]})
            if r.path == "/day" and r.method == "POST":
                return self.day(str(r.json()["day"]))
            return Reply({"problem": "no such address"}, 404)

    def instruction(self, said: dict[str, Any]) -> Reply:
        """Take one instruction, unless its key was taken before."""
        key = str(said["key"])
        if key in self.taken:
            return self.asked(key)
        drawn = self.args.faults.draw()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        if "lose" in drawn:
            return Reply({"state": "received"}, 202, drawn=drawn)
        if "reject" in drawn:
            self.taken[key] = {"state": "rejected", "reason": "R17 not allowed on this account"}
            self.told(key, 1)
            return Reply(self.taken[key], 422, drawn=drawn)
        self.taken[key] = {"state": "received"}
        later(self.args.receipt_after, self.book, key, said, 2 if "receipt_twice" in drawn else 1)
        return Reply({"state": "received"}, 202, drawn=drawn)

    def asked(self, key: str) -> Reply:
        """What became of a key."""
        known = self.taken.get(key)
        return Reply({"problem": "no such key"}, 404) if known is None else Reply({"key": key, **known})

    def book(self, key: str, said: dict[str, Any], times: int) -> None:
        """Book it, and say so, once or twice."""
        with self.lock:
            reference = f"CB{len(self.moved) + 1:06d}"
            self.moved.append({**said, "reference": reference})
            self._move(said)
            self.taken[key] = {"state": "confirmed", "reference": reference, "on": said["effective_on"]}
            self.args.people.write(key=key, loan=said["loan"], kind=said["kind"], reference=reference)
            self.told(key, times)

    def told(self, key: str, times: int) -> None:
        """Put an answer into the list of answers."""
        for _ in range(times):
            self.answers.append({"nr": len(self.answers) + 1, "key": key, **self.taken[key]})

    def _move(self, said: dict[str, Any]) -> None:
        sign, component = LOWERS.get(str(said["kind"]), 0), (said.get("extra") or {}).get("component", "")
        for line in self.lines:
            if line["loan"] == said["loan"] and sign and component in line:
                owed = Decimal(line[component])
                by = owed if said["amount_minor"] < 0 else Decimal(said["amount_minor"]) / 100
                line[component] = f"{max(Decimal(0), owed + sign * by):.2f}"

    def day(self, on: str) -> Reply:
        """Write the files of a day; movements are told of once."""
        folder = Path(self.args.files)
        folder.mkdir(parents=True, exist_ok=True)
        names = list(self.lines[0]) if self.lines else ["loan"]
        balances = [{**line, "day": on} for line in self.lines]
        _csv(folder / f"balances-{on}.csv", [*names, *(["day"] if "day" not in names else [])], balances)
        rows = [
            {
                "loan": m["loan"], "day": on, "nr": m["reference"], "kind": m["kind"], "value_date": m["effective_on"],
                "amount": f"{Decimal(max(0, m['amount_minor'])) / 100:.2f}", "instruction": m["key"],
            }
            for m in self.moved
        ]  # fmt: skip
        _csv(folder / f"movements-{on}.csv", ["loan", "day", "nr", "kind", "value_date", "amount", "instruction"], rows)
        self.moved.clear()
        return Reply({"balances": len(balances), "movements": len(rows)})


def _csv(path: Path, names: list[str], rows: list[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, names)
        out.writeheader()
        out.writerows(rows)
    part.replace(path)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until killed."""

    def more(p: argparse.ArgumentParser) -> None:
        p.add_argument("--ledger", default="", help="CSV of balances to begin with: loan, then a column a component")
        p.add_argument("--files", default="core-files", help="folder for the files of a day")

    args = arguments("A core banking system.", 2830, argv, more)
    bank = Bank(args)
    if args.ledger:
        with Path(args.ledger).open(newline="", encoding="utf-8-sig") as file:
            bank.lines = list(csv.DictReader(file))
    serve(args, "core bank", bank.answer)


if __name__ == "__main__":
    main()
