"""A mail server (aiosmtpd) that asks for delivery reports and writes them, as text, into a Maildir or to an address.

Of each mail it records recipient, subject, text and Message-ID. A report comes back for each mail that asked for one (RFC 3461,
RFC 3464), and for each that failed. `drop_before` hangs up at RCPT, `drop_after` after the mail was taken.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import mailbox
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, syntax

from tideover.sandbox.peer import arguments, later

FOREIGN = ("ENVID=", "RET=", "NOTIFY=", "ORCPT=")
NOISE = b"\x00\x01 502 Bad Gateway\r\n"


class Server(SMTP):
    """aiosmtpd with the DSN parameters, which it refuses by itself: they are kept aside."""

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        await super().smtp_MAIL(self.aside(arg))

    @syntax("RCPT TO: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_RCPT(self, arg: str | None) -> None:
        await super().smtp_RCPT(self.aside(arg))

    def aside(self, arg: str | None) -> str | None:
        """The argument without what belongs to DSN."""
        words = (arg or "").split(" ")
        for word in words:
            if word.upper().startswith(FOREIGN):
                name, _, value = word.partition("=")
                setattr(self.session, f"dsn_{name.lower()}", value)
        return " ".join(w for w in words if not w.upper().startswith(FOREIGN)) if arg else arg


@dataclass
class Handler:
    """Takes mail. `restart` is set when a drawn fault asks for it."""

    args: argparse.Namespace
    restart: threading.Event

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-DSN", responses[-1]]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.drawn = drawn = self.args.faults.draw()
        if "restart" in drawn:
            self.restart.set()
        if drawn & {"drop_before", "restart"}:
            server.transport.abort()
            return "421 gone"
        if "reject" in drawn:
            return "550 5.1.1 No such user"
        if "throttle" in drawn:
            return "451 4.7.1 Come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        drawn, mail = envelope.drawn, email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        body, to = mail.get_body(("plain",)), envelope.rcpt_tos[0]
        good = "fail" not in drawn
        text = f"{mail['Subject']} {body.get_content().strip() if body else ''}"
        self.args.people.write(peer="mail", to=to, text=text, id=mail["Message-ID"], reached=good)
        wanted = "SUCCESS" in getattr(session, "dsn_notify", "") if good else True
        if wanted and "receipt_never" not in drawn:
            report = delivery_report(getattr(session, "dsn_envid", ""), str(mail["Message-ID"]), to, good)
            for _ in range(2 if "receipt_twice" in drawn else 1):
                later(0 if "receipt_first" in drawn else self.args.receipt_after, self.give, report)
        if "drop_after" in drawn:
            server.transport.abort()
        if "garbage" in drawn:
            server.transport.write(NOISE)
            server.transport.close()
        if "delay" in drawn:
            time.sleep(self.args.delay)
        return "250 2.0.0 taken"

    def give(self, report: bytes) -> None:
        """Put a report into the Maildir, or call the address."""
        if self.args.bounces:
            mailbox.Maildir(self.args.bounces).add(report)
        elif self.args.receipts:
            request = urllib.request.Request(self.args.receipts, report, {"Content-Type": "message/rfc822"}, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                return


def delivery_report(envelope_id: str, message_id: str, to: str, good: bool) -> bytes:
    """A report as RFC 3464 has it; without an envelope id it returns the mail's headers to be known by."""
    action, status = ("delivered", "2.0.0") if good else ("failed", "5.1.1")
    known = f"Original-Envelope-Id: {envelope_id}\n" if envelope_id else ""
    return f"""From: MAILER-DAEMON@mail.example
To: bounces@lender.example
Subject: Delivery report
Date: {formatdate()}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="cut"

--cut
Content-Type: text/plain

Your mail was {action}.

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
{known}
Final-Recipient: rfc822; {to}
Action: {action}
Status: {status}

--cut
Content-Type: text/rfc822-headers

Message-ID: {message_id}
To: {to}

--cut--
""".encode()


def more(parser: argparse.ArgumentParser) -> None:
    """Arguments of this peer alone."""
    parser.add_argument("--bounces", default="", help="a Maildir for reports (made when it is not there)")
    parser.add_argument("--receipts", default="", help="address for reports, each as message/rfc822")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.mail_server."""
    args = arguments(__doc__ or "", 8125, argv, more)
    if args.bounces:
        Path(args.bounces).parent.mkdir(parents=True, exist_ok=True)
        mailbox.Maildir(args.bounces)
    restart = threading.Event()
    while True:
        handler = Handler(args, restart)
        controller = Controller(handler, hostname=args.host, port=args.port)
        controller.factory = lambda handler=handler: Server(handler, enable_SMTPUTF8=True)  # type: ignore[method-assign, misc]
        controller.start()
        print(f"mail_server listens on {args.host}:{args.port}", file=sys.stderr, flush=True)
        restart.wait()
        restart.clear()
        controller.stop()
        time.sleep(args.down)


if __name__ == "__main__":
    main()
