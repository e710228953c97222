"""A small HTTP server for peers: one function answers requests; faults of the connection are played here."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tideover.sandbox.peer import later

NOT_TAKEN = frozenset({"drop_before", "restart"})
NOISE = b"\x00\x01<html>502 Bad Gateway</html>"
CALL_TRIES, CALL_WAIT_S = 5, 0.2


@dataclass(frozen=True)
class Request:
    """A request as it came in; names of headers in small letters; `raw_query` as it was written."""

    method: str
    path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What goes back, unless a drawn fault spoils it."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drawn: frozenset[str] = frozenset()


def serve(args: argparse.Namespace, name: str, answer: Callable[[Request], Reply]) -> None:
    """Serve until killed; after a `restart` listen again."""
    while True:
        server = _server(args, answer)
        print(f"{name} listens on {args.host}:{args.port}", file=sys.stderr, flush=True)
        server.serve_forever(poll_interval=0.02)
        server.server_close()
        time.sleep(args.down)


def _server(args: argparse.Namespace, answer: Callable[[Request], Reply]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            self.send(answer(Request(self.command, parts.path, parts.query, headers, body)))

        do_GET = do_POST = do_DELETE = handle_any

        def send(self, reply: Reply) -> None:
            self.close_connection = True
            if "restart" in reply.drawn:
                threading.Thread(target=self.server.shutdown).start()
            if reply.drawn & {"drop_before", "drop_after", "restart"}:
                return
            if "delay" in reply.drawn:
                time.sleep(args.delay)
            if "garbage" in reply.drawn:
                self.wfile.write(NOISE)
                return
            data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body, ensure_ascii=False).encode()
            try:
                self.send_response(reply.status)
                for key, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            return

    ThreadingHTTPServer.allow_reuse_address = True
    return ThreadingHTTPServer((args.host, args.port), Handler)


def call(url: str, body: Any, headers: Mapping[str, str] | None = None) -> None:
    """Call somebody back, a few times until they answer 2xx: as gateways do with their webhooks."""
    data = json.dumps(body, ensure_ascii=False).encode()
    for _ in range(CALL_TRIES):
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(CALL_WAIT_S)


def report_later(args: argparse.Namespace, drawn: frozenset[str], make: Callable[[bool], tuple[str, Any]]) -> None:
    """Report on one message as the drawn faults have it; `make(good)` gives address and body."""
    url, body = make("fail" not in drawn)
    if not url or "receipt_never" in drawn:
        return
    for _ in range(2 if "receipt_twice" in drawn else 1):
        if "receipt_first" in drawn:
            call(url, body)
        else:
            later(args.receipt_after, call, url, body)
