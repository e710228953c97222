"""The layout in which debits go to a bank and results come back: lines of fields between bars, UTF-8, LF. docs/debits.md
has it in full. Pure: bytes in, records out, and the other way.

    H|TIDEOVER-DEBIT|1|batch|entity|day of the debits|count|total|cut-off|made at
    D|1|reference|account|holder|bank|amount|CNY|part (Y/N)|mandate
    T|batch|count|total|SHA-256 of all lines before

    H|TIDEOVER-RESULT|1|batch|count|number taken|total taken|made at
    R|reference|code|amount taken|taken at|bank's reference
    T|batch|count|total taken|SHA-256 of all lines before

Amounts are whole minor units; instants ISO 8601 with their offset, to the second.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

AMOUNT = re.compile(r"\d{1,15}")
LINES_MAX = 200_000


class BadFile(ValueError):
    """Why a file cannot be used: it is not whole, its totals do not match, or a line cannot be read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One debit of a batch. amount_minor: minor units."""

    reference: str
    account: str
    holder: str
    bank_code: str
    amount_minor: int
    currency: str
    part_allowed: bool
    mandate: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the bank says of one debit. amount_minor: what it took; taken_at: when the money left; None where none did."""

    reference: str
    code: str
    amount_minor: int
    taken_at: datetime | None
    bank_reference: str


def _clean(text: str) -> str:
    """A field without bars and line ends."""
    return re.sub(r"[|\r\n\0]", " ", text).strip()


def _whole(lines: list[str], tail: Sequence[str]) -> bytes:
    body = "".join(f"{line}\n" for line in lines).encode()
    return body + ("|".join([*tail, hashlib.sha256(body).hexdigest()]) + "\n").encode()


def batch_write(number: str, entity: str, debit_on: date, cut_off: datetime, made_at: datetime, debits: Sequence[Line]) -> bytes:
    """The bytes of a batch."""
    count, total = str(len(debits)), str(sum(d.amount_minor for d in debits))
    stamps = [at.isoformat(timespec="seconds") for at in (cut_off, made_at)]
    lines = ["|".join(["H", "TIDEOVER-DEBIT", "1", number, entity, debit_on.isoformat(), count, total, *stamps])]
    for nr, d in enumerate(debits, start=1):
        part = "Y" if d.part_allowed else "N"
        fields = ["D", str(nr), d.reference, d.account, d.holder, d.bank_code, str(d.amount_minor), d.currency, part, d.mandate]
        lines.append("|".join(map(_clean, fields)))
    return _whole(lines, ["T", number, count, total])


def result_read(data: bytes) -> tuple[str, list[Result]]:
    """(batch, results) of a result file. Raises BadFile, and then nothing of it may be used.

    A file without its last line, with a line changed, a reference twice, or counts and totals that do not match is refused whole.
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadFile("it is not UTF-8") from error
    if len(lines) < 3 or lines[-1] or not lines[-2].startswith("T|"):
        raise BadFile("it ends before its last line: it did not come whole")
    if len(lines) > LINES_MAX:
        raise BadFile(f"it has more than {LINES_MAX} lines")
    head, body, tail = lines[0].split("|"), [x.split("|") for x in lines[1:-2]], lines[-2].split("|")
    if len(head) != 8 or head[:3] != ["H", "TIDEOVER-RESULT", "1"] or len(tail) != 5:
        raise BadFile("it is no result file of version 1")
    if hashlib.sha256(data[: data.rindex(b"T|")]).hexdigest() != tail[4]:
        raise BadFile("its lines do not match the hash in its last line")
    found = [_result(x, nr) for nr, x in enumerate(body, start=2)]
    taken = sum(r.amount_minor for r in found)
    told = (str(len(found)), str(sum(r.amount_minor > 0 for r in found)), str(taken))
    if tuple(head[4:7]) != told or tail[1:4] != [head[3], told[0], told[2]]:
        raise BadFile(f"its totals do not match its lines: {told[0]} lines, {told[2]} taken")
    if len({r.reference for r in found}) != len(found):
        raise BadFile("it answers for a debit twice")
    return head[3], found


def _result(x: list[str], nr: int) -> Result:
    if len(x) != 6 or x[0] != "R" or not AMOUNT.fullmatch(x[3]) or not 0 < len(x[1]) <= 40 or len(x[5]) > 40 or len(x[2]) > 8:
        raise BadFile(f"line {nr} cannot be read")
    try:
        taken_at = datetime.fromisoformat(x[4]) if x[4] else None
    except ValueError as error:
        raise BadFile(f"line {nr}: {x[4]!r} is no time") from error
    amount = int(x[3])
    if (amount > 0) != (taken_at is not None) or (taken_at is not None and taken_at.tzinfo is None):
        raise BadFile(f"line {nr}: money that was taken has a time with its offset, nothing else has one")
    return Result(x[1], x[2], amount, taken_at, x[5])
