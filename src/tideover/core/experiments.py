"""Experiments: one registry of splits and holdouts. Starting one needs a second person, and so does stopping it early, but
compliance stops any at once.

A sender asks `arm_for` before it acts, and says `exposed` when the assignment has taken effect; whoever is left out gets what
everybody would get, without a row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import one_of
from tideover.core.business_time import business_date, now
from tideover.core.ids import handle_new
from tideover.core.models import Approval, Experiment, Exposure, Role, User
from tideover.core.problems import Forbidden, NotFound, Problem, Refused, refuse
from tideover.core.rules.arms import Design, Outreach, arm_of, arms_problem, left_out, place_of

START, STOP = "experiment.start", "experiment.stop"
CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
DAYS_MAX = 366
ASKS = frozenset({Role.RISK})


@dataclass(frozen=True, slots=True)
class Assignment:
    """Somebody's arm in an experiment; `propensity_ppm`: how likely that arm was for them."""

    experiment: Experiment
    reference: str
    arm: str
    propensity_ppm: int


def running(surface: str, on: date) -> Experiment | None:
    """The experiment that runs about something on a day: there is at most one."""
    rows = Experiment.objects.filter(surface=surface, starts_on__lte=on, ends_on__gt=on, stopped_at=None)
    return rows.order_by("pk").first()


def arm_for(surface: str, reference: str, *, outreach: Outreach, is_vulnerable: bool, on: date) -> Assignment | None:
    """The arm of a person (a party's reference) in what runs about `surface`; None: no experiment, or they are left out."""
    experiment = running(surface, on)
    if experiment is None:
        return None
    excluded = reference in experiment.excluded
    if left_out(Design(experiment.design), outreach, is_vulnerable=is_vulnerable, is_excluded=excluded):
        return None
    arms = [(str(code), int(share)) for code, share in experiment.arms]
    arm = arm_of(place_of(experiment.salt, reference), arms)
    return Assignment(experiment, reference, arm, dict(arms)[arm])


def exposed(assignments: Sequence[Assignment]) -> None:
    """Keep that assignments took effect, now; of the second and later times of one person nothing is kept."""
    at, by_key = now(), {(a.experiment.pk, a.reference): a for a in assignments}
    with transaction.atomic():
        experiments, references = {e for e, _r in by_key}, {r for _e, r in by_key}
        there = Exposure.objects.filter(experiment__in=experiments, reference__in=references)
        for key in there.values_list("experiment", "reference"):
            by_key.pop(key, None)
        rows = [
            Exposure(experiment=a.experiment, reference=a.reference, arm=a.arm, propensity_ppm=a.propensity_ppm, at=at)
            for a in by_key.values()
        ]
        # PostgreSQL: another writer may have been faster; SQLite has one writer at a time.
        Exposure.objects.bulk_create(rows, ignore_conflicts=connection.vendor == "postgresql")


def counted(experiments: Sequence[Experiment]) -> dict[int, dict[str, int]]:
    """How many people were exposed, by experiment (primary key) and arm, in one query."""
    out: dict[int, dict[str, int]] = {e.pk: {} for e in experiments}
    rows = Exposure.objects.filter(experiment__in=out).values_list("experiment", "arm").annotate(n=Count("pk")).order_by()
    for pk, arm, n in rows:
        out[pk][arm] = n
    return out


def counts(experiment: Experiment, found: dict[str, int] | None = None) -> list[dict[str, Any]]:
    """Per arm: its share, how many were exposed, and their share of all exposed, in ppm. `found`: from `counted`."""
    found = counted([experiment])[experiment.pk] if found is None else found
    total = sum(found.values())
    return [
        {
            "arm": code,
            "share_ppm": share,
            "exposed": found.get(code, 0),
            "seen_ppm": total and found.get(code, 0) * 10**6 // total,
        }
        for code, share in experiment.arms
    ]


def state_of(experiment: Experiment, on: date) -> str:
    """planned, running, ended or stopped."""
    if experiment.stopped_at is not None:
        return "stopped"
    return "planned" if on < experiment.starts_on else "running" if on < experiment.ends_on else "ended"


def experiment_get(code: str, version: int) -> Experiment:
    """One version. Raises NotFound."""
    found = Experiment.objects.filter(code=code, version=version).select_related("started_by__asked_by").first()
    if found is None:
        raise NotFound(Problem("no_such_experiment", f"there is no experiment {code} version {version}", "code"))
    return found


def experiment_ask(
    *, code: str, title: str, design: str, surface: str, arms: Sequence[tuple[str, int]], starts_on: date, ends_on: date,
    excluded: Sequence[str] = (), reason: str, actor: User,
) -> Approval:  # fmt: skip
    """Ask to start an experiment; the next version when the code is known. Raises Refused, naming every field."""
    problems = []
    for field, value in (("code", code), ("surface", surface)):
        if not CODE.fullmatch(value):
            problems.append(Problem("bad_code", "1 to 40 small letters, digits, dots, hyphens and underscores", field))
    if not title.strip():
        problems.append(Problem("missing", "say in a sentence what is to be learned", "title"))
    if design not in list(Design):
        problems.append(Problem("bad_design", f"one of {', '.join(Design)}", "design"))
    if said := arms_problem(arms):
        problems.append(Problem("bad_arms", said, "arms"))
    if starts_on < business_date():
        problems.append(Problem("in_the_past", "it starts today or later", "starts_on"))
    if not starts_on < ends_on <= starts_on + timedelta(days=DAYS_MAX):
        problems.append(Problem("bad_dates", f"it ends after it starts, within {DAYS_MAX} days", "ends_on"))
    if problems:
        raise Refused(*problems)
    payload = {
        "code": code, "title": title.strip(), "design": design, "surface": surface, "arms": [list(a) for a in arms],
        "starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat(), "excluded": sorted(set(excluded)),
    }  # fmt: skip
    _no_other(payload)
    return approval_ask(START, subject=("experiment", code), payload=payload, reason=reason, actor=actor)


