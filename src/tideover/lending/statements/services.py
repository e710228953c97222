"""Use cases of bank statements: accounts, taking in a file or a call, finishing what was cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.crypto import seal, unseal
from tideover.core.ids import handle_new
from tideover.core.packs.load import NoRule
from tideover.core.packs.load import calendar as pack_calendar
from tideover.core.problems import refuse
from tideover.lending.models import BankAccount, BankLine, LegalEntity, Match, StatementBalance, StatementFile
from tideover.lending.statements.correct import settlements_look
from tideover.lending.statements.matching import lines_match
from tideover.lending.statements.reading import file_read
from tideover.lending.statements.rules.line import BadStatement, Reject, Statement
from tideover.lending.statements.store import lines_store

REASON_MAX = 300
CUT_OFF_AFTER = timedelta(minutes=5)
"""An import that has not ended by then was killed, or is very large; to finish it twice does no harm."""


def account_open(
    *, entity: LegalEntity, number: str, name: str, bank: str, opened_on: date, due_hour: int = 9, calendar: str = "", actor: str
) -> BankAccount:
    """Make an account of the lender known. Raises Refused for a number that is known or is none."""
    plain = number.replace(" ", "")
    if not plain.isascii() or not plain.isalnum() or len(plain) > 40:
        raise refuse("bad_account", "an account number has 1 to 40 letters and digits", "number")
    if not -1 <= due_hour <= 23:
        raise refuse("bad_hour", "the hour lies between 0 and 23; -1: no statement is expected", "due_hour")
    try:
        if calendar:
            pack_calendar(calendar)
    except NoRule as error:
        raise refuse("no_such_calendar", str(error), "calendar") from error
    if BankAccount.objects.filter(number=plain).exists():
        raise refuse("known_account", f"account {plain} is known already", "number")
    with transaction.atomic():
        made = BankAccount.objects.create(
            entity=entity, number=plain, name=name[:80], bank=bank[:80], opened_on=opened_on, due_hour=due_hour, calendar=calendar
        )
        log(actor, "bank_account.open", "bank_account", plain, {"entity": entity.code})
    return made


def statement_import(
    data: bytes, name: str, *, actor: str, mapping: str = "", account: str = "", entity_ids: Sequence[int] | None = None
) -> StatementFile:
    """Take in a file. The same bytes again give the file that is here; one that was cut off is finished.

    Lines are stored in short transactions, then each becomes one thing in its own. Rows that could not be read are kept in the
    file's rejects (state partly). entity_ids: the lenders of which the actor may take in statements; None: all.
    Raises BadStatement when nothing of it can be taken; that is written down as a refused file.
    """
    sha = hashlib.sha256(data).hexdigest()
    before = StatementFile.objects.filter(sha256=sha).exclude(state="refused").first()
    if before is not None and before.state != "storing":
        return before
    try:
        kind, statements = file_read(data, mapping=mapping, account=account)
        accounts = accounts_of(statements, entity_ids)
    except BadStatement as error:
        _refused(data, name, sha, error, actor)
        raise
    file = before or _file_make(data, name, sha, kind, accounts[0], statements, actor, {"mapping": mapping, "account": account})
    return _take(file, statements, accounts)


def accounts_of(statements: Sequence[Statement], entity_ids: Sequence[int] | None) -> list[BankAccount]:
    """The account of each statement. Raises BadStatement for one that is not ours, or not the actor's to take in."""
    rows = BankAccount.objects.filter(number__in=[s.account for s in statements]).select_related("entity")
    known = {a.number: a for a in rows if entity_ids is None or a.entity_id in entity_ids}
    for s in statements:
        found = known.get(s.account)
        if found is None:
            raise BadStatement("unknown_account", f"account {s.account} is none of this lender's accounts", s.place)
        if s.currency and s.currency != found.currency:
            raise BadStatement("currency", f"the statement is in {s.currency}, the account in {found.currency}", s.place)
        if found.closed_on is not None and any(x.booked_on > found.closed_on for x in s.lines):
            raise BadStatement("closed_account", f"account {s.account} was closed on {found.closed_on}", s.place)
        late = next((x for x in s.lines if x.booked_on > business_date()), None)
        if late is not None:
            raise BadStatement("future", f"the line is booked on {late.booked_on}, which is still to come", late.place)
    return [known[s.account] for s in statements]


def _refused(data: bytes, name: str, sha: str, error: BadStatement, actor: str) -> None:
    """A refused file is kept too: somebody asks the bank about it. The same refused bytes are one row."""
    at = now()
    with transaction.atomic():
        row, made = StatementFile.objects.get_or_create(
            sha256=sha, state="refused", seen_at=None,
            defaults={
                "reference": handle_new("F"), "name": name[:200], "kind": "", "content": seal(data, "statement"),
                "received_at": at, "actor": actor, "rejects": "[]",
            },
        )  # fmt: skip
        row.code, row.problem, row.place, row.finished_at = error.code, error.message[:500], error.place[:200], at
        row.save(update_fields=["code", "problem", "place", "finished_at"])
        log(actor, "statement.refuse", "statement", row.reference, {"code": error.code, "again": not made})


