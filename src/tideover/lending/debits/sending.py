"""Batches on their way out. Each step is a short transaction of its own, so that a worker may die between any two of them.

    drafted   each debit is decided once more and marked as sent (journal: sent), or dropped
    ready     what the batch says is fixed, with its hash
    handing   committed before the bank can see anything; whoever dies here leaves debits whose result is unknown
    out       the bank has it: its debits are in flight

A batch is written or posted once. What is not known to have left is never sent again: the bank is asked.
"""

from __future__ import annotations

import hashlib
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from tideover.core.business_time import now
from tideover.core.lease import LEASE, owner_new
from tideover.lending import clock
from tideover.lending.debits import bank
from tideover.lending.debits.answers import batch_settle, next_ask, result_take
from tideover.lending.debits.moves import debit_locked, debit_move
from tideover.lending.debits.planning import still_owed
from tideover.lending.debits.policy import local, policy
from tideover.lending.models import Debit, DebitBatch
from tideover.lending.rules.debit_files import BadFile, Line, batch_write
from tideover.lending.rules.debits import State

ACTOR = "debit-worker"
logger = logging.getLogger(__name__)


def folder(name: str) -> Path:
    """`out` or `in` of the folder that the bank's file transfer serves."""
    found = Path(settings.DEBIT_FOLDER) / name
    found.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def batches_send(at: datetime, *, owner: str = "", limit: int = 10) -> int:
    """Work on batches that have not left; how many were worked on. Safe in any number of processes at once."""
    who = owner or owner_new()
    claimed = _claim(at, who, limit)
    for pk in claimed:
        _send(pk, at, who)
    return len(claimed)


def _claim(at: datetime, owner: str, limit: int) -> list[int]:
    """Batches under this worker's lease."""
    free = Q(lease_until=None) | Q(lease_until__lte=at)
    with transaction.atomic():
        rows = DebitBatch.objects.filter(free, state__in=("drafted", "ready", "handing")).order_by("pk")
        rows = rows.select_for_update(of=("self",), skip_locked=connection.features.has_select_for_update_skip_locked)
        found = [b.pk for b in rows[:limit]]
        DebitBatch.objects.filter(pk__in=found).update(lease_owner=owner, lease_until=max(at, now()) + LEASE)
    return found


def _mine(pk: int, owner: str) -> DebitBatch | None:
    """The batch under its lock, while the lease is ours; inside a transaction."""
    batch = DebitBatch.objects.select_for_update(of=("self",)).select_related("entity").get(pk=pk)
    return batch if batch.lease_owner == owner else None


def _send(pk: int, at: datetime, owner: str) -> None:
    state = DebitBatch.objects.get(pk=pk).state
    if state == "handing":
        _lost(pk, at)
        return
    if state == "drafted" and not _mark(pk, at, owner):
        return
    content = _hand_over(pk, at, owner)
    if content is None:
        return
    batch = DebitBatch.objects.select_related("entity").get(pk=pk)
    if batch.channel == "file":
        _write(folder("out") / f"{batch.number}.txt", content)
        _leave(pk, at, State.IN_FLIGHT, "")
        return
    said = bank.post(batch.number, batch.entity.code, content)
    if said is None:
        _leave(pk, at, State.UNKNOWN, "no_connection")
        return
    _leave(pk, at, State.IN_FLIGHT, "")
    try:
        result_take(said, source="http", at=at, actor=ACTOR)
    except BadFile as error:
        logger.warning("the bank's answer to batch %s cannot be used: %s", batch.number, error)


def _mark(pk: int, at: datetime, owner: str) -> bool:
    """Decide each debit of a batch once more and mark it as sent; each in a transaction of its own."""
    batch = DebitBatch.objects.get(pk=pk)
    for debit_pk in batch.debits.filter(state=State.DRAFTED).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            clock.writing()
            if _renew(pk, at, owner) is None:
                return False
            debit = debit_locked(debit_pk)
            if debit.state == State.DRAFTED:
                _mark_one(debit, batch, at)
    with transaction.atomic():
        mine = _mine(pk, owner)
        if mine is None:
            return False
        sent = list(mine.debits.filter(state=State.SENT))
        mine.count, mine.total_minor = len(sent), sum(d.amount_minor for d in sent)
        mine.state = "ready" if sent else "settled"
        mine.settled_at = None if sent else at
        mine.content_hash = hashlib.sha256(batch_content(mine)).digest() if sent else b""
        mine.save()
    return bool(sent)


