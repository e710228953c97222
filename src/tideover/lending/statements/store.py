"""Storing lines: each is recognised against what is here under the lock of its account, and written once."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Count, Q

from tideover.core.crypto import search_hash
from tideover.core.ids import handle_new
from tideover.core.keys import SEARCH, lasting_key
from tideover.lending import clock
from tideover.lending.models import BankAccount, BankLine, LineSeen, Match, StatementFile
from tideover.lending.rules.bank_match import Reason
from tideover.lending.rules.fingerprint import Family, Key, Verdict, occurrences, recognise, text_of
from tideover.lending.statements.rules.line import Line

CHUNK = 2000
"""Lines a transaction: well under a second."""


@dataclass(slots=True)
class Stored:
    """What became of the lines of a file: those that are new, and how many were here already."""

    new: list[BankLine] = field(default_factory=list)
    known: int = 0


def keyed(text: str) -> bytes:
    """Keyed hash (16 bytes) of a text as it stands; unlike `search_hash` it keeps hyphens and spaces."""
    return hmac.digest(lasting_key(SEARCH), b"bank-line:" + text.encode(), hashlib.sha256)[:16]


def account_hash(account: str) -> bytes:
    """Search hash of an account told in full; empty for a masked one or none."""
    return search_hash(account) if account and "*" not in account and len(account) >= 4 else b""


def lines_store(file: StatementFile, account: BankAccount, lines: Sequence[Line], family: Family) -> Stored:
    """Store the lines of one account, in short transactions; what was stored of this file before is left as it is.

    Two importers of one account wait for one another here: of the same line only one stores it.
    """
    out = Stored()
    ids = {line.bank_id for line in lines if line.bank_id}
    for chunk in _chunks(sorted(lines, key=lambda x: x.booked_on)):
        with transaction.atomic():
            clock.writing()
            BankAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
            _chunk_store(file, account, chunk, family, ids, out)
    return out


def _chunks(lines: Sequence[Line]) -> Iterable[list[Line]]:
    """Lines in chunks that keep a day together, where a day is no larger than a chunk: equal lines are numbered within it."""
    chunk: list[Line] = []
    for _, day in groupby(lines, key=lambda x: x.booked_on):
        of_day = list(day)
        if chunk and len(chunk) + len(of_day) > CHUNK:
            yield chunk
            chunk = []
        chunk += of_day
    if chunk:
        yield chunk


def _chunk_store(
    file: StatementFile, account: BankAccount, lines: Sequence[Line], family: Family, ids: set[str], out: Stored
) -> None:
    done = set(LineSeen.objects.filter(file=file).values_list("place", flat=True))
    lines = [x for x in lines if x.place not in done]
    if not lines:
        return
    keys = [_key(x) for x in lines]
    known = _known(file, account, lines)
    verdicts = recognise(keys, [k for k, _ in known], family, ids)
    rows = {k.known_as: row for k, row in known}
    fresh = [(x, k, v) for x, k, v in zip(lines, keys, verdicts, strict=True) if not v.same_as]
    made = _make(file, account, fresh)
    seen = [(rows[v.same_as], x) for x, v in zip(lines, verdicts, strict=True) if v.same_as]
    seen += [(row, x) for row, (x, _, _) in zip(made, fresh, strict=True)]
    LineSeen.objects.bulk_create(
        [LineSeen(line=row, file=file, place=x.place[:200], bank_id=x.bank_id[:80]) for row, x in seen]
    )  # fmt: skip
    doubts = [(row, v.perhaps) for row, (_, _, v) in zip(made, fresh, strict=True) if v.perhaps]
    at = clock.stamp(joined=True)
    Match.objects.bulk_create(
        [
            Match(line=row, kind="doubt", of=other, reasons=[Reason("same_as", {"line": other}).json()], at=at, actor=file.actor)
            for row, other in doubts
        ]
    )
    out.new += [row for row, (_, _, v) in zip(made, fresh, strict=True) if not v.perhaps]
    out.known += len(seen) - len(made)


def _key(x: Line) -> Key:
    return Key(
        x.booked_on, x.direction, x.amount_minor, x.bank_id, x.entry_id, x.name, x.account, x.reference, x.reversal,
        x.balance_minor, x.per_day,
    )  # fmt: skip


def _known(file: StatementFile, account: BankAccount, lines: Sequence[Line]) -> list[tuple[Key, BankLine]]:
    """Lines of the account that these could be: by day and amount, by an id under which they came, or by their entry."""
    ids = {x.bank_id for x in lines if x.bank_id}
    entries = {x.entry_id for x in lines if x.entry_id}
    same = Q(booked_on__in={x.booked_on for x in lines}, amount_minor__in={x.amount_minor for x in lines})
    by_id = Q(pk__in=LineSeen.objects.filter(bank_id__in=ids, line__account=account).values("line"))
    found = BankLine.objects.filter(same | by_id | Q(entry_id__in=entries), account=account)
    found = found.exclude(pk__in=LineSeen.objects.filter(file=file).values("line")).order_by("pk")
    out = []
    for row in found.prefetch_related("seen__file"):
        came = frozenset(("hook" if s.file.kind == "webhook" else "file", s.bank_id) for s in row.seen.all() if s.bank_id)
        out.append((_key_of(row, came), row))
    return out


def _key_of(row: BankLine, came: frozenset[tuple[str, str]]) -> Key:
    return Key(
        row.booked_on, row.direction, row.amount_minor, row.bank_id, row.entry_id, row.name, row.counter_account, row.words,
        row.is_reversal, row.balance_minor, known_as=row.reference, ids=came,
    )  # fmt: skip


def _make(file: StatementFile, account: BankAccount, fresh: Sequence[tuple[Line, Key, Verdict]]) -> list[BankLine]:
    if not fresh:
        return []
    keys = [k for _, k, _ in fresh]
    bases = [text_of(account.number, k, 0) for k in keys]
    hashes = {keyed(b): b for b in bases}
    counted = BankLine.objects.filter(base_key__in=list(hashes)).values("base_key").annotate(n=Count("pk")).order_by()
    taken: Counter[str] = Counter({hashes[bytes(r["base_key"])]: r["n"] for r in counted})
    at = clock.stamp(joined=True)
    texts = occurrences(account.number, keys, taken)
    rows = [_row(file, account, x, b, t, at) for (x, _, _), b, t in zip(fresh, bases, texts, strict=True)]
    return BankLine.objects.bulk_create(rows, batch_size=500)


def _row(file: StatementFile, account: BankAccount, x: Line, base: str, text: str, at: Any) -> BankLine:
    return BankLine(
        reference=handle_new("L"), account=account, file=file, place=x.place[:200], booked_on=x.booked_on, value_on=x.value_on,
        amount_minor=x.amount_minor, direction=x.direction, name=x.name[:200], counter_account=x.account[:60],
        counter_bank=x.bank[:80], counter_hash=account_hash(x.account), words=x.reference, end_to_end=x.end_to_end[:80],
        text=x.text, bank_id=x.bank_id[:80], entry_id=(x.entry_id or x.bank_id)[:80], is_reversal=x.reversal,
        balance_minor=x.balance_minor, fingerprint=keyed(text), base_key=keyed(base), recorded_at=at,
    )  # fmt: skip
