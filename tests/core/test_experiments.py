"""Experiments: started by two people, one at a time about a thing, exposures kept once, ended by the clock or by compliance."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import House
from tests.web.test_api import client, post
from tests.web.test_pages import client_for
from tideover.core import experiments as x
from tideover.core.approvals import approval_decide
from tideover.core.business_time import business_date
from tideover.core.models import Approval, Experiment, Exposure
from tideover.core.problems import Refused
from tideover.core.rules.arms import Outreach

HALF = [("control", 500_000), ("text", 500_000)]


def ask(house: House, **given: Any) -> Approval:
    today = business_date()
    base: dict[str, Any] = {
        "code": "reminder.tone", "title": "Does a warmer reminder help?", "design": "holdout", "surface": "reminder.before_due",
        "arms": HALF, "starts_on": today, "ends_on": today + timedelta(days=30), "reason": "to learn",
        "actor": house.staff["risk"],
    }  # fmt: skip
    return x.experiment_ask(**(base | given))


def start(house: House, **given: Any) -> Experiment:
    done = approval_decide(ask(house, **given), grant=True, reason="ok", actor=house.staff["compliance"])
    return x.experiment_get(done.subject_id, done.outcome["version"])


def arm(reference: str, outreach: Outreach = Outreach.UNREQUESTED, *, vulnerable: bool = False, days: int = 0) -> Any:
    on = business_date() + timedelta(days=days)
    return x.arm_for("reminder.before_due", reference, outreach=outreach, is_vulnerable=vulnerable, on=on)


def test_nothing_runs_until_a_second_person_agrees(house: House) -> None:
    a = ask(house)
    assert arm("P-1") is None
    with pytest.raises(Refused):
        approval_decide(a, grant=True, reason="me", actor=house.staff["risk"])
    approval_decide(a, grant=True, reason="ok", actor=house.staff["compliance"])
    found = arm("P-1")
    assert found.arm in ("control", "text") and found.propensity_ppm == 500_000 and arm("P-1") == found
    assert arm("P-1", days=30) is None, "it ends by the clock"


def test_people_it_must_not_touch_are_left_out(house: House) -> None:
    start(house, excluded=["P-9"])
    assert arm("P-1") and not arm("P-9") and not arm("P-1", vulnerable=True)
    assert not arm("P-1", Outreach.REQUESTED_HELP) and not arm("P-1", Outreach.STATUTORY_NOTICE)


def test_an_exposure_is_kept_once_and_counted(house: House) -> None:
    e = start(house)
    found = [arm(f"P-{n}") for n in range(40)]
    x.exposed(found)
    x.exposed([*found[:5], arm("P-99")])
    assert Exposure.objects.count() == 41
    assert sum(c["exposed"] for c in x.counts(e)) == 41 and sum(c["seen_ppm"] for c in x.counts(e)) in (999_999, 10**6)


def test_one_at_a_time_about_a_thing_and_versions(house: House) -> None:
    e = start(house)
    with pytest.raises(Refused) as error:
        ask(house, code="other")
    assert error.value.problems[0].code == "surface_taken"
    with pytest.raises(Refused):
        x.experiment_stop(e, reason="harm", actor=house.staff["risk"])
    x.experiment_stop(e, reason="harm", actor=house.staff["compliance"])
    assert arm("P-1") is None
    again = start(house)
    assert (again.version, again.salt != e.salt) == (2, True)
    stop = x.experiment_stop_ask(again, reason="enough", actor=house.staff["risk"])
    approval_decide(stop, grant=True, reason="ok", actor=house.staff["compliance"])
    assert x.state_of(x.experiment_get("reminder.tone", 2), business_date()) == "stopped"


def test_two_asked_at_once_only_one_starts(house: House) -> None:
    first, second = ask(house), ask(house, code="other")
    approval_decide(first, grant=True, reason="ok", actor=house.staff["compliance"])
    with pytest.raises(Refused):
        approval_decide(second, grant=True, reason="ok", actor=house.staff["compliance"])
    assert Experiment.objects.count() == 1


def test_every_bad_field_is_named(house: House) -> None:
    with pytest.raises(Refused) as error:
        ask(house, code="A b", title=" ", design="x", surface="", arms=[("a", 1)], ends_on=business_date())
    assert {p.field for p in error.value.problems} == {"code", "title", "design", "surface", "arms", "ends_on"}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_and_rest(house: House, language: str) -> None:
    risk, compliance = client_for(house, "risk", language), client_for(house, "compliance", language)
    assert risk.get("/experiments").status_code == 200
    today = business_date()
    form = {
        "code": "tone", "title": "t", "design": "split", "surface": "s", "arms": "control 12.5%，text 87.5", "reason": "why",
        "starts_on": today.isoformat(), "ends_on": (today + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    assert risk.post("/experiments", {**form, "arms": "control 10"}).status_code == 422
    assert risk.post("/experiments", {**form, "ends_on": "soon"}).status_code == 422
    reference = risk.post("/experiments", form)["Location"].rsplit("/", 1)[1]
    compliance.post(f"/approvals/{reference}", {"act": "grant", "reason": "ok"})
    assert "12.50%" in risk.get("/experiments/tone/1").content.decode()
    api = client(house, "risk")
    assert api.get("/api/v1/experiments/tone/1").json()["arms"][0]["share_ppm"] == 125_000
    assert post(api, "/experiments/tone/1/stop-now", {"reason": "x"}).status_code == 403
    assert post(api, "/experiments/tone/1/stop", {"reason": "x"}).json()["kind"] == "experiment.stop"
    assert compliance.post("/experiments/tone/1", {"reason": "harm"}).status_code == 302
    assert Experiment.objects.get().stopped_why == "harm"
