"""Pages of products and rates: looked at, proposed, refused with the article, decided; the reset's notices."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tests.factories import House
from tests.lending.test_publishing import Floating, floating, next_version
from tests.web.test_pages import client_for
from tideover.core.business_time import business_date
from tideover.lending import rates
from tideover.lending.models import Product, ResetNotice

__all__ = ["floating"]
CODE = "consumer-equal-principal"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_version_is_looked_at_then_asked_for(house: House, language: str) -> None:
    risk = client_for(house, "risk", language)
    assert CODE in risk.get("/products").content.decode()
    page = risk.post(f"/products/{CODE}", {"act": "look", "text": next_version()})
    assert page.status_code == 200 and "valid_from" in page.content.decode() and not Product.objects.filter(version=2).exists()
    bad = risk.post(f"/products/{CODE}", {"act": "ask", "text": "code: x", "reason": "r"})
    assert bad.status_code == 422 and "code: x" in bad.content.decode()
    asked = risk.post(f"/products/{CODE}", {"act": "ask", "text": next_version(), "reason": "r"})
    reference = asked["Location"].rsplit("/", 1)[1]
    client_for(house, "finance").post(f"/approvals/{reference}", {"act": "grant", "reason": "ok"})
    done = risk.get(f"/products/{CODE}").content.decode()
    assert Product.objects.filter(version=2).exists() and business_date().isoformat() in done
    assert client_for(house, "collector").post(f"/products/{CODE}", {"act": "ask", "text": next_version()}).status_code == 200
    assert risk.get("/products/none").status_code == 404 and risk.get("/products/new").status_code == 200


def test_resets_are_previewed_and_their_notices_made(floating: Floating, monkeypatch: pytest.MonkeyPatch) -> None:
    risk = client_for(floating.house, "risk")
    for module in ("tideover.web.products", "tideover.lending.publishing"):
        monkeypatch.setattr(f"{module}.business_date", lambda: date(2025, 7, 1))
    monkeypatch.setattr("tideover.web.products.now", lambda: datetime(2025, 7, 1, 12, tzinfo=UTC))
    page = risk.get("/rates").content.decode()
    effect = rates.coming_resets([floating.contract], date(2025, 7, 1))[0].effect
    assert effect is not None and "F-1" in page and f"{effect.new_instalment_minor / 100:,.2f}" in page
    assert risk.post("/rates", {"act": "notices"}).status_code == 302 and ResetNotice.objects.count() == 1
    assert "made" in risk.get("/rates").content.decode()


def test_a_rate_is_asked_for_on_the_page(house: House) -> None:
    risk = client_for(house, "risk")
    form = {"act": "rate", "index": "lpr_1y", "published_on": "2026-06-22", "rate": "3.45%", "reason": "website of the centre"}
    for words in (
        {"rate": "much"},
        {"rate": "1e999999"},
        {"published_on": "soon"},
        {"published_on": "2026-06-21"},
        {"reason": ""},
    ):
        assert risk.post("/rates", form | words).status_code == 422
    assert risk.post("/rates", form)["Location"].startswith("/approvals/")
