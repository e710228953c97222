"""What must always be true of the outbox: nothing stuck beyond its lease, no end without a reason, texts unchanged."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from tideover.contact.models import Message
from tideover.contact.selectors_messages import stuck
from tideover.core.business_time import now
from tideover.core.doctor import Check

GRACE = timedelta(hours=1)
NEWEST = 2000


def checks() -> list[Check]:
    """The checks of the outbox."""
    return [_stuck(), _texts()]


def _stuck() -> Check:
    found = {name: n for name, n in stuck(now(), GRACE).items() if n}
    said = ", ".join(f"{n} {name}" for name, n in found.items())
    return Check("outbox", not found, said or f"{Message.objects.count()} messages, none stuck, every end with its reason")


def _texts() -> Check:
    """The newest texts against their hashes: what was sent is what is kept."""
    rows = Message.objects.exclude(body_sha256="").order_by("-pk").only("reference", "subject", "body", "body_sha256")[:NEWEST]
    changed = [m.reference for m in rows if hashlib.sha256(f"{m.subject}\n{m.body}".encode()).hexdigest() != m.body_sha256]
    return Check("texts of messages", not changed, f"changed: {', '.join(changed[:10])}" if changed else "as they were written")
