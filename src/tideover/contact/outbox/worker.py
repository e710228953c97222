"""The worker process: rounds of `outbox_work` until it is told to stop, its parent is gone, or nothing is due.

Every few minutes it also settles the signatures that have no answer, and ends the imports of statements that were cut off. With
each new business day it first places the money that waited for that day, so that nobody is asked for it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import date

from django.db import DatabaseError, close_old_connections

from tideover.contact.outbox.work import Counts, Gateways, outbox_work
from tideover.core.business_time import business_date, now
from tideover.core.documents.settle import signatures_settle
from tideover.core.lease import owner_new
from tideover.lending.receipts.services import held_apply
from tideover.lending.statements.services import statements_finish

SETTLE_EVERY_S = 300.0
"""How often the worker asks what became of signatures without an answer, and looks for imports that were cut off."""

logger = logging.getLogger(__name__)


def run(*, batch: int, once: bool, parent: int, pause_s: float, stopped: Callable[[], bool]) -> Counts:
    """Work until `stopped` says so; with `once`, until a round finds nothing. Returns what was done in all.

    A database that is away for a moment is waited for; `once` raises instead.
    """
    gateways, owner, total, settle_at, placed_on = Gateways(), owner_new(), Counts(), time.monotonic(), date.min
    try:
        gateways.open_all()
        while not stopped() and not (parent and os.getppid() != parent):
            try:
                if placed_on != (today := business_date()):
                    held_apply(today, actor="worker")
                    placed_on = today
                counts = outbox_work(batch, now(), gateways=gateways, owner=owner)
                if time.monotonic() >= settle_at:
                    settle_at = time.monotonic() + SETTLE_EVERY_S
                    signatures_settle(now(), actor="worker", limit=20)
                    statements_finish(now())
            except DatabaseError:
                if once:
                    raise
                logger.exception("the outbox could not be worked; trying again")
                close_old_connections()
                counts = Counts()
            for f in fields(Counts):
                setattr(total, f.name, getattr(total, f.name) + getattr(counts, f.name))
            if not counts.any():
                if once:
                    break
                time.sleep(pause_s)
    finally:
        gateways.close()
    return total
