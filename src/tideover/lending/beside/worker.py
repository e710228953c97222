"""The worker of instructions: rounds with the core of each entity that has an address; any number, killed at any time."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from tideover.core.problems import Refused
from tideover.lending.beside.instructions import Counts, instructions_work
from tideover.lending.models import LegalEntity
from tideover.lending.models.organisation import BookMode

logger = logging.getLogger(__name__)


def round_work() -> Counts:
    """One round with every core whose address is set; what they did together."""
    total = Counts()
    for entity in LegalEntity.objects.filter(book_mode=BookMode.OVERLAY, code__in=list(settings.CORES)).order_by("pk"):
        total.add(instructions_work(entity))
    return total


def run(*, once: bool, parent: int, pause_s: float, stopped: Callable[[], bool]) -> Counts:
    """Work until `stopped` says so or the parent is gone; with `once`, until a round moves nothing."""
    total = Counts()
    while not stopped() and not (parent and os.getppid() != parent):
        try:
            counts = round_work()
        except (DatabaseError, OSError, Refused):
            if once:
                raise
            logger.exception("instructions could not be worked; trying again")
            close_old_connections()
            counts = Counts()
        total.add(counts)
        if once and not counts.moved():
            break
        time.sleep(0 if once else pause_s)
    return total
