"""A process that calls one person as often as the gate allows: `python -m tests.contact.caller NAME COUNT`; prints how many."""

from __future__ import annotations

import sys
from datetime import timedelta

import django

django.setup()

from django.db import transaction

from tests.contact.worlds import day_at
from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.rules.model import Channel, Outcome, Purpose
from tideover.lending.models import Contract

done = 0
for n in range(int(sys.argv[2])):
    loan = Contract.objects.select_related("borrower", "entity").order_by("pk")[n % 2]
    at = day_at(10) + timedelta(seconds=n)
    call = {"party": loan.borrower, "contracts": [loan], "channel": Channel.CALL, "purpose": Purpose.COLLECTION, "at": at}
    with transaction.atomic():
        verdict = verdict_ask(**call, actor=sys.argv[1], stage="sending")
        if verdict.allowed:
            contact_record(**call, outcome=Outcome.CONVERSATION, verdict=verdict, actor=sys.argv[1], seconds=1)
            done += 1
print(done)
