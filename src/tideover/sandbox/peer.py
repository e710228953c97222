"""What all peers share: faults drawn by chance from a seed, a record of what reached people, and a port to change the faults.

    python -m tideover.sandbox.smsc --port 2775 --record handset.jsonl --fault drop_after=0.2 --fault delay=0.1 --control 2780

The control port speaks HTTP: GET /faults shows them, POST /faults with {"throttle": 0.5} sets all of them anew. A fault is a
probability for each message. Which message draws which fault depends on the seed and on their order.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FAULTS = {
    "delay": "answers after --delay seconds",
    "drop_before": "closes the connection without taking the message",
    "drop_after": "takes the message and closes the connection without an answer",
    "garbage": "takes the message and answers with noise",
    "reject": "refuses the message for good",
    "throttle": "refuses the message for now",
    "fail": "takes the message and reports later that it did not arrive",
    "lose": "takes the message, says so, and forgets it",
    "receipt_first": "reports before it answers",
    "receipt_twice": "reports twice",
    "receipt_never": "does not report",
    "restart": "loses every connection and listens again after --down seconds",
}


class Faults:
    """Probabilities by name; `draw` decides for one message. Safe for threads."""

    def __init__(self, chances: dict[str, float], seed: int) -> None:
        self._lock, self._random = threading.Lock(), random.Random(seed)
        self.chances = check(chances)

    def set(self, chances: dict[str, float]) -> None:
        """Replace all of them. Raises ValueError for a name that is none."""
        with self._lock:
            self.chances = check(chances)

    def draw(self) -> frozenset[str]:
        """The faults that one message meets."""
        with self._lock:
            return frozenset(name for name, chance in self.chances.items() if self._random.random() < chance)


def check(chances: dict[str, float]) -> dict[str, float]:
    """The same, or ValueError naming what is no fault."""
    for name, chance in chances.items():
        if name not in FAULTS or not 0 <= chance <= 1:
            raise ValueError(f"{name}={chance}: faults are {', '.join(FAULTS)}, each with a chance from 0 to 1")
    return dict(chances)


class Record:
    """Lines of JSON: what people received, written and flushed before the gateway says anything about it.

    reached: false where the gateway had it and will say that it did not arrive.
    """

    def __init__(self, path: str) -> None:
        self._lock, self._path = threading.Lock(), Path(path) if path else None
        self.count = 0

    def write(self, *, reached: bool = True, **line: Any) -> None:
        """Add one line."""
        with self._lock:
            self.count += 1
            text = json.dumps({"at": datetime.now(UTC).isoformat(), "reached": reached, **line}, ensure_ascii=False)
            if self._path is None:
                print(text, flush=True)
                return
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")


def arguments(about: str, port: int, argv: Sequence[str] | None, more: Any = None) -> argparse.Namespace:
    """The peer's command line; `args.faults` and `args.people` are ready to use, and the control port answers."""
    p = argparse.ArgumentParser(description=about, epilog="; ".join(f"{k}: {v}" for k, v in FAULTS.items()))
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=port)
    p.add_argument("--control", type=int, default=0, help="port on which faults can be changed")
    p.add_argument("--record", default="", help="file of what people received, lines of JSON (default: standard output)")
    p.add_argument("--fault", action="append", default=[], metavar="NAME=CHANCE")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--delay", type=float, default=1.0, metavar="SECONDS")
    p.add_argument("--down", type=float, default=0.5, metavar="SECONDS")
    p.add_argument("--receipt-after", type=float, default=0.05, metavar="SECONDS")
    p.add_argument("--parent", type=int, default=0, metavar="PID", help="end when this process is gone")
    if more:
        more(p)
    args = p.parse_args(argv)
    try:
        args.faults = Faults({k: float(v or 1) for k, _, v in (f.partition("=") for f in args.fault)}, args.seed)
    except ValueError as problem:
        p.error(str(problem))
    args.people = Record(args.record)
    if args.control:
        control(args)
    if args.parent:
        threading.Thread(target=_end_with, args=[args.parent], daemon=True).start()
    return args


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def control(args: argparse.Namespace) -> None:
    """Answer the control port in a thread."""

    class Control(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(200, {"faults": args.faults.chances, "received": args.people.count})

        def do_POST(self) -> None:
            try:
                args.faults.set(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.say(200, {"faults": args.faults.chances})
            except (ValueError, AttributeError) as problem:
                self.say(422, {"problem": str(problem)})

        def say(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer((args.host, args.control), Control)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def later(seconds: float, act: Any, *values: Any) -> None:
    """Call `act` in a thread after some seconds."""

    def run() -> None:
        time.sleep(seconds)
        act(*values)

    threading.Thread(target=run, daemon=True).start()
