"""Which days keep their tapes: every day of the last TAPE_MONTHS months, and the last closed day of each month for good.

A pruned day's run stays, with its figures, digest and `pruned_at`; whoever asks for its tape is told so. The row says it before
the first file goes, so a run that was killed leaves at most files that nobody reads, and the next one takes them away.
"""

from __future__ import annotations

import shutil
from datetime import date

from django.conf import settings

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.daily.models import CloseRun, runs_closed, runs_kept
from tideover.daily.reading import tape_folder


def first_kept(on: date, months: int) -> date:
    """The first day whose tapes are all kept on `on`: the first of the month, `months` months back."""
    month = on.year * 12 + on.month - 1 - months
    return date(month // 12, month % 12 + 1, 1)


def prunable(on: date, months: int | None = None) -> list[CloseRun]:
    """The days whose tapes the rule gives up on `on`, oldest first. months: instead of the setting; 0 keeps everything."""
    months = settings.TAPE_MONTHS if months is None else months
    if months <= 0:
        return []
    runs = list(runs_kept())
    ends = {(r.as_of.year, r.as_of.month): r.as_of for r in runs}  # the last one of a month stays
    before = first_kept(on, months)
    return [r for r in runs if r.as_of < before and r.as_of not in ends.values()]


def prune(on: date, *, actor: str, months: int | None = None) -> list[date]:
    """Delete the tapes that the rule gives up; the days."""
    done = []
    for run in prunable(on, months):
        CloseRun.objects.filter(pk=run.pk, state="done").update(pruned_at=now())
        done.append(run.as_of)
    for run in runs_closed().filter(pruned_at__isnull=False):
        shutil.rmtree(tape_folder(run.as_of), ignore_errors=True)
    if done:
        log(actor, "tape.prune", "close", done[-1].isoformat(), {"days": [d.isoformat() for d in done]})
    return done
