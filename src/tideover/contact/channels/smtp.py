"""Mail: smtp://user:password@host:587?from=Lender <no-reply@lender.example>, or smtps:// with TLS from the first byte.

Options: from, tls (starttls, which smtp:// takes when left out, or no), bounces (a Maildir into which the mail server puts what
comes back; else the webhook), timeout. Before DATA nothing was sent, whatever happens; after its last byte without an answer
nobody knows.
"""

from __future__ import annotations

import base64
import contextlib
import smtplib
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import BadHeaderError, EmailMessage
from django.core.validators import validate_email

from tideover.contact.channels import mail_parse
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import Inbound, Outgoing, Quiet, Report, SendResult, SendState
from tideover.core.crypto import encrypt

ACCOUNT_S = 600


class Smtp(Quiet):
    """The adapter. One connection, kept; a server that hung up in between is called again."""

    name = "smtp"

    def __init__(self, address: GatewayAddress) -> None:
        self.address, self.sender = address, address.option("from")
        self.host = parseaddr(self.sender)[1].partition("@")[2]
        if not self.host:
            raise ValueError(f"{address.setting}: from holds no mail address")
        folder = address.option("bounces", "")
        self.box = Path(folder) if folder else None
        if self.box and not ((self.box / "new").is_dir() and (self.box / "cur").is_dir()):
            raise ValueError(f"{address.setting}: bounces={folder} is no Maildir (it needs the folders new and cur)")
        self.server: smtplib.SMTP | None = None

    def send(self, m: Outgoing) -> SendResult:
        try:
            validate_email(m.to)
            mail = self._mail(m)
        except ValidationError:
            return SendResult(SendState.REFUSED, reason="address_invalid")
        except BadHeaderError:
            return SendResult(SendState.REFUSED, reason="header_invalid")
        for attempt in (1, 2):
            kept = self.server is not None
            if refused := self._connect():
                return refused
            try:
                refused = self._envelope(m)
            except smtplib.SMTPServerDisconnected:
                self.close()
                if kept and attempt == 1:
                    continue
                return SendResult(SendState.RETRY, reason="lost:before_data")
            return refused or self._data(mail)
        raise AssertionError("unreachable")

    def _connect(self) -> SendResult | None:
        """Have a connection; else the answer for the message: certainly not sent."""
        if self.server is not None:
            return None
        a, timeout = self.address, float(self.address.option("timeout", "20"))
        try:
            if a.kind == "smtps":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    a.host, a.port or 465, timeout=timeout, context=ssl.create_default_context()
                )
            else:
                server = smtplib.SMTP(a.host, a.port or 587, timeout=timeout)
                if a.option("tls", "starttls") != "no":
                    server.starttls(context=ssl.create_default_context())
            server.ehlo_or_helo_if_needed()
            if a.user:
                server.login(a.user, a.secret)
        except smtplib.SMTPResponseException as problem:
            return SendResult(SendState.RETRY, reason=f"smtp:{problem.smtp_code}", retry_after_s=ACCOUNT_S)
        except (OSError, smtplib.SMTPException) as problem:
            return SendResult(SendState.RETRY, reason=f"lost:{type(problem).__name__}")
        self.server = server
        return None

    def _envelope(self, m: Outgoing) -> SendResult | None:
        """MAIL FROM and RCPT TO, with a request for delivery reports where the server takes one; None: go on."""
        assert self.server is not None
        dsn = self.server.has_extn("dsn")
        mail = [f"ENVID={mail_parse.envelope_id(m.key)}", "RET=HDRS"] if dsn else []
        recipient = ["NOTIFY=SUCCESS,FAILURE,DELAY"] if dsn else []
        for code, words in (
            self.server.mail(parseaddr(self.sender)[1], mail),
            self.server.rcpt(m.to, recipient),
        ):
            if code == -1:
                raise smtplib.SMTPServerDisconnected("noise")
            if not 200 <= code < 300:
                with contextlib.suppress(smtplib.SMTPServerDisconnected):
                    self.server.rset()
                return _refused(code, words)
        return None

    def _data(self, mail: bytes) -> SendResult:
        assert self.server is not None
        try:
            code, words = self.server.data(mail)
        except smtplib.SMTPDataError as problem:  # refused before the first byte of the mail
            if problem.smtp_code == -1:
                self.close()
                return SendResult(SendState.RETRY, reason="lost:noise")
            return _refused(problem.smtp_code, problem.smtp_error)
        except (OSError, smtplib.SMTPException) as problem:
            self.close()
            return SendResult(SendState.UNKNOWN, reason=f"lost:{type(problem).__name__}")
        if 200 <= code < 300:
            return SendResult(SendState.ACCEPTED)
        if code >= 400:
            return _refused(code, words)
        self.close()
        return SendResult(SendState.UNKNOWN, reason="lost:noise")

    def _mail(self, m: Outgoing) -> bytes:
        """The mail as bytes. Its Message-ID is the message's key, so that receivers and reports can tell repeats."""
        headers = {
            "Message-ID": mail_parse.message_id(m.key, self.host),
            "Auto-Submitted": "auto-generated",
            "Content-Language": "zh-Hans" if m.language != "en" else "en",
            **self._unsubscribe(m.to),
        }
        return EmailMessage(m.subject, m.body, self.sender, [m.to], headers=headers).message().as_bytes()

    def _unsubscribe(self, to: str) -> dict[str, str]:
        """One click ends mail (RFC 8058). The address in the link is encrypted."""
        ways = [f"<mailto:{parseaddr(self.sender)[1]}?subject=STOP>"]
        if not settings.SITE_URL:
            return {"List-Unsubscribe": ways[0]}
        token = base64.urlsafe_b64encode(encrypt(to)).decode().rstrip("=")
        ways.insert(0, f"<{settings.SITE_URL}/unsubscribe/{token}>")
        return {"List-Unsubscribe": ", ".join(ways), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}

    def reports(self) -> Iterable[Report]:
        for path, (reports, people) in self._returned():
            yield from reports
            if not people:
                _seen(path)

    def inbound(self) -> Iterable[Inbound]:
        for path, (reports, people) in self._returned():
            yield from people
            if not reports:
                _seen(path)

    def _returned(self) -> Iterable[tuple[Path, tuple[list[Report], list[Inbound]]]]:
        """The new mails in the Maildir, and what each says. Another worker may take one away at any moment."""
        for path in sorted((self.box / "new").iterdir()) if self.box else []:
            try:
                raw = path.read_bytes()
            except FileNotFoundError:
                continue
            yield path, mail_parse.read(raw, datetime.now(UTC))

    def close(self) -> None:
        if self.server is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self.server.quit()
            self.server = None


def _refused(code: int, words: bytes | str) -> SendResult:
    """4xx: later; 5xx: never. The enhanced status code (5.1.1) is kept, the words are not: they can name people."""
    text = words.decode("ascii", "replace") if isinstance(words, bytes) else words
    first = text.split(" ")[0]
    enhanced = first if first.count(".") == 2 and first[0] in "245" else ""
    state = SendState.RETRY if 400 <= code < 500 else SendState.REFUSED
    return SendResult(state, reason=f"smtp:{code} {enhanced}".strip(), retry_after_s=300 if code == 421 else None)


def _seen(path: Path) -> None:
    """Mark a mail whose every record was taken: it moves from new to cur, as seen."""
    with contextlib.suppress(FileNotFoundError):
        path.rename(path.parent.parent / "cur" / f"{path.name}:2,S")