def _file_make(
    data: bytes, name: str, sha: str, kind: str, account: BankAccount, statements: Sequence[Statement], actor: str,
    options: dict[str, str],
) -> StatementFile:  # fmt: skip
    rejects = [r for s in statements for r in s.rejects]
    with transaction.atomic():
        try:
            with transaction.atomic():
                file = StatementFile.objects.create(
                    reference=handle_new("F"), entity=account.entity, name=name[:200], kind=kind, sha256=sha,
                    content=seal(data, "statement"), rejects=_rejects_json(rejects), rejected_count=len(rejects),
                    pending_count=sum(len(s.pending) for s in statements), lines_count=sum(len(s.lines) for s in statements),
                    received_at=now(), actor=actor, options=options,
                )  # fmt: skip
        except IntegrityError:  # somebody took in the same bytes between our look and our insert
            return StatementFile.objects.exclude(state="refused").get(sha256=sha)
        log(actor, "statement.import", "statement", file.reference, {"sha256": sha, "kind": kind, "lines": file.lines_count})
    return file


def _rejects_json(rejects: Sequence[Reject]) -> str:
    return json.dumps([{"place": r.place, "reason": r.reason, "raw": r.raw} for r in rejects], ensure_ascii=False)


def _take(file: StatementFile, statements: Sequence[Statement], accounts: Sequence[BankAccount]) -> StatementFile:
    """Store what is not here yet, then match it; killed anywhere, run again with the same result."""
    for statement, account in sorted(zip(statements, accounts, strict=True), key=lambda p: p[1].pk):
        lines_store(file, account, statement.lines, "hook" if file.kind == "webhook" else "file")
        _balance_store(file, account, statement)
    lines_match(lines_open(file), actor=file.actor)
    with transaction.atomic():
        new = file.lines.count()
        file.new_count, file.known_count = new, file.lines_count - new
        file.state, file.finished_at = "partly" if file.rejected_count else "done", now()
        file.save(update_fields=["new_count", "known_count", "state", "finished_at"])
    return file


def _balance_store(file: StatementFile, account: BankAccount, s: Statement) -> None:
    if s.opening_minor is None or s.closing_minor is None:
        return
    days = [x.booked_on for x in s.lines]
    last = s.closed_on or (max(days) if days else None)
    first = min(days) if days else last
    if first is None or last is None:
        return
    StatementBalance.objects.get_or_create(
        file=file, account=account, number=f"{s.number}"[:40],
        defaults={
            "first_on": min(first, last), "last_on": last, "opening_minor": s.opening_minor, "closing_minor": s.closing_minor,
        },
    )  # fmt: skip


def lines_open(file: StatementFile) -> list[BankLine]:
    """Lines of a file that are nothing yet."""
    live = Match.objects.filter(line=OuterRef("pk"), undone_at=None)
    rows = file.lines.filter(~Exists(live)).select_related("account__entity", "file")
    return list(rows.order_by("booked_on", "pk"))


def statements_finish(at: datetime) -> int:
    """Take to their end the files and calls that were cut off: stored again from the bytes that are kept, and matched; and look
    again at money that may be the credit of a batch whose results came later; how many.

    Each worker calls it now and then; two that do it at once give the same as one.
    """
    cut_off = list(StatementFile.objects.filter(state="storing", received_at__lt=at - CUT_OFF_AFTER).order_by("pk")[:100])
    for file in cut_off:
        if file.kind == "webhook":
            call_done(file)
        else:
            statement_import(unseal(file.content, "statement"), file.name, actor=file.actor, **file.options)
    return len(cut_off) + settlements_look(business_date(at), actor="worker")


def call_done(file: StatementFile) -> None:
    """Match the lines of a call and close it."""
    lines_match(lines_open(file), actor=file.actor)
    StatementFile.objects.filter(pk=file.pk).update(state="done", finished_at=now())


def file_settle(file: StatementFile, *, reason: str, actor: str) -> StatementFile:
    """Say that a refused or partly read file needs nothing more (the bank sent another, the rows are known).

    Raises Refused without a reason, or when it is neither.
    """
    if not reason.strip():
        raise refuse("missing", "say what was done about it", "reason")
    with transaction.atomic():
        row = StatementFile.objects.select_for_update(of=("self",), no_key=True).get(pk=file.pk)
        if row.state not in ("refused", "partly") or row.seen_at is not None:
            raise refuse("settled", f"{row.reference} needs nothing more", "file")
        row.seen_at = now()
        row.save(update_fields=["seen_at"])
        log(actor, "statement.settle", "statement", row.reference, {"reason": reason.strip()[:REASON_MAX]})
    return row
