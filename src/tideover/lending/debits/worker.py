"""The worker of debits: plans at its times, sends, takes in results, asks; any number at once, killed at any instant."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.db import DatabaseError, close_old_connections, transaction

from tideover.core.business_time import now
from tideover.core.lease import owner_new
from tideover.core.problems import Refused
from tideover.lending.causes import debit_holds
from tideover.lending.debits import bank
from tideover.lending.debits.answers import NOT_RECEIVED_AFTER, file_take, next_ask, result_take
from tideover.lending.debits.moves import debit_locked, debit_move
from tideover.lending.debits.planning import debits_plan
from tideover.lending.debits.policy import policy
from tideover.lending.debits.selectors import debits_due_to_ask
from tideover.lending.debits.sending import ACTOR, batches_send, folder
from tideover.lending.models import Debit, DebitFile, LegalEntity
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.debit_files import BadFile
from tideover.lending.rules.debits import State

PLAN_EVERY_S = 60.0
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What a round did."""

    batches: int = 0
    sent: int = 0
    files: int = 0
    asked: int = 0

    def any(self) -> bool:
        """Whether it did anything."""
        return any(getattr(self, f.name) for f in fields(self))


def plan_all(at: datetime, actor: str = ACTOR) -> int:
    """Plan every entity whose ledger is ours; how many batches were made."""
    entities = LegalEntity.objects.filter(book_mode=BookMode.RECORD).order_by("pk")
    return sum(len(debits_plan(e, actor=actor, at=at)[0]) for e in entities)


def files_take(at: datetime, actor: str = ACTOR) -> list[DebitFile]:
    """Take in what lies in the `in` folder, in order of name; what was read moves to `in/read`, also a file that is refused."""
    out = []
    for path in sorted(p for p in folder("in").glob("*.txt") if not p.name.startswith(".")):
        try:
            out.append(file_take(path, at=at, actor=actor))
            path.rename(folder("in/read") / path.name)
        except FileNotFoundError:
            continue  # another worker was faster
    return out


def debits_inquire(at: datetime, *, actor: str = ACTOR, limit: int = 200) -> int:
    """Ask the bank about what has no result and whose time has come; how many. Without a bank to ask they wait for its files.

    What the bank should have answered by now becomes unknown first.
    """
    asked = 0
    for pk in list(debits_due_to_ask(at).values_list("pk", flat=True)[:limit]):
        with transaction.atomic():
            debit = debit_locked(pk)
            if (
                debit.state not in (State.IN_FLIGHT, State.UNKNOWN, State.FAILED)
                or debit.inquire_at is None
                or debit.inquire_at > at
            ):
                continue
            debit.inquiries += 1
            ask_at = next_ask(debit, at)
            late = at >= debit.batch.cut_off_at + max(NOT_RECEIVED_AFTER, _answer_time())
            if debit.state == State.FAILED:
                debit.inquire_at = ask_at  # until the bank has answered whether the failure stands
                debit.save(update_fields=["inquiries", "inquire_at"])
            elif debit.state == State.IN_FLIGHT and late:
                debit_move(debit, State.UNKNOWN, reason="no_answer", actor=actor, inquire_at=ask_at)
            else:
                debit.inquire_at = ask_at
                debit.save(update_fields=["inquiries", "inquire_at"])
                debit_holds(debit.contract, debit.reference, moves=True, actor=actor)
        if not bank.is_set_up():
            continue
        asked += 1
        debit_ask(debit, at=at, actor=actor)
    return asked


def debit_ask(debit: Debit, *, at: datetime, actor: str) -> None:
    """Ask the bank about one debit now and apply what it says; no answer changes nothing."""
    said = bank.inquire(debit.reference)
    try:
        result_take(said or b"", source="inquiry", at=at, actor=actor)
    except BadFile as error:
        logger.warning("the bank's answer about %s cannot be used: %s", debit.reference, error)


def _answer_time() -> timedelta:
    return timedelta(hours=policy().answer_hours)


def round_work(at: datetime, *, owner: str = "", plans: bool = True) -> Counts:
    """One round: plan (when `plans`), send, take in, ask."""
    counts = Counts()
    if plans:
        counts.batches = plan_all(at)
    counts.sent = batches_send(at, owner=owner)
    counts.files = len(files_take(at))
    counts.asked = debits_inquire(at)
    return counts


def run(*, once: bool, parent: int, pause_s: float, stopped: Callable[[], bool]) -> Counts:
    """Work until `stopped` says so or the parent is gone; with `once`, until a round finds nothing."""
    owner, total, plan_at = owner_new(), Counts(), time.monotonic()
    while not stopped() and not (parent and os.getppid() != parent):
        plans = time.monotonic() >= plan_at
        if plans:
            plan_at = time.monotonic() + PLAN_EVERY_S
        try:
            counts = round_work(now(), owner=owner, plans=plans)
        except (DatabaseError, OSError, Refused):
            if once:
                raise
            logger.exception("debits could not be worked; trying again")
            close_old_connections()
            counts = Counts()
        for f in fields(Counts):
            setattr(total, f.name, getattr(total, f.name) + getattr(counts, f.name))
        if not counts.any():
            if once:
                break
            time.sleep(pause_s)
    return total
