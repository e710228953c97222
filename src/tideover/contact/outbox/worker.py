"""The worker process: rounds of `outbox_work` until it is told to stop, its parent is gone, or nothing is due."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import fields

from django.db import DatabaseError, close_old_connections

from tideover.contact.outbox.work import Counts, Gateways, outbox_work
from tideover.core.business_time import now
from tideover.core.lease import owner_new

logger = logging.getLogger(__name__)


def run(*, batch: int, once: bool, parent: int, pause_s: float, stopped: Callable[[], bool]) -> Counts:
    """Work until `stopped` says so; with `once`, until a round finds nothing. Returns what was done in all.

    A database that is away for a moment is waited for; `once` raises instead.
    """
    gateways, owner, total = Gateways(), owner_new(), Counts()
    try:
        gateways.open_all()
        while not stopped() and not (parent and os.getppid() != parent):
            try:
                counts = outbox_work(batch, now(), gateways=gateways, owner=owner)
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
