"""How often a name may try to sign in: failures are entries of the action log, under a keyed hash of what was typed."""

from __future__ import annotations

from datetime import datetime, timedelta

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.crypto import search_hash
from tideover.core.models import ActionLog

TRIES = 5
WINDOW = timedelta(minutes=15)
FAILED = "sign-in.failed"


def _handle(name: str) -> str:
    """People type passwords into the name field, so the log never sees what was typed."""
    return search_hash(name.strip().lower()).hex()


def failure_log(name: str) -> None:
    """Note one wrong password."""
    log("sign-in", FAILED, "name", _handle(name))


def locked_until(name: str) -> datetime | None:
    """When a name that failed too often may try again; None while it may. A try that is turned away is not counted."""
    failed = ActionLog.objects.filter(object_id=_handle(name), action=FAILED, at__gt=now() - WINDOW)
    times = list(failed.order_by("-at").values_list("at", flat=True)[:TRIES])
    return times[-1] + WINDOW if len(times) == TRIES else None
