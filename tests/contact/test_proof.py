"""Proof of contacts: what is counted as kept and broken, the page for compliance, and its file."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import pytest

from tests.factories import House
from tests.web.test_pages import client_for
from tideover.contact.facts import policy_on
from tideover.contact.rules.model import Channel, Facts, Outcome, PastContact
from tideover.contact.rules.proof import kept
from tideover.contact.zones import zone
from tideover.core.business_time import start_of_day
from tideover.core.models import ActionLog
from tideover.lending.models import ContactRecord

DAY = date(2026, 10, 14)
MIDNIGHT = int(start_of_day(DAY).timestamp())


def call(hour: float, outcome: Outcome = Outcome.CONVERSATION, **more: Any) -> PastContact:
    return PastContact(MIDNIGHT + int(hour * 3600), Channel.CALL, outcome, **more)


def rules_of(*contacts: PastContact) -> dict[str, Any]:
    policy = policy_on("cn", DAY)
    found = kept(policy, Facts(zone("Asia/Shanghai")), contacts, range(len(contacts)))
    return {k.rule: k for k in found}


def night_and_cap() -> tuple[str, str]:
    policy = policy_on("cn", DAY)
    night = next(w.id for w in policy.windows if w.opens == 8 * 60 and w.closes == 22 * 60)
    talks = next(c.id for c in policy.caps if c.most == 3 and Channel.CALL in c.scope.channels)
    return night, talks


def test_hours_and_numbers_are_kept_up_to_the_edge_and_broken_beyond_it() -> None:
    night, talks = night_and_cap()
    good = rules_of(call(8), call(12), call(21.9))
    assert good[night].broken == () and good[talks].broken == () and good[talks].highest == good[talks].most == 3
    assert (good[night].first, good[night].last) == (8 * 3600, int(21.9 * 3600))
    bad = rules_of(call(7.9), call(9), call(10), call(11), call(22.5))
    assert bad[night].broken == (0, 4)
    assert 3 in bad[talks].broken and 2 not in bad[talks].broken and bad[talks].highest == 5


def test_what_the_person_started_is_never_ours_to_explain() -> None:
    night, talks = night_and_cap()
    theirs = rules_of(*(call(h, outbound=False) for h in (1, 2, 3, 4, 5)))
    assert theirs[night].spoke == () and theirs[talks].highest == 0


def test_hours_that_were_agreed_are_counted_as_outside_all_the_same() -> None:
    night, _talks = night_and_cap()
    policy = policy_on("cn", DAY)
    found = kept(policy, Facts(zone("Asia/Shanghai"), agreed_hours=True), [call(23)], [0])
    assert next(k for k in found if k.rule == night).broken == (0,)


@pytest.fixture
def called(house: House) -> House:
    """Two calls in October, one of them at 22:30, without a decision."""
    for hours in (11, 22.5):
        ContactRecord.objects.create(
            party=house.borrower, contract=house.loan, about=f"|{house.loan.pk}|", direction="out", channel="call",
            outcome="conversation", seconds=60, actor="collector", at=start_of_day(DAY) + timedelta(hours=hours),
            recorded_at=start_of_day(DAY) + timedelta(hours=hours),
        )  # fmt: skip
    return house


def test_the_page_says_which_contact_broke_which_rule_and_the_file_says_the_same(called: House) -> None:
    client = client_for(called, "compliance")
    span = "person=P-0001&from=2026-10-01&to=2026-10-31"
    html = client.get(f"/contact-log/proof?{span}").content.decode()
    assert "1 contact broke a rule" in html and "11:00–22:30" in html and "2026-10-14 22:30" in html
    assert "Only from 08:00 to 22:00" in html
    lines = list(csv.DictReader(io.StringIO(b"".join(client.get(f"/contact-log/proof.csv?{span}")).decode("utf-8-sig"))))
    assert [bool(x["rules_broken"]) for x in lines] == [False, True] and lines[1]["at_local"] == "2026-10-14 22:30"
    assert client.get("/contact-log/proof?person=T-1&from=2026-10-01&to=2026-10-31").status_code == 200
    assert set(ActionLog.objects.filter(object_id="P-0001").values_list("action", flat=True)) >= {
        "contact.proof", "contact.proof.file",
    }  # fmt: skip


def test_an_empty_span_and_a_wrong_one_say_so(called: House) -> None:
    client = client_for(called, "compliance")
    assert "We did not contact this person" in client.get(
        "/contact-log/proof?person=P-0001&from=2026-09-01&to=2026-09-30"
    ).content.decode()  # fmt: skip
    for query in ("person=NOBODY", "person=P-0001&from=soon", "person=P-0001&from=2026-10-02&to=2026-10-01"):
        response = client.get(f"/contact-log/proof?{query}")
        assert response.status_code == 422 and 'role="alert"' in response.content.decode()
    assert "2026-10-01 – 2026-10-31" in client.get("/contact-log/proof?person=P-0001&to=2026-10-31").content.decode()
    assert client.get("/contact-log/proof?person=P-0001&from=2026-10-01").status_code == 200
    assert client_for(called, "collector").get("/contact-log/proof").status_code == 403
    assert client_for(called, "legal").get("/contact-log/proof.csv").status_code == 403
