"""A bank that takes debits: over files in a folder and over HTTP, from accounts with balances, with a ledger that judges.

    FOLDER/out/*.txt          batches are fetched from here and moved to out/taken; results are laid into FOLDER/in
    POST /batches/NUMBER      a batch (signed, Idempotency-Key); answers with the results known so far
    GET  /batches/NUMBER      the results known so far
    GET  /debits/REFERENCE    the result of one; 2003 where it never came
    GET  /sandbox/ledger      what was taken
    POST /sandbox/accounts    {number: minor units}
    POST /sandbox/clock       {"offset_s": n}

What is taken is written to --record before anybody hears of it. With --trusting a debit presented twice is taken twice, so
that the ledger shows who relied on the bank to notice. The layout of files is docs/debits.md's, read here by code of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tideover.sandbox.http_peer import NOT_TAKEN, Reply, Request, serve
from tideover.sandbox.peer import FAULTS, arguments

FAULTS |= {
    "unknown": "takes the money, says 9999 until --reveal-after seconds have passed",
    "contradict": "takes the money, says that it failed, and after --reveal-after that it was taken",
    "late": "says nothing of a batch until --reveal-after",
    "half": "answers for every second debit of a batch; for the others after --reveal-after",
    "twice": "answers twice",
    "cut": "its first result file ends in the middle; the whole one comes after --reveal-after",
    "bad_totals": "its first result file has a wrong total; the right one comes after --reveal-after",
}
BEIJING = timezone(timedelta(hours=8))
POLL_S = 0.05


@dataclass
class Debit:
    """One debit as the bank knows it: what it will say (`code`, `taken`), and what it says before `reveal_at`."""

    reference: str
    batch: str
    code: str
    taken: int
    taken_at: str
    number: str
    first: str = ""
    reveal_at: float = 0.0

    def line(self, at: float) -> tuple[str, int] | None:
        """(line, taken) to say now; None: nothing."""
        if at < self.reveal_at:
            return None if self.first == "silent" else (f"R|{self.reference}|{self.first}|0||{self.number}", 0)
        stamp = self.taken_at if self.taken else ""
        return f"R|{self.reference}|{self.code}|{self.taken}|{stamp}|{self.number}", self.taken


@dataclass
class Bank:
    """Accounts, debits by reference, batches by number. One lock around everything."""

    args: argparse.Namespace
    accounts: dict[str, int] = field(default_factory=dict)
    debits: dict[str, Debit] = field(default_factory=dict)
    batches: dict[str, list[str]] = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    offset_s: float = 0.0
    files: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> float:
        """The bank's clock."""
        return time.time() + self.offset_s

    def stamp(self) -> str:
        """The bank's time as it is written."""
        return datetime.fromtimestamp(self.now(), BEIJING).isoformat(timespec="seconds")

    def take_batch(self, data: bytes, drawn: frozenset[str]) -> str:
        """Work on a batch: its number. Raises ValueError for one that is not whole."""
        lines = data.decode().split("\n")
        tail = lines[-2].split("|") if len(lines) > 2 else [""]
        if tail[0] != "T" or hashlib.sha256(data[: data.rindex(b"T|")]).hexdigest() != tail[4]:
            raise ValueError("not whole")
        head = lines[0].split("|")
        number, rows = head[3], [x.split("|") for x in lines[1:-2]]
        if [head[6], head[7]] != [str(len(rows)), str(sum(int(x[6]) for x in rows))]:
            raise ValueError("totals do not match")
        with self.lock:
            if number in self.batches and not self.args.trusting:
                return number
            self.batches.setdefault(number, [])
            late = self.now() > datetime.fromisoformat(head[8]).timestamp()
            for nr, row in enumerate(rows):
                self.take(number, row, late, drawn, silent="late" in drawn or ("half" in drawn and nr % 2 == 1))
        return number

    def take(self, batch: str, row: list[str], late: bool, drawn: frozenset[str], silent: bool) -> None:
        """Take one debit from its account, or not; the ledger is written first."""
        reference, account, amount, part = row[2], row[3], int(row[6]), row[8] == "Y"
        known = self.debits.get(reference)
        if known is not None and not self.args.trusting:
            self.ledger.append({"what": "again", "reference": reference})
            return
        balance = self.accounts.setdefault(account, self.args.balance)
        taken = 0 if late else amount if balance >= amount else balance if part else 0
        code = "2001" if late else "0000" if taken == amount else "0001" if taken else "1001"
        stamp = self.stamp()
        if taken:
            self.accounts[account] = balance - taken
            line = {"what": "take", "reference": reference, "account": account, "amount": taken, "taken_at": stamp}
            self.ledger.append(line)
            self.args.people.write(peer="bank", **line)
        debit = Debit(reference, batch, code, taken, stamp, f"K{len(self.debits) + 1:08d}")
        mine = drawn | self.args.faults.draw()
        if taken and "contradict" in mine:
            debit.first = "1001"
        elif "unknown" in mine:
            debit.first = "9999"
        elif silent:
            debit.first = "silent"
        debit.reveal_at = self.now() + self.args.reveal_after if debit.first else 0.0
        self.debits[reference] = debit
        self.batches[batch].append(reference)

    def result(self, batch: str, references: Sequence[str], *, wrong: bool = False) -> bytes:
        """A result file of these debits as they can be told now; empty bytes when there is nothing to say."""
        with self.lock:
            said = [x for r in references if (x := self.debits[r].line(self.now())) is not None]
        if not said:
            return b""
        total = sum(taken for _, taken in said) + wrong
        counts = f"{len(said)}|{sum(taken > 0 for _, taken in said)}|{total}"
        body = "".join(f"{x}\n" for x in (f"H|TIDEOVER-RESULT|1|{batch}|{counts}|{self.stamp()}", *(line for line, _ in said)))
        tail = f"T|{batch}|{len(said)}|{total}|{hashlib.sha256(body.encode()).hexdigest()}\n"
        return (body + tail).encode()

    def lay(self, data: bytes, batch: str, *, cut: bool = False) -> None:
        """Lay a result file into the folder; a cut one ends in the middle."""
        if not data:
            return
        with self.lock:
            self.files += 1
            name = f"R{self.files:06d}-{batch}.txt"
        folder = Path(self.args.folder) / "in"
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}.part"
        part.write_bytes(data[: len(data) * 2 // 3] if cut else data)
        os.rename(part, folder / name)

    def watch(self) -> None:
        """Fetch batches from the folder for ever."""
        out = Path(self.args.folder) / "out"
        (out / "taken").mkdir(parents=True, exist_ok=True)
        while True:
            for path in sorted(out.glob("[!.]*.txt")):
                self.fetch(path, out / "taken" / path.name)
            time.sleep(POLL_S)

    def fetch(self, path: Path, to: Path) -> None:
        """One batch file: read, moved away, answered as the faults have it."""
        drawn = self.args.faults.draw()
        try:
            data = path.read_bytes()
            os.rename(path, to)
        except FileNotFoundError:
            return
        if drawn & NOT_TAKEN:
            return  # the file is lost between the two houses
        try:
            number = self.take_batch(data, drawn)
        except (ValueError, IndexError):
            return
        threading.Thread(target=self.answer_later, args=[number, drawn], daemon=True).start()

    def answer_later(self, number: str, drawn: frozenset[str]) -> None:
        """Lay result files: soon, and once more when all is known."""
        time.sleep(self.args.answer_after)
        references = self.batches[number]
        first = self.result(number, references, wrong="bad_totals" in drawn)
        self.lay(first, number, cut="cut" in drawn)
        if "twice" in drawn:
            self.lay(first, number)
            self.lay(self.result(number, references), number)
        hidden = [self.debits[r].reveal_at for r in references if self.debits[r].reveal_at]
        if not hidden and not drawn & {"cut", "bad_totals"}:
            return
        until = max([*hidden, self.now() + self.args.reveal_after])
        while self.now() <= until:
            time.sleep(POLL_S)
        if "receipt_never" not in drawn:
            self.lay(self.result(number, references), number)

    def answer(self, r: Request) -> Reply:
        """Answer a request; only the sandbox's own addresses are unsigned."""
        if r.path.startswith("/sandbox/"):
            return self.sandbox(r)
        timestamp = r.headers.get("x-timestamp", "")
        if not hmac.compare_digest(self.sign(r.method, r.path, timestamp, r.body), r.headers.get("x-signature", "")):
            return Reply({"problem": "signature"}, 403)
        if not re.fullmatch(r"\d{1,12}", timestamp) or abs(self.now() - int(timestamp)) > 300:
            return Reply({"problem": "timestamp"}, 403)
        drawn = self.args.faults.draw() if r.method == "POST" else frozenset[str]()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        kind, _, name = r.path.strip("/").partition("/")
        data = self.debit(name) if kind == "debits" else self.batch(r, name, drawn)
        if data is None:
            return Reply({"problem": "it cannot be read"}, 422)
        return Reply(data, 200, {"X-Signature": self.sign("ANSWER", r.path, timestamp, data)}, drawn)

    def sign(self, method: str, path: str, timestamp: str, body: bytes) -> str:
        """A signature under the shared secret."""
        said = "\n".join([method, path, timestamp, hashlib.sha256(body).hexdigest()])
        return hmac.new(self.args.secret.encode(), said.encode(), hashlib.sha256).hexdigest()

    def debit(self, reference: str) -> bytes | None:
        """The result of one debit."""
        known = self.debits.get(reference)
        if known is None:
            body = f"H|TIDEOVER-RESULT|1||1|0|0|{self.stamp()}\nR|{reference}|2003|0||\n"
            return (body + f"T||1|0|{hashlib.sha256(body.encode()).hexdigest()}\n").encode()
        if known.line(self.now()) is None:
            known.first = "9001"
        return self.result(known.batch, [reference])

    def batch(self, r: Request, number: str, drawn: frozenset[str]) -> bytes | None:
        """A batch comes, or is asked for."""
        if r.method == "POST":
            try:
                if r.headers.get("idempotency-key") != number or self.take_batch(r.body, drawn) != number:
                    return None
            except (ValueError, IndexError):
                return None
        data = self.result(number, self.batches.get(number, []), wrong="bad_totals" in drawn and r.method == "POST")
        return data[: len(data) * 2 // 3] if "cut" in drawn and r.method == "POST" else data

    def sandbox(self, r: Request) -> Reply:
        """What only tests ask."""
        if r.path == "/sandbox/ledger":
            return Reply({"ledger": self.ledger, "accounts": self.accounts})
        if r.path == "/sandbox/accounts":
            self.accounts |= {k: int(v) for k, v in r.json().items()}
        elif r.path == "/sandbox/clock":
            self.offset_s = float(r.json()["offset_s"])
        return Reply({"now": self.stamp()})


def more(parser: argparse.ArgumentParser) -> None:
    """Arguments of this peer alone."""
    parser.add_argument("--folder", default="", help="folder of the file transfer (out and in); empty: HTTP only")
    parser.add_argument("--secret", default="development-only-secret-shared-with-bank", help="the secret shared with the lender")
    parser.add_argument("--balance", type=int, default=10**9, help="minor units in an account that nobody has set")
    parser.add_argument("--offset", type=float, default=0.0, metavar="SECONDS", help="how far its clock is ahead")
    parser.add_argument("--trusting", action="store_true", help="take again what is presented again")
    parser.add_argument("--answer-after", type=float, default=0.1, metavar="SECONDS")
    parser.add_argument("--reveal-after", type=float, default=1.0, metavar="SECONDS")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.bank."""
    args = arguments(__doc__ or "", 8105, argv, more)
    bank = Bank(args, offset_s=args.offset)
    if args.folder:
        threading.Thread(target=bank.watch, daemon=True).start()
    serve(args, "bank", bank.answer)


if __name__ == "__main__":
    main()
