"""Instants at the ends of the calendar: refused by name, never a server error."""

from __future__ import annotations

import pytest

from tests.factories import House
from tests.web.test_api import client, post

FAR = ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00")


@pytest.mark.parametrize("far", FAR)
def test_an_instant_at_the_end_of_the_calendar_is_refused(house: House, far: str) -> None:
    c, here = client(house, "counsellor"), "2026-01-01T00:00:00Z"
    for n, (start, end) in enumerate(((far, None), (here, far))):
        hold = {"party": "P-0001", "kind": "cease_contact", "starts_at": start, "ends_at": end, "reason": ""}
        answer = post(c, "/holds", hold, f"k{n}")
        assert answer.status_code == 422 and "1970-01-01" in answer.content.decode()
    assert c.get("/api/v1/parties/P-0001/contact", {"at": far}).status_code == 422
    assert c.get("/api/v1/parties/P-0001/contact", {"at": "2026-01-01T00:00:00"}).status_code == 422