def _renew(pk: int, at: datetime, owner: str) -> DebitBatch | None:
    batch = _mine(pk, owner)
    if batch is not None:
        DebitBatch.objects.filter(pk=pk).update(lease_until=max(at, now()) + LEASE)
    return batch


def _mark_one(debit: Debit, batch: DebitBatch, at: datetime) -> None:
    if at >= batch.cut_off_at:
        debit_move(debit, State.FAILED, reason="missed_cut_off", actor=ACTOR)
        return
    owed = still_owed(debit, at)
    if isinstance(owed, str):
        debit_move(debit, State.FAILED, reason=owed, actor=ACTOR)
        return
    debit.amount_minor = owed
    ask_at = batch.cut_off_at + timedelta(hours=policy().answer_hours)
    debit_move(debit, State.SENT, actor=ACTOR, inquire_at=ask_at, detail={"batch": batch.number})


def batch_content(batch: DebitBatch) -> bytes:
    """What goes to the bank: the same bytes whenever it is asked, from what the rows say."""
    rows = batch.debits.exclude(sent_at=None).select_related("account", "mandate", "contract").order_by("pk")
    lines = [
        Line(
            d.reference, d.account.number, d.account.holder, d.account.bank_code, d.amount_minor, d.contract.currency,
            d.part_allowed, d.mandate.reference,
        )
        for d in rows
    ]  # fmt: skip
    return batch_write(
        batch.number, batch.entity.code, batch.debit_on, local(batch.cut_off_at), local(batch.made_at), lines
    )  # fmt: skip


def _hand_over(pk: int, at: datetime, owner: str) -> bytes | None:
    """Commit that the batch is about to leave, and give its bytes; None where it must not leave: its debits fail."""
    with transaction.atomic():
        clock.writing()
        mine = _mine(pk, owner)
        if mine is None or mine.state != "ready":
            return None
        if at >= mine.cut_off_at:
            _drop(mine, at, "missed_cut_off")
            return None
        content = batch_content(mine)
        assert hashlib.sha256(content).digest() == bytes(mine.content_hash), f"{mine.number} is not what was fixed"
        mine.state = "handing"
        mine.save(update_fields=["state"])
    return content


def _drop(batch: DebitBatch, at: datetime, reason: str) -> None:
    """A batch that never left and never will."""
    for pk in batch.debits.filter(state=State.SENT).order_by("pk").values_list("pk", flat=True):
        debit_move(debit_locked(pk), State.FAILED, reason=reason, actor=ACTOR)
    batch.state, batch.settled_at = "settled", at
    batch.save(update_fields=["state", "settled_at"])


def _write(path: Path, content: bytes) -> None:
    """The whole file or none: written beside, flushed to the disk, then renamed."""
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _lost(pk: int, at: datetime) -> None:
    """Nobody knows whether the bank has it; a file that still lies in the folder, whole, is known to be out."""
    batch = DebitBatch.objects.get(pk=pk)
    path = folder("out") / f"{batch.number}.txt"
    if batch.channel == "file" and path.exists():
        _leave(pk, at, State.IN_FLIGHT, "")
    else:
        _leave(pk, at, State.UNKNOWN, "worker_lost")


def _leave(pk: int, at: datetime, to: State, reason: str) -> None:
    batch = DebitBatch.objects.get(pk=pk)
    for debit_pk in batch.debits.filter(state=State.SENT).order_by("pk").values_list("pk", flat=True):
        with transaction.atomic():
            debit = debit_locked(debit_pk)
            if debit.state == State.SENT:
                soon = to == State.UNKNOWN or batch.channel == "http"
                ask_at = next_ask(debit, at) if soon else debit.inquire_at
                debit_move(debit, to, reason=reason, actor=ACTOR, inquire_at=ask_at)
    DebitBatch.objects.filter(pk=pk, state="handing").update(state="out", out_at=at, lease_owner="", lease_until=None)
    with transaction.atomic():
        batch_settle(pk, at)
