"""The outbox against gateways that make mistakes while its workers are killed: a table, judged by what people received.

    python -m tests.contact.channels.fault_table --gateway smpp --messages 25 [--fault drop_after …] [--kills 10] [--json]

One gateway a run: a book with as many people as messages, and in processes of their own a site that takes webhooks, two workers
and the peer. On SQLite, or on the PostgreSQL that TIDEOVER_DATABASE names (scripts/with_postgres.py).

Columns: tries, as the outbox counted them; delivered, failed, sent (no report came in time) and unknown (nor an answer) as
messages ended; settled: were unknown for a while and ended as delivered or failed; reached and doubled: as the peer recorded it;
wrong: called delivered though nobody was reached, or failed though somebody was.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.contact.channels.peers import Peer, free_port
from tests.databases import ROOT, book_fresh

VAPID = "cyEmzWZ3NcGz6-aGgeBDqYuOlVpF7kSNhr3q7Z3sOhk"
EVERY = ("none", "delay", "drop_before", "drop_after", "garbage", "reject", "throttle", "fail")
REPORTS = ("receipt_first", "receipt_twice", "receipt_never")
MIX = dict.fromkeys((*EVERY[1:], *REPORTS), 0.08)


@dataclass(frozen=True)
class Gateway:
    """How one gateway is connected: peer, channel (and setting), address, what it calls back, which faults make sense."""

    peer: str
    channel: str
    address: str
    calls: str = ""
    faults: tuple[str, ...] = (*EVERY, *REPORTS, "restart", "mix")


SILENT = (*EVERY[:-1], "restart", "mix")
"""Faults of gateways that never report."""
AT = "127.0.0.1:{port}"
GATEWAYS = {
    "smpp": Gateway("smsc", "SMS", f"smpp://test:secret08@{AT}?source=1069&timeout=0.8"),
    "aliyun": Gateway("sms_gateway", "SMS", f"aliyun+http://test-key:test-secret@{AT}", "aliyun/reports"),
    "tencent": Gateway("sms_gateway", "SMS", f"tencent+http://test-key:test-secret@{AT}?app=14", "tencent/reports"),
    "smtp": Gateway("mail_server", "EMAIL", f"smtp://{AT}?from=a%40lender.example&tls=no&timeout=0.8&bounces={{box}}"),
    "wecom": Gateway("messengers", "WECOM", f"wecom+http://c:test-secret@{AT}?agent=1", faults=SILENT),
    "miniprogram": Gateway("messengers", "WECOM", f"miniprogram+http://c:test-secret@{AT}", faults=SILENT),
    "robot": Gateway("messengers", "AI_CALL", f"robot+http://c:test-secret@{AT}", "robot/calls"),
    "push": Gateway("push_service", "PUSH", f"vapid:{VAPID}?subject=mailto:a@b.cn&hosts={AT}", "push/shown"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one gateway's faults; prints rows of Markdown, or one JSON object."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--gateway", choices=GATEWAYS, required=True)
    p.add_argument("--messages", type=int, default=25)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--fault", action="append", help="only these (default: all that make sense)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--json", action="store_true")
    args = p.parse_args(argv)
    rows = []
    with Run(args) as run:
        for fault in args.fault or run.gateway.faults:
            rows.append(run.one(fault))
            if not args.json:
                print(markdown(rows[-1]) if len(rows) > 1 else f"{head(rows[-1])}\n{markdown(rows[-1])}", flush=True)
    if args.json:
        print(json.dumps({"rows": rows}))
    return 1 if any(r["doubled"] or r["wrong"] or r["open"] for r in rows) else 0


class Run:
    """One gateway with its book, peer, site and workers."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.gateway = args, GATEWAYS[args.gateway]

    def __enter__(self) -> Run:
        self.home = Path(tempfile.mkdtemp(prefix="tideover-faults-"))
        self.site_port = free_port()
        self._environment()
        import django

        django.setup()
        self.peer = Peer(self.gateway.peer, self.home, *self._peer_options(), "--delay", "1.5", "--seed", str(self.args.seed))
        self._connect()
        self.people = build(self.args.messages, self.gateway, self.peer.port)
        self.site = self._site() if self.gateway.calls else None
        command = [sys.executable, "-m", "tests.contact.channels.fault_worker", "2", str(self.args.seed)]
        self.workers = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.workers.stdin is not None
        self.workers.stdin.close()
        self.workers.wait()
        if self.site is not None:
            self.site.terminate()
            self.site.wait()
        self.peer.kill()
        shutil.rmtree(self.home)

    def _environment(self) -> None:
        """Set this process's own environment, which all others inherit."""
        os.environ.setdefault("TIDEOVER_MIGRATED", str(self.home))
        os.environ |= book_fresh(self.home)

    def _connect(self) -> None:
        """Put the peer's address into the settings, here and for the others."""
        from django.conf import settings

        address = self.gateway.address.format(port=self.peer.port, box=quote(str(self.home / "box")))
        os.environ[f"TIDEOVER_{self.gateway.channel}"] = settings.CHANNELS[self.gateway.channel] = address

    def _peer_options(self) -> list[str]:
        from tideover.contact.channels.hooks import hook_token

        if self.gateway.peer == "mail_server":
            return ["--bounces", str(self.home / "box")]
        name, _, what = self.gateway.calls.partition("/")
        path = self.gateway.calls if name == "push" else f"hooks/{name}/{hook_token(name)}/{what}"
        return ["--receipts", f"http://127.0.0.1:{self.site_port}/{path}"] if name else []

    def _site(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(self.site_port), "--workers", "1"]
        site = subprocess.Popen([*command, "--log-level", "error", "tideover.web.wsgi:application"], cwd=ROOT)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.site_port}/robots.txt", timeout=2).close()
                return site
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the site did not start")

    def one(self, fault: str) -> dict[str, Any]:
        """Send the messages through one fault; a row of the table."""
        chances = {"none": {}, "mix": MIX}.get(fault) or ({fault: 0.5} if fault != "none" else {})
        if fault == "restart":
            chances = {"restart": 0.1}
        self.peer.faults(chances)
        before = len(self.peer.lines())
        queue(self.people, self.gateway, fault)
        assert self.workers.stdin is not None and self.workers.stdout is not None
        began = time.monotonic()
        self.workers.stdin.write(f"{self.args.kills}\n")
        self.workers.stdin.flush()
        assert self.workers.stdout.readline() == "done\n"
        still_open = settle(fault, 300)
        row = {"gateway": self.args.gateway, "fault": fault, "messages": len(self.people), "kills": self.args.kills}
        return row | judged(fault, self.peer.lines()[before:], still_open) | {"seconds": round(time.monotonic() - began)}


