"""What the bank answers: files, replies and inquiries, each answer applied once under its debit's lock.

Money that left the customer always counts, whatever was said before. Nothing is taken back by a later failure: a person looks.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Sum

from tideover.core.business_time import business_date, now
from tideover.core.problems import Refused
from tideover.lending.debits import bank
from tideover.lending.debits.moves import debit_locked, debit_move
from tideover.lending.debits.policy import policy, reasons
from tideover.lending.models import Debit, DebitAccount, DebitAnswer, DebitBatch, DebitFile
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.lending.rules.debit_files import BadFile, Result, result_read
from tideover.lending.rules.debits import OPEN, Effect, Reason, State, effect_of

UNREAD = Reason("", "result_unknown", State.UNKNOWN, "", "")
"""A code that is not in the table says nothing: the result is unknown."""
NOT_RECEIVED = "2003"
NOT_RECEIVED_AFTER = timedelta(minutes=15)
"""So long after its cut-off the bank takes nothing of a batch any more, however its clock differs from ours."""
logger = logging.getLogger(__name__)


def answer_apply(said: Result, *, source: str, at: datetime, actor: str, file: DebitFile | None = None) -> str:
    """Apply one answer in one transaction; its effect. An answer about a reference that is not ours is kept as a stranger.

    "Never received" counts only once the batch's cut-off has passed, after which the bank takes nothing of it any more. Money
    that no loan can take (a day before the loan began) is a conflict: the debit stays as it is, and a person looks.
    """
    found = Debit.objects.filter(reference=said.reference).values_list("pk", flat=True).first()
    if found is None:
        _keep(None, said, source, "stranger", file)
        return "stranger"
    try:
        return _apply(found, said, source, at, actor, file)
    except Refused as refused:
        logger.warning("the bank's answer about %s cannot be booked: %s", said.reference, refused)
        with transaction.atomic():
            debit = debit_locked(found)
            _keep(debit, said, source, Effect.CONFLICT, file)
            _again(debit, State(debit.state), at)
        return Effect.CONFLICT


def _apply(pk: int, said: Result, source: str, at: datetime, actor: str, file: DebitFile | None) -> str:
    with transaction.atomic():
        debit = debit_locked(pk)
        code = reasons().get(said.code, UNREAD)
        state = State.TAKEN if said.amount_minor > 0 else code.state if code.state != State.TAKEN else State.UNKNOWN
        if said.code == NOT_RECEIVED and at < debit.batch.cut_off_at + NOT_RECEIVED_AFTER:
            state, code = State.UNKNOWN, UNREAD
        effect = effect_of(State(debit.state), debit.taken_minor, state, said.amount_minor)
        if debit.state == State.FAILED and state == State.FAILED and source == "inquiry":
            debit.inquire_at = None  # the bank was asked, and the failure stands
            debit.save(update_fields=["inquire_at"])
        if effect == Effect.REPEATED and debit.answers.filter(code=said.code, amount_minor=said.amount_minor).exists():
            _again(debit, state, at)
            return effect
        _keep(debit, said, source, effect, file)
        if state == State.TAKEN and debit.state not in (State.TAKEN, State.DRAFTED):
            _taken(debit, said, code, actor)
        elif effect == Effect.APPLIED:
            _other(debit, state, code, at, actor)
        else:
            _again(debit, state, at)
        batch_settle(debit.batch_id, at)
    return effect


def _keep(debit: Debit | None, said: Result, source: str, effect: str, file: DebitFile | None) -> None:
    DebitAnswer.objects.create(
        debit=debit, source=source, file=file, reference=said.reference, code=said.code, amount_minor=said.amount_minor,
        taken_at=said.taken_at, bank_reference=said.bank_reference, effect=effect, at=now(),
    )  # fmt: skip


def _taken(debit: Debit, said: Result, code: Reason, actor: str) -> None:
    """The money left the customer on the day of `taken_at` in the lender's time zone (until 24:00): it is received that day."""
    assert said.taken_at is not None
    debit.taken_minor, debit.value_date = said.amount_minor, business_date(said.taken_at)
    debit.bank_reference = said.bank_reference
    was = debit.state
    debit_move(debit, State.TAKEN, reason=code.reason if code.state == State.TAKEN else "taken", actor=actor, detail={"was": was})
    account, contract = debit.account, debit.contract
    receipt_record(
        entity_id=contract.entity_id, party=contract.borrower, amount_minor=said.amount_minor, received_on=debit.value_date,
        payer=Payer(account.holder, account.number, account.bank_name), source=Source("debit", debit.reference), debit=debit,
        idempotency_key=f"debit:{debit.reference}", actor=actor,
    )  # fmt: skip


