"""A process that pays one fen many times on one loan: `python -m tests.lending.writer NAME COUNT`."""

from __future__ import annotations

import sys
from datetime import date

import django

django.setup()

from tideover.engine.events import EventKind
from tideover.lending.journal import event_append
from tideover.lending.models import Contract

for n in range(int(sys.argv[2])):
    event_append(
        Contract.objects.get(number="T-1"),
        kind=EventKind.PAYMENT,
        effective_on=date(2026, 2, 20),
        amount_minor=1,
        idempotency_key=f"{sys.argv[1]}-{n}",
        actor=sys.argv[1],
    )
