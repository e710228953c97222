"""The fault table of debits: each fault of the bank, over files and over HTTP, with workers that are killed.

    python -m tests.lending.debits.fault_table [--loans 40] [--kills 15] [--channels file,http] [--faults cut,half,…] > table.md

steps: the n-th worker dies with its n-th commit, file or word with the bank. The bank is --trusting: what is presented twice is
taken twice. `lost`, `doubled`, `wrong` and `open` must be zero.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.databases import book_fresh

FAULTS: dict[str, tuple[str, ...]] = {
    "file": ("none", "steps", "drop_before", "late", "half", "twice", "cut", "bad_totals", "unknown", "contradict", "mix"),
    "http": ("none", "steps", "drop_before", "drop_after", "garbage", "delay", "restart", "late", "half", "cut", "bad_totals",
             "unknown", "contradict", "mix"),
}  # fmt: skip
CHANCE = 0.5
THREE_DAYS_S = 60 * 3600
"""Told within the world's last jump, which ends 72 hours after its evening."""
MIX = ("drop_before", "late", "half", "twice", "cut", "bad_totals", "unknown", "contradict", "drop_after")
EVENING = datetime(2026, 11, 25, 10, 30, tzinfo=UTC).timestamp()
"""When the world begins: 18:30 in Beijing, on the day on which its loans fall due."""


def chances(fault: str) -> list[str]:
    """The bank's arguments for one row of the table."""
    named = {"none": {}, "steps": {}, "mix": dict.fromkeys(MIX, 0.12)}.get(fault, {fault: CHANCE})
    return [x for name, chance in named.items() for x in ("--fault", f"{name}={chance}")]


def row(channel: str, fault: str, *, loans: int, kills: int, seed: int) -> dict[str, Any]:
    """Run one world: what it came to. The numbers are those of `check` in tests/lending/debits/fault_world.py."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = book_fresh(home)
        port = _port()
        # Many small batches: each is a chance to die, and to err.
        env |= {
            "DEBIT_WORLD_BEGAN": str(time.time()), "TIDEOVER_DEBIT_FOLDER": str(home / "debits"),
            "TIDEOVER_BANK": f"http://127.0.0.1:{port}", "TIDEOVER_BANK_TIMEOUT": "1", "TIDEOVER_DEBIT_CHANNEL": channel,
            "TIDEOVER_DEBIT_BATCH": "4",
        }  # fmt: skip
        bank = [sys.executable, "-m", "tideover.sandbox.bank", "--trusting", *chances(fault)]
        given = {
            "port": port, "folder": home / "debits", "record": home / "ledger.jsonl", "seed": seed,
            "reveal-after": THREE_DAYS_S if fault == "unknown" else 2, "delay": 1.5, "down": 0.3,
            "offset": EVENING - float(env["DEBIT_WORLD_BEGAN"]),
        }  # fmt: skip
        bank += [f"--{name}={value}" for name, value in given.items()]
        how = "steps" if fault == "steps" else "killed"
        world = [sys.executable, "-m", "tests.lending.debits.fault_world", loans, kills, seed, home / "ledger.jsonl", how]
        with subprocess.Popen(bank, env=env, stderr=subprocess.DEVNULL) as peer:
            try:
                _wait(port)
                done = subprocess.run([str(x) for x in world], env=env, check=True, stdout=subprocess.PIPE, text=True)
            finally:
                peer.kill()
    said = json.loads(done.stdout.splitlines()[-1])
    return {"channel": channel, "fault": fault, "kills": kills, **said, "seconds": round(time.perf_counter() - started)}


def _port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/ledger", timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the bank did not start")


COLUMNS = ("channel", "fault", "loans", "kills", "debits", "taken", "lost", "doubled", "wrong", "open", "seconds")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a column that must be zero is not."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--loans", type=int, default=40)
    p.add_argument("--kills", type=int, default=15)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--channels", default="file,http")
    p.add_argument("--faults", default="")
    args = p.parse_args(argv)
    os.environ.setdefault("TIDEOVER_MIGRATED", tempfile.mkdtemp())
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    bad = 0
    for channel in args.channels.split(","):
        for fault in args.faults.split(",") if args.faults else FAULTS[channel]:
            said = row(channel, fault, loans=args.loans, kills=args.kills, seed=args.seed)
            bad += said["lost"] + said["doubled"] + said["wrong"] + said["open"]
            print(f"| {' | '.join(str(said[c]) for c in COLUMNS)} |", flush=True)
            for life in said["why"]:
                print("; ".join(life), file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
