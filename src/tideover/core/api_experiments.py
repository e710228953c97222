"""REST of experiments: the registry, one with its counts per arm, asking to start or stop one, stopping one at once."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core import experiments
from tideover.core.api_approvals import ApprovalOut, approval_out
from tideover.core.approvals import approval_get
from tideover.core.business_time import business_date
from tideover.core.models import Experiment
from tideover.core.rest import Cursor, Day, Limit, Strict, page_of, route

router = Router(tags=["experiments"])


class ArmIn(Strict):
    arm: str = Field(max_length=40)
    share_ppm: int = Field(ge=1, le=1_000_000)


class StartIn(Strict):
    code: str = Field(max_length=40)
    title: str = Field(max_length=200)
    design: str = Field(description="holdout or split")
    surface: str = Field(max_length=60, description="what it is about; senders ask by this code")
    arms: list[ArmIn] = Field(min_length=2, max_length=20)
    starts_on: Day
    ends_on: Day = Field(description="the first day on which it no longer runs")
    excluded: list[str] = Field([], max_length=10_000, description="references of people left out")
    reason: str = Field(min_length=1, max_length=1000)


class StopIn(Strict):
    reason: str = Field(min_length=1, max_length=300)


class ArmOut(Schema):
    arm: str
    share_ppm: int
    exposed: int
    seen_ppm: int


class ExperimentOut(Schema):
    code: str
    version: int
    title: str
    design: str
    surface: str
    state: str
    starts_on: date
    ends_on: date
    stopped_at: datetime | None
    stopped_why: str
    approval: str
    excluded_count: int
    arms: list[ArmOut]


class ExperimentPage(Schema):
    items: list[ExperimentOut]
    next_cursor: int | None


def _out(e: Experiment, found: dict[str, int] | None = None) -> dict[str, Any]:
    names = ("code", "version", "title", "design", "surface", "starts_on", "ends_on", "stopped_at", "stopped_why")
    return {
        **{n: getattr(e, n) for n in names},
        "state": experiments.state_of(e, business_date()),
        "approval": e.started_by.reference,
        "excluded_count": len(e.excluded),
        "arms": experiments.counts(e, found),
    }


@route(router.get, "/experiments", "experiments-list", ExperimentPage)
def experiments_list(request: HttpRequest, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """Every version of every experiment, by number."""
    page = page_of(Experiment.objects.select_related("started_by"), cursor, limit, lambda e: e)
    found = experiments.counted(page["items"])
    return page | {"items": [_out(e, found[e.pk]) for e in page["items"]]}


@route(router.get, "/experiments/{code}/{version}", "experiment-get", ExperimentOut)
def experiment_one(request: HttpRequest, code: str, version: int) -> dict[str, Any]:
    """One version with its counts."""
    return _out(experiments.experiment_get(code, version))


@route(router.post, "/experiments", "experiment-start", ApprovalOut)
def experiment_start(request: HttpRequest, body: StartIn) -> dict[str, Any]:
    """Ask to start one; it runs once it is granted."""
    said = body.dict(exclude={"arms"})
    asked = experiments.experiment_ask(**said, arms=[(a.arm, a.share_ppm) for a in body.arms], actor=request.user)
    return approval_out(approval_get(request.user, asked.reference))


@route(router.post, "/experiments/{code}/{version}/stop", "experiment-stop", ApprovalOut)
def experiment_stop(request: HttpRequest, code: str, version: int, body: StopIn) -> dict[str, Any]:
    """Ask to stop one before its end."""
    found = experiments.experiment_get(code, version)
    asked = experiments.experiment_stop_ask(found, reason=body.reason, actor=request.user)
    return approval_out(approval_get(request.user, asked.reference))


@route(router.post, "/experiments/{code}/{version}/stop-now", "experiment-stop-now", ExperimentOut)
def experiment_stop_now(request: HttpRequest, code: str, version: int, body: StopIn) -> dict[str, Any]:
    """Stop one at once (compliance)."""
    found = experiments.experiment_get(code, version)
    return _out(experiments.experiment_stop(found, reason=body.reason, actor=request.user))
