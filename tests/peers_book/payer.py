"""A process that books payments of 1.00 on two loans until it is killed: `python -m tests.peers_book.payer FROM TO`.

Key n is always the same payment, so that a restart may begin anywhere; each one booked is said on a line.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta

import django

django.setup()

from tests.peers_book.history import payment_record
from tideover.lending.models import Contract

loans = [Contract.objects.get(number=n) for n in ("T-1", "T-2")]
for n in range(int(sys.argv[1]), int(sys.argv[2])):
    payment_record(
        loans[n % 2],
        amount_minor=100,
        received_on=date(2026, 2, 20) + timedelta(days=n % 40),
        idempotency_key=f"n{n}",
        actor="payer",
        as_of=date(2026, 5, 1),
    )
    print(n, flush=True)
