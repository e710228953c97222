"""How long documents are kept: bytes and data until `keep_until`, number, hash and dates for good. And whether they are whole."""

from __future__ import annotations

import hashlib
from datetime import date

from cryptography.exceptions import InvalidTag
from django.db import transaction
from django.db.models import Count, Max

from tideover.core.action_log import Entry, log_many
from tideover.core.crypto import unseal
from tideover.core.documents.issue import SEALED
from tideover.core.models import Document, DocumentCount, Signature

CHECKED_MAX = 2_000
"""How many of the newest documents `document_faults` opens."""


def documents_expire(on: date, *, actor: str) -> int:
    """Wipe bytes and data of the documents whose time is over; they can still be verified. Returns how many."""
    with transaction.atomic():
        over = Document.objects.filter(keep_until__lt=on).exclude(content=b"")
        numbers = list(over.values_list("number", flat=True))
        Signature.objects.filter(document__in=over).update(content=b"", prepared=b"")
        Document.objects.filter(number__in=numbers).update(content=b"", data=b"")
        if numbers:
            log_many(actor, [Entry("document.expire", "document", number) for number in numbers])
    return len(numbers)


def document_faults() -> list[str]:
    """What is wrong with the kept documents: a gap in the numbers, bytes that are not those handed out. Empty: nothing."""
    out = []
    counted = {(c.kind, c.year): c.last for c in DocumentCount.objects.all()}
    for row in Document.objects.values("kind", "year").annotate(n=Count("pk"), top=Max("sequence")).order_by("kind", "year"):
        key, n, top = (row["kind"], row["year"]), row["n"], row["top"]
        if not n == top == counted.get(key):
            out.append(f"{key[0]} {key[1]}: {n} documents, last number {top}, counter {counted.get(key)}")
    for d in Document.objects.exclude(content=b"").order_by("-pk")[:CHECKED_MAX]:
        try:
            whole = hashlib.sha256(unseal(d.content, SEALED)).digest() == bytes(d.sha256)
        except InvalidTag:
            whole = False
        if not whole:
            out.append(f"{d.number}: what is kept is not what was handed out")
    return out