def _no_other(payload: dict[str, Any]) -> None:
    """Two experiments about one thing at one time could not be told apart."""
    other = Experiment.objects.filter(
        surface=payload["surface"], starts_on__lt=payload["ends_on"], ends_on__gt=payload["starts_on"], stopped_at=None
    ).first()
    if other is not None:
        raise refuse("surface_taken", f"{other.code} version {other.version} runs about {other.surface} then", "surface")


def _start(approval: Approval, actor: User) -> dict[str, Any]:
    p = approval.payload
    # The log's lock, held until the commit, lets one experiment start at a time: the look for another one then holds.
    log(actor.username, "experiment.start", "experiment", p["code"], {"surface": p["surface"]})
    _no_other(p)
    version = Experiment.objects.filter(code=p["code"]).count() + 1
    dates = {k: date.fromisoformat(p[k]) for k in ("starts_on", "ends_on")}
    words = {k: p[k] for k in ("code", "title", "design", "surface", "arms", "excluded")}
    made = Experiment.objects.create(**words, **dates, version=version, salt=handle_new("X"), started_by=approval)
    return {"version": made.version}


def experiment_stop_ask(experiment: Experiment, *, reason: str, actor: User) -> Approval:
    """Ask to stop one before its end. Raises Refused when it is over."""
    _not_over(experiment)
    payload = {"code": experiment.code, "version": experiment.version}
    return approval_ask(STOP, subject=("experiment", experiment.code), payload=payload, reason=reason, actor=actor)


def experiment_stop(experiment: Experiment, *, reason: str, actor: User) -> Experiment:
    """Stop one at once: compliance needs nobody's leave. Raises Refused (403 for others)."""
    if actor.role != Role.COMPLIANCE:
        raise Forbidden(Problem("forbidden", "compliance stops an experiment at once; others ask for it"))
    if not reason.strip():
        raise refuse("missing", "say why it stops", "reason")
    return _stopped(experiment, reason, actor.username)


def _not_over(experiment: Experiment) -> None:
    if state_of(experiment, business_date()) in ("ended", "stopped"):
        raise refuse("over", f"{experiment.code} version {experiment.version} is over already")


def _stopped(experiment: Experiment, reason: str, actor: str) -> Experiment:
    with transaction.atomic():
        row = Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        _not_over(row)
        row.stopped_at, row.stopped_why = now(), reason.strip()[:300]
        row.save(update_fields=["stopped_at", "stopped_why"])
        log(actor, "experiment.stop", "experiment", row.code, {"version": row.version})
    return row


def _stop(approval: Approval, actor: User) -> dict[str, Any]:
    p = approval.payload
    row = _stopped(experiment_get(p["code"], p["version"]), approval.reason, actor.username)
    return {"version": row.version}


def arms_words(arms: Sequence[Sequence[Any]]) -> str:
    """`control 10 %, sms 90 %`."""
    return ", ".join(f"{code} {share / 10_000:g}%" for code, share in arms)


def _show_start(approval: Approval) -> list[Shown]:
    p = approval.payload
    return [
        Shown(_("What is to be learned"), "", p["title"]),
        Shown(_("Design"), "", _("holdout") if p["design"] == "holdout" else _("split")),
        Shown(_("About"), "", p["surface"]),
        Shown(_("Arms"), "", arms_words(p["arms"])),
        Shown(_("Starts on"), "", p["starts_on"]),
        Shown(_("Ends before"), "", p["ends_on"]),
        Shown(_("People left out by name"), "", f"{len(p['excluded'])} {' '.join(p['excluded'])}".strip()),
        Shown(_("Never touched"), "", _("requested help, hardship, statutory notices; vulnerable people by a holdout")),
    ]


def _show_stop(approval: Approval) -> list[Shown]:
    p = approval.payload
    experiment = experiment_get(p["code"], p["version"])
    seen = ", ".join(f"{c['arm']} {c['exposed']}" for c in counts(experiment))
    return [Shown(_("Ends before"), experiment.ends_on.isoformat(), _("at once")), Shown(_("Exposed so far"), seen, seen)]


def kinds_register() -> None:
    """Make the kinds known."""
    start = gettext_noop("Start of an experiment")
    stop = gettext_noop("Early end of an experiment")
    deciders = one_of(Role.COMPLIANCE)

    def address(a: Approval) -> str:
        version = (a.outcome or a.payload).get("version")
        return reverse("experiment", args=[a.subject_id, version]) if version else reverse("experiments")

    register(ApprovalKind(START, start, ASKS, deciders, _start, _show_start, address=address))
    register(ApprovalKind(STOP, stop, ASKS, deciders, _stop, _show_stop, address=address))
