"""Mail that comes back: delivery reports (RFC 3464), complaints (RFC 5965), answers of people. Pure: bytes in, records out.

A report is matched by its envelope id (ours: the message's key) or by the Message-ID of the mail that it returns.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.utils import parseaddr, parsedate_to_datetime

from tideover.contact.channels.base import DeliveryState, Inbound, Report
from tideover.contact.rules.model import Channel

ACTIONS = {
    "failed": DeliveryState.FAILED,
    "delivered": DeliveryState.DELIVERED,
    "relayed": DeliveryState.PENDING,
    "expanded": DeliveryState.PENDING,
    "delayed": DeliveryState.PENDING,
}
KEY_IN_ID = re.compile(r"<\s*([^@>\s]+)@")
QUOTE = re.compile(r"^(>|-----|On .+ wrote:$|在.+写道[:\uff1a]$|_{5,}|发件人[:\uff1a])")
TEXT_MAX = 2000


def message_id(key: str, host: str) -> str:
    """The Message-ID of a message: the same for every try."""
    return f"<{_xtext(key)}@{host}>"


def _xtext(key: str) -> str:
    """A key as RFC 3461 writes it where plain text is not allowed: +3A for a colon."""
    return "".join(c if c.isalnum() or c in "-._" else "".join(f"+{b:02X}" for b in c.encode()) for c in key)


def _unxtext(text: str) -> str:
    data = re.sub(rb"\+([0-9A-F]{2})", lambda m: bytes.fromhex(m.group(1).decode()), text.encode())
    return data.decode("utf-8", "replace")


envelope_id = _xtext


def read(raw: bytes, now: datetime) -> tuple[list[Report], list[Inbound]]:
    """What one mail says: reports on messages of ours, or something that a person wrote (or did: a complaint is a STOP)."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    kind = mail.get_content_type(), str(mail.get_param("report-type") or "").lower()
    if kind == ("multipart/report", "delivery-status"):
        return list(_delivery(mail, now)), []
    if kind == ("multipart/report", "feedback-report"):
        return [], [_complaint(mail, raw, now)]
    if str(mail.get("Auto-Submitted", "no")).lower() != "no" or not (sender := _address(mail, "From")):
        return [], []
    return [], [Inbound(Channel.EMAIL, sender, _text(mail), _date(mail, now), _once(mail, raw))]


def _delivery(mail: EmailMessage, now: datetime) -> Iterator[Report]:
    groups = _status_groups(mail)
    key = _unxtext(groups[0].get("original-envelope-id", "")) if groups else ""
    key = key or _returned_key(mail)
    for fields in groups[1:]:
        action = fields.get("action", "").strip().lower()
        if action not in ACTIONS:
            continue
        state = ACTIONS[action]
        reason = "" if state is DeliveryState.DELIVERED else f"{action} {fields.get('status', '')}".strip()
        to = (fields.get("original-recipient") or fields.get("final-recipient", "")).rpartition(";")[2].strip()
        yield Report(state, _date(mail, now), key=key, reason=reason, to=to)


def _status_groups(mail: EmailMessage) -> list[dict[str, str]]:
    """Field groups of the message/delivery-status part: the first about the mail, the others about one recipient each."""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            inner = part.get_payload()
            groups = [group for group in inner if isinstance(group, Message)] if isinstance(inner, list) else []
            return [{k.lower(): str(v) for k, v in group.items()} for group in groups]
    return []


def _returned_key(mail: EmailMessage) -> str:
    """The key in the Message-ID of the returned mail, whole or headers only."""
    for part in mail.walk():
        if part is not mail and part.get_content_type() == "text/rfc822-headers":
            found = re.search(r"(?im)^message-id:\s*(<[^>]+>)", str(part.get_content()))
            return _key_of(found.group(1)) if found else ""
        if part is not mail and part.get("Message-ID"):
            return _key_of(str(part["Message-ID"]))
    return ""


def _key_of(identifier: str) -> str:
    found = KEY_IN_ID.search(identifier)
    return _unxtext(found.group(1)) if found else ""


def _complaint(mail: EmailMessage, raw: bytes, now: datetime) -> Inbound:
    """Somebody pressed "this is spam": as good as STOP."""
    sender = ""
    for part in mail.walk():
        if part.get_content_type() == "message/feedback-report":
            found = re.search(r"(?im)^original-rcpt-to:\s*<?([^>\s]+)", part.as_string())
            sender = found.group(1) if found else ""
        elif part is not mail and not sender and part.get("To"):
            sender = parseaddr(str(part["To"]))[1]
    return Inbound(Channel.EMAIL, sender.lower(), "STOP", _date(mail, now), _once(mail, raw))


def _text(mail: EmailMessage) -> str:
    """What the person wrote, without what they quoted; the subject where there is nothing else."""
    body = mail.get_body(("plain",))
    lines: list[str] = []
    for line in str(body.get_content()).splitlines() if body is not None else []:
        if QUOTE.match(line.strip()):
            break
        lines.append(line)
    return ("\n".join(lines).strip() or str(mail.get("Subject", "")))[:TEXT_MAX]


def _address(mail: EmailMessage, field: str) -> str:
    return parseaddr(str(mail.get(field, "")))[1].lower()


def _date(mail: EmailMessage, now: datetime) -> datetime:
    """The mail's own date, unless it has none, or one that lies ahead."""
    try:
        at = parsedate_to_datetime(str(mail["Date"]))
    except (TypeError, ValueError):
        return now
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(at.astimezone(UTC), now)


def _once(mail: EmailMessage, raw: bytes) -> str:
    return hashlib.sha256(str(mail.get("Message-ID", "")).encode() or raw).hexdigest()[:32]
