"""A bank that reports money as it comes: it signs each line and calls a webhook.

    python -m tideover.sandbox.bank_notify --hook http://127.0.0.1:8000/hooks/bank --key K… --secret … --fault receipt_twice=0.3
    POST /money  {"id", "account", "booked_on", "amount", "direction", …}   money moved: the bank reports it
    POST /flush  the bank sends what it held back, the last first; answers how many lines are still owed

Faults: receipt_twice (the line in two calls), delay (late: held back until /flush, then out of order), garbage (a call whose body
was changed, then the true one), drop_after (the call again as it was, with its nonce: a replay), receipt_first (a call of an hour
ago, then the true one). A line is owed until the webhook has answered 200.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tideover.sandbox.http_peer import Reply, Request, serve
from tideover.sandbox.peer import arguments

TRIES, WAIT_S = 20, 0.2


@dataclass
class Bank:
    """What was held back, and what the webhook answered."""

    args: argparse.Namespace
    held: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, r: Request) -> Reply:
        """Take money, or send what was held back."""
        if r.path == "/flush":
            with self.lock:
                lines, self.held = self.held[::-1], []
            return Reply({"owed": sum(not self.report(line) for line in lines)})
        if r.path != "/money":
            return Reply({}, 404)
        line = r.json()
        drawn = self.args.faults.draw()
        self.args.people.write(peer="bank", to=line["account"], id=line["id"], drawn=sorted(drawn))
        if "delay" in drawn:
            with self.lock:
                self.held.append(line)
            return Reply({"held": True}, 202)
        return Reply({"reported": self.play(line, drawn)}, 201)

    def play(self, line: dict[str, Any], drawn: frozenset[str]) -> bool:
        """Report a line with the faults that it drew."""
        body = json.dumps({"lines": [line]}, ensure_ascii=False).encode()
        if "receipt_first" in drawn:
            self.post(body, self.headers(body, int(time.time()) - 3600))
        if "garbage" in drawn:
            changed = json.dumps({"lines": [{**line, "amount": "999999.99"}]}).encode()
            self.post(changed, self.headers(body, int(time.time())))
        done = self.report(line, again="drop_after" in drawn)
        return self.report(line) if "receipt_twice" in drawn else done

    def report(self, line: dict[str, Any], *, again: bool = False) -> bool:
        """Call until the webhook takes it; each try has a nonce of its own. `again`: the same call twice."""
        body = json.dumps({"lines": [line]}, ensure_ascii=False).encode()
        for _ in range(TRIES):
            headers = self.headers(body, int(time.time()))
            status = self.post(body, headers)
            if status == 200:
                if again:
                    self.post(body, headers)
                return True
            if 400 <= status < 500:
                return False
            time.sleep(WAIT_S)
        return False

    def headers(self, body: bytes, at: int) -> dict[str, str]:
        """The signature, as docs/bank-files.md says it."""
        nonce = secrets.token_urlsafe(18)
        text = "\n".join(("v1", str(at), nonce, hashlib.sha256(body).hexdigest()))
        signed = hmac.new(self.args.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        said = {"Key": self.args.key, "Time": str(at), "Nonce": nonce, "Signature": signed}
        return {f"X-Tideover-{k}": v for k, v in said.items()}

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """One call; its status, 0 when nobody answers."""
        request = urllib.request.Request(self.args.hook, body, {"Content-Type": "application/json", **headers}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as said:
                status = int(said.status)
        except urllib.error.HTTPError as said:
            status = said.code
        except OSError:
            status = 0
        self.args.people.write(peer="bank", to="hook", status=status)
        return status


def more(p: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    p.add_argument("--hook", required=True, help="address of the webhook")
    p.add_argument("--key", required=True)
    p.add_argument("--secret", required=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.bank_notify."""
    args = arguments(__doc__ or "", 8106, argv, more)
    serve(args, "bank_notify", Bank(args).answer)


if __name__ == "__main__":
    main()