def _other(debit: Debit, state: State, code: Reason, at: datetime, actor: str) -> None:
    ask_at = next_ask(debit, at) if state in OPEN else None
    if state == State.FAILED and bank.is_set_up():
        # A failure is asked after until the bank has said once more that it stands: a bank may have been wrong.
        ask_at = max(at, debit.batch.cut_off_at) + timedelta(hours=policy().answer_hours)
    debit_move(debit, state, reason=code.reason, actor=actor, inquire_at=ask_at)
    if state == State.FAILED and code.stops:
        DebitAccount.objects.filter(pk=debit.account_id).update(fault=code.reason)


def _again(debit: Debit, state: State, at: datetime) -> None:
    """Nothing new; what is open is asked after again later."""
    if debit.state in OPEN and state in OPEN:
        debit.inquire_at = next_ask(debit, at)
        debit.save(update_fields=["inquire_at"])


def next_ask(debit: Debit, at: datetime) -> datetime:
    """When the bank is asked next: soon, then more and more rarely."""
    waits = policy().ask_again_minutes
    return at + timedelta(minutes=waits[min(debit.inquiries, len(waits) - 1)])


def batch_settle(batch_id: int, at: datetime) -> None:
    """A batch that is out is settled with the last result of its debits; what it took is summed up, again with each later one.

    Inside a transaction, last of its locks: of two workers with the last two results the second sees the first one's.
    """
    DebitBatch.objects.select_for_update(of=("self",), no_key=True).get(pk=batch_id)
    debits = Debit.objects.filter(batch=batch_id)
    if debits.filter(state__in=OPEN).exists():
        return
    DebitBatch.objects.filter(pk=batch_id, state="out").update(state="settled", settled_at=at)
    taken = debits.aggregate(n=Sum("taken_minor"))["n"] or 0
    DebitBatch.objects.filter(pk=batch_id, state="settled").update(taken_minor=taken)


def result_take(data: bytes, *, source: str, at: datetime, actor: str, file: DebitFile | None = None) -> dict[str, int]:
    """Apply every answer of a result, each in a transaction of its own: how many by effect. Empty bytes answer nothing.

    Raises BadFile, and then nothing was applied.
    """
    done: dict[str, int] = {}
    for said in result_read(data)[1] if data else ():
        effect = answer_apply(said, source=source, at=at, actor=actor, file=file)
        done[effect] = done.get(effect, 0) + 1
    return done


def file_take(path: Path, *, at: datetime, actor: str) -> DebitFile:
    """Take in a result file. The same bytes again change nothing; a file that is not whole is refused and says why.

    A worker that dies in it leaves it in `reading`; taken in again, answers that were applied are repeated without effect.
    """
    data = path.read_bytes()
    file, _ = DebitFile.objects.get_or_create(
        sha256=hashlib.sha256(data).digest(), defaults={"name": path.name[:120], "state": "reading", "at": at}
    )
    if file.state != "reading":
        return file
    try:
        number, found = result_read(data)
        file.batch, file.lines = DebitBatch.objects.filter(number=number).first(), len(found)
        file.save(update_fields=["batch", "lines"])
        result_take(data, source="file", at=at, actor=actor, file=file)
        file.state = "applied"
    except BadFile as error:
        file.state, file.problem = "refused", str(error)[:200]
    file.save(update_fields=["state", "problem"])
    return file
