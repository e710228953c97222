"""docs/api.md is true: every example is sent, in order, and answers what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.factories import House
from tests.web.test_api import client

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_every_example_answers_what_the_page_says(house: House) -> None:
    examples = re.findall(r"```http\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len(examples) >= 8
    clients = {}
    for example in examples:
        asked, _, answer = example.replace("PRODUCT", house.loan.product.code).partition("-> ")
        head, _, body = asked.partition("\n")
        method, address, role, key = re.fullmatch(r"(\w+) (\S+) as (\w+)(?: with key (\S+))?", head).groups()
        keyed = {"Idempotency-Key": key} if key else {}
        c = clients.setdefault(role, None) or client(house, role)
        clients[role] = c
        response = c.get(address) if method == "GET" else c.post(address, body, content_type="application/json", headers=keyed)
        status, _, expected = answer.partition(" ")
        assert response.status_code == int(status), (head, response.content)
        given, wanted = response.json(), json.loads(expected)
        assert {k: given.get(k) for k in wanted} == wanted, head
