"""Reading what lies beside a core: breaks by loan, the files of each day with those that are missing, instructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet

from tideover.core.business_time import now, start_of_day
from tideover.core.models import User
from tideover.core.problems import NotFound, Problem
from tideover.lending.beside.policies import policy_of
from tideover.lending.models import Break, CoreFile, Instruction, LegalEntity
from tideover.lending.models.organisation import BookMode
from tideover.lending.selectors import contracts_visible, post_of

FILE_DAYS = 30
"""How far back the page of files looks."""


def entities_overlay(user: User, on: date) -> list[LegalEntity]:
    """The entities beside a core that a person's post reaches."""
    post = post_of(user, on)
    if post is None:
        return []
    own = post.entity_id or (post.branch.entity_id if post.branch else None)
    rows = LegalEntity.objects.filter(book_mode=BookMode.OVERLAY, valid_from__lte=on).order_by("code")
    return list(rows.filter(pk=own) if own else rows)


def breaks_visible(user: User, on: date) -> QuerySet[Break]:
    """Breaks of the loans that a person sees; whoever sees a whole entity also those of loans that the book does not have."""
    post = post_of(user, on)
    if post is None:
        return Break.objects.none()
    mine = Q(contract__in=contracts_visible(user, on).values("pk"))
    if post.branch_id is None:
        mine |= Q(contract=None, entity=post.entity_id) if post.entity_id else Q(contract=None)
    return Break.objects.filter(mine).select_related("entity", "contract")


def instructions_visible(user: User, on: date) -> QuerySet[Instruction]:
    """Instructions on the loans that a person sees."""
    rows = Instruction.objects.filter(contract__in=contracts_visible(user, on).values("pk"))
    return rows.select_related("contract__entity", "event")


def break_get(user: User, pk: int, on: date) -> Break:
    """One visible break. Raises NotFound."""
    found = breaks_visible(user, on).filter(pk=pk).first()
    if found is None:
        raise NotFound(Problem("no_such_break", f"there is no break {pk} in your scope", "id"))
    return found


@dataclass(frozen=True, slots=True)
class Broken:
    """The breaks of one loan: since when, in which state, and how much in all (minor units, without days)."""

    number: str
    entity: LegalEntity
    rows: list[Break]

    @property
    def first_on(self) -> date:
        return min(b.first_on for b in self.rows)

    @property
    def amount_minor(self) -> int:
        return sum(abs(b.amount_minor) for b in self.rows if b.component != "days_past_due")

    @property
    def head(self) -> Break:
        """The break that speaks for the loan: the oldest, of the largest amount."""
        return min(self.rows, key=lambda b: (b.first_on, -abs(b.amount_minor), b.component))


def by_loan(rows: Sequence[Break]) -> list[Broken]:
    """Breaks grouped by loan, in the order in which the loans first appear."""
    groups: dict[tuple[int, str], list[Break]] = {}
    for b in rows:
        groups.setdefault((b.entity_id, b.number), []).append(b)
    return [Broken(own[0].number, own[0].entity, own) for own in groups.values()]


@dataclass(frozen=True, slots=True)
class FileDay:
    """What came of one kind of file for one day. state: a state of CoreFile, `late` (taken after it was due), `waiting`
    (not due yet) or `missing`."""

    entity: LegalEntity
    kind: str
    day: date
    due_at: datetime
    state: str
    file: CoreFile | None


def due_at(day: date, due: str) -> datetime:
    """By when the file of a day must be there: the time of the policy on the next day, in the business time zone."""
    hour, minute = map(int, due.split(":"))
    return datetime.combine(day + timedelta(days=1), time(hour, minute), ZoneInfo(settings.BUSINESS_TIME_ZONE))


def file_days(entity: LegalEntity, today: date, at: datetime | None = None) -> list[FileDay]:
    """Every kind of file that the policy expects, for each day since the first one came (FILE_DAYS at most), newest first."""
    policy, at = policy_of(entity, today), at or now()
    first_day = today - timedelta(days=FILE_DAYS)
    files = CoreFile.objects.filter(entity=entity, day__gte=first_day).exclude(state="refused")
    known = {(f.kind, f.day): f for f in files}
    out = []
    for kind in policy.files:
        begun = CoreFile.objects.filter(entity=entity, kind=kind, state="taken").order_by("day").first()
        day = max(first_day, begun.day) if begun is not None and begun.day is not None else today
        while day < today:
            file, due = known.get((kind, day)), due_at(day, policy.due)
            out.append(FileDay(entity, kind, day, due, _state(file, due, at), file))
            day += timedelta(days=1)
    return sorted(out, key=lambda f: (-f.day.toordinal(), f.kind))


def _state(file: CoreFile | None, due: datetime, at: datetime) -> str:
    if file is None:
        return "missing" if at >= due else "waiting"
    if file.state == "taken" and file.taken_at is not None and file.taken_at > due:
        return "late"
    return file.state


def files_refused(entity: LegalEntity, today: date) -> list[CoreFile]:
    """Files that were refused and whose day has not come in since, newest first."""
    rows = CoreFile.objects.filter(entity=entity, state="refused").order_by("-started_at")[:FILE_DAYS]
    taken = CoreFile.objects.filter(entity=entity, state="taken")
    return [f for f in rows if not taken.filter(kind=f.kind, taken_at__gt=f.started_at).exists()]


def instructions_to_work(user: User, on: date) -> QuerySet[Instruction]:
    """Those that somebody must look at: unsettled, or rejected in the last week."""
    within = max((policy_of(e, on).reflect_days for e in entities_overlay(user, on)), default=2)
    rows = instructions_visible(user, on)
    rejected = Q(state="rejected", answered_at__date__gte=on - timedelta(days=7))
    return rows.filter(pk__in=(unsettled(rows, on, within) | rows.filter(rejected)).order_by().values("pk"))


def unsettled(rows: QuerySet[Instruction], today: date, reflect_days: int) -> QuerySet[Instruction]:
    """Instructions that somebody must look at: a problem, or confirmed and not seen in the core's files for too long."""
    late = Q(state="confirmed", answered_at__lt=start_of_day(today - timedelta(days=reflect_days)))
    return rows.filter(~Q(problem="") | late)