def build(count: int, gateway: Gateway, port: int) -> list[Any]:
    """A book with `count` people that every channel reaches, and the template of the run."""
    from datetime import date

    from tests.factories import party
    from tideover.contact.models import MessageTemplate
    from tideover.core.business_time import now
    from tideover.core.models import Role, User
    from tideover.lending.models import Branch, LegalEntity

    start = date(2020, 1, 1)
    entity = LegalEntity.objects.create(code="BANK", name_zh="潮银行", name_en="Tide Bank", valid_from=start)
    branch = Branch.objects.create(
        entity=entity, code="HZ", name_zh="杭", name_en="Hangzhou", region="zhejiang", valid_from=start
    )
    words = {"subject": "新消息", "body": "{lender}提醒：您有一条新消息，编号 {n}，请登录查看。需要帮助请拨 {hotline}。"}
    texts = {language: dict.fromkeys(("app", "sms", "mail", "call"), words) for language in ("zh-hans", "en")}
    MessageTemplate.objects.create(
        code="fault", version=1, state="published", name_zh="试", name_en="try", purpose=3, texts=texts, discloses=False,
        variables={"n": {"type": "number", "example": "1"}}, gateway_codes=dict.fromkeys(GATEWAYS, "SMS_1"), hours=24,
        drafted_by="t", drafted_at=now(), published_by="t", published_at=now(), valid_from=start,
    )  # fmt: skip
    people = []
    for n in range(count):
        user = User.objects.create_user(username=f"b{n}", role=Role.BORROWER, email=f"b{n}@example.com")
        people.append(party(f"P-9{n:04}", f"人{n}", branch, f"1381111{n:04}", user))
        if gateway.channel == "PUSH":
            subscribe(user, port)
    return people


