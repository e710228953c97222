"""A process that sends the same requests as another: `python -m tests.lending.sender COUNT`; prints each answer."""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.test import Client

client = Client(headers={"authorization": "Bearer sender"})
for n in range(int(sys.argv[1])):
    body = {
        "party": "P-0001",
        "loan": "T-1",
        "kind": "cease_contact",
        "starts_at": "2026-05-01T00:00:00+08:00",
        "reason": f"r{n}",
    }
    answer = client.post(
        "/api/v1/holds", json.dumps(body), content_type="application/json", headers={"Idempotency-Key": f"same-{n}"}
    )
    print(answer.status_code, answer.content.decode())
