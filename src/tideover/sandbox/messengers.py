"""WeCom, the mini program's message call, and the calling robot on one port.

/cgi-bin/gettoken, /cgi-bin/stable_token     tokens; --token-seconds until they run out
/cgi-bin/message/send                        WeCom: the same request is delivered once where enable_duplicate_check asks for it
/cgi-bin/message/subscribe/send              the mini program: one message for each consent; no check of repeats
/cgi-bin/externalcontact/add_msg_template    WeCom to customers: passed on at once by their contact in the house
/cgi-bin/externalcontact/get_groupmsg_send_result   what became of it
/sns/jscode2session                          the mini program: whose login code it is
/people/join, /people/leave, /people/answer  a person acts: the push that follows, signed and encrypted, goes to --wecom-events or
                                             --mini-events, and back to who asked, as {"query", "body"}
/tasks, /tasks/KEY                           the robot: checks signatures, keeps keys for good, calls --receipts back
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tideover.sandbox.http_peer import NOT_TAKEN, Reply, Request, call, serve
from tideover.sandbox.peer import arguments, later


@dataclass
class Messengers:
    """Tokens, what was taken, and the robot's tasks by key. One request at a time, so that a repeat never overtakes the first."""

    args: argparse.Namespace
    tokens: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    mass: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, r: Request) -> Reply:
        """Answer any of them."""
        with self.lock:
            return self._answer(r)

    def _answer(self, r: Request) -> Reply:
        if r.path in ("/cgi-bin/gettoken", "/cgi-bin/stable_token"):
            return self.token(r)
        if r.path in ("/cgi-bin/message/send", "/cgi-bin/message/subscribe/send"):
            return self.message(r)
        if r.path == "/cgi-bin/externalcontact/add_msg_template":
            return self.to_customer(r)
        if r.path == "/cgi-bin/externalcontact/get_groupmsg_send_result":
            sent = self.mass.get(r.json()["msgid"], [])
            return Reply({"errcode": 0, "send_list": [{"external_userid": w, "status": 1, "send_time": t} for w, t in sent]})
        if r.path == "/sns/jscode2session":
            return self.login(r)
        if r.path.startswith("/people/"):
            return self.person(r)
        if r.path == "/tasks" or r.path.startswith("/tasks/"):
            return self.robot(r)
        return Reply({"errcode": 404}, 404)

    def token(self, r: Request) -> Reply:
        """Give out a token for the one secret that is right."""
        secret = r.query.get("corpsecret") or (r.json().get("secret") if r.body else "")
        if secret != self.args.secret:
            return Reply({"errcode": 40125, "errmsg": "invalid appsecret"})
        name = f"token-{next(self.numbers)}"
        self.tokens[name] = time.monotonic() + self.args.token_seconds
        return Reply({"errcode": 0, "access_token": name, "expires_in": 7200})

    def message(self, r: Request) -> Reply:
        """Take a WeCom or a mini program message."""
        if self.tokens.get(r.query.get("access_token", ""), 0) < time.monotonic():
            return Reply({"errcode": 42001, "errmsg": "access_token expired"})
        drawn, body = self.args.faults.draw(), r.json()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        wecom = not r.path.endswith("subscribe/send")
        print_of = hashlib.sha256(r.body).hexdigest()
        if body.get("enable_duplicate_check") and self.seen.get(print_of, 0) > time.monotonic():
            return Reply({"errcode": 0, "errmsg": "ok", "msgid": print_of[:16]}, drawn=drawn)
        if "throttle" in drawn:
            return Reply({"errcode": 45009, "errmsg": "api freq out of limit"})
        if "reject" in drawn:
            return Reply({"errcode": 0, "invaliduser": body["touser"]} if wecom else {"errcode": 43101, "errmsg": "refused"})
        text = body["text"]["content"] if wecom else json.dumps(body["data"], ensure_ascii=False)
        self.seen[print_of] = time.monotonic() + body.get("duplicate_check_interval", 1800)
        self.args.people.write(peer="wecom" if wecom else "miniprogram", to=body["touser"], text=text)
        return Reply({"errcode": 0, "errmsg": "ok", "msgid": print_of[:16]}, drawn=drawn)

    def to_customer(self, r: Request) -> Reply:
        """Take a message to customers; those who left are on the fail list."""
        if self.tokens.get(r.query.get("access_token", ""), 0) < time.monotonic():
            return Reply({"errcode": 42001, "errmsg": "access_token expired"})
        drawn, body = self.args.faults.draw(), r.json()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        if "throttle" in drawn:
            return Reply({"errcode": 45009, "errmsg": "api freq out of limit"})
        failed = [w for w in body["external_userid"] if "reject" in drawn or w in self.left]
        number = f"msg{next(self.numbers)}"
        self.mass[number] = [(w, int(time.time())) for w in body["external_userid"] if w not in failed]
        for who, _ in self.mass[number]:
            self.args.people.write(peer="wecom-customer", to=who, text=body["text"]["content"])
        return Reply({"errcode": 0, "errmsg": "ok", "fail_list": failed, "msgid": number}, drawn=drawn)

    # People who join, leave, and say yes to messages

    def login(self, r: Request) -> Reply:
        """Whose login code it is; a code counts once."""
        code = r.query.get("js_code", "")
        if r.query.get("secret") != self.args.secret:
            return Reply({"errcode": 40125, "errmsg": "invalid appsecret"})
        if not code.startswith("code-") or code in self.used:
            return Reply({"errcode": 40029, "errmsg": "invalid code"})
        self.used.add(code)
        return Reply({"openid": "o" + hashlib.sha1(code.encode()).hexdigest()[:27], "session_key": "k"})

    def person(self, r: Request) -> Reply:
        """Somebody follows the link to join (code), leaves, or answers the question for messages."""
        said, act, at = r.json(), r.path.removeprefix("/people/"), str(int(time.time()))
        if act == "answer":
            entry = {"TemplateId": said["template"], "SubscribeStatusString": said["answer"], "PopupScene": "0"}
            event = {"FromUserName": said["who"], "CreateTime": at, "MsgType": "event", "Event": "subscribe_msg_popup_event"}
            return self.push(json.dumps(event | {"List": [entry]}), self.args.app, self.args.mini_events)
        kind = "add_external_contact" if act == "join" else "del_follow_user"
        (self.left.discard if act == "join" else self.left.add)(said["who"])
        fields = {"Event": "change_external_contact", "ChangeType": kind, "ExternalUserID": said["who"], "CreateTime": at}
        fields["State"] = said.get("code", "")
        marked = "".join(f"<{k}><![CDATA[{v}]]></{k}>" for k, v in fields.items())
        return self.push(f"<xml>{marked}</xml>", self.args.corp, self.args.wecom_events)

    def push(self, text: str, receiver: str, url: str) -> Reply:
        """Sign and encrypt a push, send it, and show it."""
        key = base64.b64decode(self.args.aes_key + "=")
        plain = os.urandom(16) + len(text.encode()).to_bytes(4, "big") + text.encode() + receiver.encode()
        pad = 32 - len(plain) % 32
        cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        sealed = base64.b64encode(cipher.update(plain + bytes([pad]) * pad) + cipher.finalize()).decode()
        stamp, nonce = str(int(time.time())), str(next(self.numbers))
        signed = hashlib.sha1("".join(sorted([self.args.push_token, stamp, nonce, sealed])).encode()).hexdigest()
        query = urlencode({"msg_signature": signed, "timestamp": stamp, "nonce": nonce})
        if text.startswith("<"):
            body = f"<xml><ToUserName><![CDATA[{receiver}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        else:
            body = json.dumps({"ToUserName": receiver, "Encrypt": sealed})
        if url:
            later(0, post, f"{url}?{query}", body)
        return Reply({"query": query, "body": body})

    # The robot

    def robot(self, r: Request) -> Reply:
        """Take a task, or say what became of one."""
        if not self.signed(r):
            return Reply({"problem": "signature"}, 401)
        if r.method == "GET":
            task = self.tasks.get(unquote(r.path.removeprefix("/tasks/")))
            return Reply(task) if task else Reply({"problem": "no such task"}, 404)
        drawn, asked = self.args.faults.draw(), r.json()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        if task := self.tasks.get(asked["key"]):
            return Reply({"task_id": task["task_id"], "state": task["state"]}, drawn=drawn)
        if "throttle" in drawn:
            return Reply({"problem": "too many"}, 429, {"Retry-After": "7"})
        if "reject" in drawn:
            return Reply({"problem": "no such script"}, 422)
        task = self.tasks[asked["key"]] = {"key": asked["key"], "task_id": f"t{next(self.numbers)}", "state": "queued"}
        words = f"{asked['script']} {asked['text']}"
        self.args.people.write(peer="robot", to=asked["to"], text=words, key=asked["key"], reached="fail" not in drawn)
        later(0 if "receipt_first" in drawn else self.args.receipt_after, self.end, task, drawn)
        return Reply({"task_id": task["task_id"], "state": task["state"]}, 201, drawn=drawn)

    def signed(self, r: Request) -> bool:
        """Whether the request carries our client's signature."""
        parts = dict(p.split("=", 1) for p in r.headers.get("x-tideover-signature", "t=0,v1=").split(","))
        wanted = hmac.new(self.args.secret.encode(), parts["t"].encode() + b"." + r.body, "sha256").hexdigest()
        return abs(time.time() - int(parts["t"])) < 300 and hmac.compare_digest(parts["v1"], wanted)

    def end(self, task: dict[str, Any], drawn: frozenset[str]) -> None:
        """The call is over: keep how it went, and report it."""
        good = "fail" not in drawn
        ended = {
            "outcome": "talked" if good else "unanswered",
            "seconds": 42 if good else 0,
            "intent": "will_pay" if good else "",
        }
        task |= {"state": "ended", **ended, "ended_at": datetime.now(UTC).isoformat()}
        if not self.args.receipts or "receipt_never" in drawn:
            return
        for _ in range(2 if "receipt_twice" in drawn else 1):
            body = json.dumps(task, ensure_ascii=False).encode()
            second = str(int(time.time()))
            digest = hmac.new(self.args.secret.encode(), second.encode() + b"." + body, "sha256").hexdigest()
            call(self.args.receipts, task, {"X-Tideover-Signature": f"t={second},v1={digest}"})


def post(url: str, body: str) -> None:
    """Push once; the gateway's three tries are not played."""
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "text/xml"}, method="POST")
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=5):
        pass


def more(parser: argparse.ArgumentParser) -> None:
    """Arguments of this peer alone."""
    parser.add_argument("--secret", default="test-secret")
    parser.add_argument("--token-seconds", type=float, default=7200)
    parser.add_argument("--receipts", default="", help="address for the robot's reports")
    parser.add_argument("--wecom-events", default="", help="address for WeCom's pushes")
    parser.add_argument("--mini-events", default="", help="address for the mini program's pushes")
    parser.add_argument("--push-token", default="test-token", help="token that signs pushes")
    parser.add_argument("--aes-key", default="A" * 43, help="key of 43 characters that encrypts them")
    parser.add_argument("--corp", default="corp")
    parser.add_argument("--app", default="corp")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.messengers."""
    args = arguments(__doc__ or "", 8102, argv, more)
    serve(args, "messengers", Messengers(args).answer)


if __name__ == "__main__":
    main()