def subscribe(user: Any, port: int) -> None:
    """A browser of this person agrees."""
    import hashlib

    from tideover.contact.channels.models import PushSubscription
    from tideover.core.business_time import now

    request = urllib.request.Request(f"http://127.0.0.1:{port}/browsers", b"", method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        keys = json.loads(answer.read())
    hashed = hashlib.sha256(keys["endpoint"].encode()).digest()
    PushSubscription.objects.create(user=user, endpoint_hash=hashed, created_at=now(), **keys)


def queue(people: list[Any], gateway: Gateway, fault: str) -> None:
    """One message to each, as a service would queue it. Addresses that a fault before was taken for a bad one count again."""
    from tideover.contact.models import AddressFault
    from tideover.contact.outbox import message_queue
    from tideover.contact.rules.model import Channel, Purpose
    from tideover.core.business_time import now

    AddressFault.objects.update(cleared_at=now(), cleared_by="t")
    for n, person in enumerate(people):
        to = f"openid{n}" if gateway.channel == "WECOM" else ""
        number = f"{sorted({*EVERY, *REPORTS, 'restart', 'mix'}).index(fault):02}{n:04}"
        message_queue(
            party=person, channel=Channel[gateway.channel], purpose=Purpose.REPLY, template="fault", values={"n": number},
            at=now(), key=f"{fault}:{n}", actor="t", with_inbox=False, number=to,
        )  # fmt: skip


def of_run(fault: str) -> Any:
    """The messages of a fault."""
    from tideover.contact.models import Message

    return Message.objects.filter(key__startswith=f"{fault}:")


def settle(fault: str, seconds: float) -> int:
    """Wait until every message has ended; how many have not."""
    deadline = time.monotonic() + seconds
    while (left := of_run(fault).filter(final_at=None).count()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return int(left)


def judged(fault: str, received: list[dict[str, Any]], still_open: int) -> dict[str, Any]:
    """How the messages ended, held against what people received."""
    from tideover.contact.models import MessageEvent

    messages = list(of_run(fault).prefetch_related("events"))
    states = Counter(m.state for m in messages)
    tries = sum(m.tries for m in messages)
    taken, reached = Counter(number_in(x["text"]) for x in received), {number_in(x["text"]) for x in received if x["reached"]}
    known = set(MessageEvent.objects.filter(message__in=messages, state="unknown").values_list("message", flat=True))
    ends = {m.pk: (m.state, number_in(m.body)) for m in messages}
    wrong = [n for state, n in ends.values() if (state == "delivered") != (n in reached) and state in ("delivered", "failed")]
    return {
        "tries": tries,
        "delivered": states["delivered"],
        "failed": states["failed"],
        "sent": states["sent"],
        "unknown": states["unknown"],
        "other": len(messages) - sum(states[s] for s in ("delivered", "failed", "sent", "unknown")),
        "settled": sum(1 for pk in known if ends[pk][0] in ("delivered", "failed")),
        "reached": len(reached),
        "doubled": sum(1 for n in taken.values() if n > 1),
        "wrong": len(wrong),
        "open": still_open,
    }


def number_in(text: str) -> str:
    """The number by which a message is told from all others, wherever its text went."""
    return "".join(c for c in text.replace("SMS_1", "") if c.isdigit())[:6]


COLUMNS = (
    "gateway", "fault", "messages", "kills", "tries", "delivered", "failed", "sent", "unknown", "settled", "reached", "doubled",
    "wrong", "open", "seconds",
)  # fmt: skip


def head(row: dict[str, Any]) -> str:
    """The table's head."""
    return f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def markdown(row: dict[str, Any]) -> str:
    """One line of it."""
    return f"| {' | '.join(str(row[c]) for c in COLUMNS)} |"


if __name__ == "__main__":
    raise SystemExit(main())
