"""A gateway in a process of its own: `python -m tests.contact.sink FOLDER MODE SEED`. It writes messages down before it answers.

Modes: calm; faulty (drops before or after it wrote the message down, answers late, says «later», refuses); keyed (as faulty, but
it knows keys and takes each once). Prints its port. Receipts lie ready at /reports, in any order, some twice.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER, MODE, SEED = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
LOCK = threading.Lock()
RNG = random.Random(SEED)
TAKEN: dict[str, str] = {}
WAITING: list[dict[str, Any]] = []


def write_down(key: str) -> str:
    """Take a message: on disk first, then it counts as delivered to the person."""
    with LOCK:
        if MODE == "keyed" and key in TAKEN:
            return TAKEN[key]
        number = f"g{len(TAKEN)}-{key}"
        with (FOLDER / "received.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "id": number}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        TAKEN[key] = number
        receipt = {"id": number, "key": key, "state": "delivered", "at": time.time()}
        WAITING.extend([receipt] * (2 if RNG.random() < 0.2 else 1))
        RNG.shuffle(WAITING)
    return number


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def say(self, body: Any, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        key = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["key"]
        with LOCK:
            luck = 1.0 if MODE == "calm" else RNG.random()
        if luck < 0.06:
            self.close_connection = True  # nothing was taken, nothing is said
            return
        if luck < 0.12:
            self.say({"state": "retry", "reason": "throttled"})
            return
        if luck < 0.15:
            self.say({"state": "refused", "reason": "content"})
            return
        number = write_down(key)
        if luck < 0.24:
            self.close_connection = True  # taken, but nothing is said
            return
        if luck < 0.32:
            time.sleep(0.05)  # the receipt is faster than the answer
        self.say({"state": "accepted", "id": number})

    def do_GET(self) -> None:
        what, _, key = self.path.strip("/").partition("/")
        with LOCK:
            if what == "reports":
                found, WAITING[:] = list(WAITING), []
                self.say(found)
            else:
                self.say({"state": "delivered" if key in TAKEN else "not_found", "id": TAKEN.get(key, "")})


server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
print(server.server_address[1], flush=True)
server.serve_forever()
