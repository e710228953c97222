"""A process that takes payments at a counter: `python -m tests.lending.counter.payer TELLER COUNT`; each third is refused."""

from __future__ import annotations

import sys
from contextlib import suppress

import django

django.setup()

from tideover.core.models import User
from tideover.core.problems import Refused
from tideover.lending.counter.taking import Paid, payment_take
from tideover.lending.counter.tills import till_open
from tideover.lending.models import Branch, Party, Till

name, count = sys.argv[1], int(sys.argv[2])
teller = User.objects.get(username=name)
party = Party.objects.get(reference="P-0001")
box = till_open(Branch.objects.get(code="HZ"), float_minor=100, idempotency_key=f"open-{name}", actor=teller)
for n in range(count):
    amount = -1 if n % 3 == 2 else 100 + n
    with suppress(Refused):
        payment_take(box, Paid(party, "cash", amount), idempotency_key=f"{name}-{n}", actor=teller)
assert Till.objects.filter(teller=teller).count() == 1
