"""Work that the book's plain rows cause: holds to review, complaints with a clock, files that did not come in whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core import work, work_sources
from tideover.core.business_time import now, start_of_day
from tideover.core.models import Role, WorkItem
from tideover.core.work_sources import Opening
from tideover.lending.models import Complaint, Hold, ImportBatch
from tideover.lending.models.plain import OfParty
from tideover.lending.panels import EXCEPTIONS
from tideover.lending.services_holds import open_now
from tideover.lending.words import NAMES

STALLED = timedelta(hours=1)
"""A file that has been coming in for longer than this is looked after."""


def _end_of(on: date) -> datetime:
    return start_of_day(on + timedelta(days=1))


def _place(row: OfParty) -> dict[str, str]:
    branch = row.contract.branch if row.contract else row.party.branch
    return {"entity": branch.entity.code, "branch": branch.code} if branch else {}


def _subject(row: OfParty) -> tuple[str, str]:
    return ("loan", row.contract.number) if row.contract else ("party", row.party.reference)


RELATED = ("party__branch__entity", "contract__branch__entity")


def holds_to_review(on: date) -> Iterator[Opening]:
    """Holds in force whose review day has come."""
    for h in Hold.objects.filter(open_now(now()), review_on__lte=on).select_related(*RELATED):
        assert h.review_on is not None
        why = gettext_noop("Review the hold “%(hold)s”: lift it, or say until when it stays.")
        yield Opening(
            f"hold.review:{h.pk}:{h.review_on}", _subject(h), why, Role(h.owner), _end_of(h.review_on),
            why_values={"hold": NAMES.get(h.kind, h.kind)}, **_place(h),
        )  # fmt: skip


def complaints_to_answer(on: date) -> Iterator[Opening]:
    """Open complaints, each with the day by which the law wants an answer."""
    target = EXCEPTIONS["complaint"]
    for c in Complaint.objects.filter(closed_on=None, opened_on__lte=on).select_related(*RELATED):
        why = gettext_noop("Answer the complaint that came in on %(day)s.")
        yield Opening(
            f"complaint.answer:{c.pk}", _subject(c), why, target.owner, _end_of(c.opened_on + timedelta(days=target.days)),
            why_values={"day": c.opened_on.isoformat()}, **_place(c),
        )  # fmt: skip


def files_to_finish(on: date) -> Iterable[Opening]:
    """Files that stopped on their way in: the same command finishes them."""
    why = gettext_noop("The file %(file)s did not come in whole. Run the same import again: it goes on where it stopped.")
    for b in ImportBatch.objects.exclude(state="done").filter(started_at__lt=now() - STALLED):
        yield Opening(
            f"import.failed:{b.pk}", ("import", str(b.pk)), why, Role.ENGINEER, b.started_at + timedelta(days=1),
            why_values={"file": b.file_name},
        )  # fmt: skip


def _address(item: WorkItem) -> str:
    kind, key = item.subject
    return reverse("loan", args=[key]) if kind == "loan" else reverse("person", args=[key]) if kind == "party" else reverse("day")


KINDS = (
    work.WorkKind(
        "hold.review", gettext_noop("Hold to review"), _address,
        {"lifted": gettext_noop("lifted"), "kept": gettext_noop("stays, with a new review day")},
    ),
    work.WorkKind(
        "complaint.answer", gettext_noop("Complaint to answer"), _address,
        {"answered": gettext_noop("answered"), "extended": gettext_noop("answer takes longer, person told")},
    ),
    work.WorkKind("import.failed", gettext_noop("File to finish"), _address, {"done": gettext_noop("brought in")}),
)  # fmt: skip
SOURCES = {"hold.review": holds_to_review, "complaint.answer": complaints_to_answer, "import.failed": files_to_finish}


def kinds_register() -> None:
    """Make the kinds and their sources known."""
    for kind in KINDS:
        work.register(kind)
    for code, source in SOURCES.items():
        work_sources.register(code, source)
