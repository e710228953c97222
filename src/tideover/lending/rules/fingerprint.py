"""Whether a bank line is here already: the same line in two files, or by webhook and by file, is one line. Pure.

F-1  by the bank's own id: account, id, direction and amount are the same, and the days at most DAYS apart (ids that are counted
     anew each day: the same day). Ids of one kind of source that differ are different lines, whatever else is equal.
F-2  by content, where one of the two has no id or the ids come from different kinds of source: account, day, direction, amount,
     other side and reference are the same; the n-th of equal rows of a file is the n-th of those that are here; two balances
     after the line that differ make two lines.
F-3  an entry that came as one line and comes again as its payments (or the other way round) is known by the entry's id and sum.
F-4  perhaps: account, day, direction and amount are the same and the other side may be, but the reference differs. That is
     asked of somebody: it is neither booked twice nor dropped.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from tideover.lending.rules.payer_names import name_fit, name_key

DAYS = 7
Family = Literal["file", "hook"]


@dataclass(frozen=True, slots=True)
class Key:
    """What a line is recognised by. `known_as`: the line's own name here (empty: it is new); `ids`: every id under which a known
    line came, with the kind of source."""

    booked_on: date
    direction: str
    amount_minor: int
    bank_id: str = ""
    entry_id: str = ""
    name: str = ""
    account: str = ""
    words: str = ""
    reversal: bool = False
    balance_minor: int | None = None
    per_day: bool = False
    known_as: str = ""
    ids: frozenset[tuple[str, str]] = field(default=frozenset())

    @property
    def loose(self) -> tuple[date, str, int, bool]:
        return self.booked_on, self.direction, self.amount_minor, self.reversal

    @property
    def content(self) -> tuple[object, ...]:
        return (*self.loose, other_side(self), text_plain(self.words))

    def id_key(self, bank_id: str) -> tuple[object, ...]:
        """By what an id is looked up."""
        return bank_id, self.direction, self.amount_minor, self.reversal


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of one new line: the known line that it is, or the one that it may be (both empty: it is new), and by which rule."""

    same_as: str = ""
    perhaps: str = ""
    rule: str = ""


def text_plain(text: str) -> str:
    """A reference without what formats change: full width, case, everything but letters and digits."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).upper() if c.isalnum())


def other_side(key: Key) -> str:
    """The other side's account, else name, as a text to compare."""
    return key.account if key.account and "*" not in key.account else name_key(key.name)


def text_of(account: str, key: Key, occurrence: int) -> str:
    """What a new line's fingerprint is a hash of: the bank's id where there is one, else its content; and which of equal ones."""
    if key.bank_id:
        parts = ["id", account, key.bank_id, key.direction, key.amount_minor, key.reversal]
        parts += [key.booked_on] if key.per_day else []
    else:
        parts = ["row", account, *key.content, key.balance_minor]
    return "|".join([str(p).replace("|", "/") for p in parts] + [str(occurrence)])


def recognise(new: Sequence[Key], known: Sequence[Key], family: Family, ids_to_come: Collection[str] = ()) -> list[Verdict]:
    """A verdict for each new line of one account. `known`: lines of the account that no earlier row of this file is.

    ids_to_come: bank ids elsewhere in the same file; a known line with one of them is left for that row.
    """
    out: dict[int, Verdict] = {}
    claimed: set[str] = set()
    _by_id(new, known, out, claimed)
    _by_entry(new, known, out, claimed)
    for n, key in enumerate(new):
        if n not in out:
            found = next((k for k in known if k.known_as not in claimed and _same_content(key, k, family, ids_to_come)), None)
            if found is not None:
                claimed.add(found.known_as)
                out[n] = Verdict(same_as=found.known_as, rule="F-2")
    for n, key in enumerate(new):
        if n not in out:
            found = next((k for k in known if k.known_as not in claimed and _perhaps(key, k, family, ids_to_come)), None)
            if found is not None:
                claimed.add(found.known_as)
                out[n] = Verdict(perhaps=found.known_as, rule="F-4")
    return [out.get(n, Verdict()) for n in range(len(new))]


def _by_id(new: Sequence[Key], known: Sequence[Key], out: dict[int, Verdict], claimed: set[str]) -> None:
    by_id: dict[tuple[object, ...], list[Key]] = defaultdict(list)
    for k in known:
        for bank_id in {i for _, i in k.ids}:
            by_id[k.id_key(bank_id)].append(k)
    for n, key in enumerate(new):
        if not key.bank_id:
            continue
        days = 0 if key.per_day else DAYS
        for k in by_id.get(key.id_key(key.bank_id), ()):
            if k.known_as not in claimed and abs((k.booked_on - key.booked_on).days) <= days:
                claimed.add(k.known_as)
                out[n] = Verdict(same_as=k.known_as, rule="F-1")
                break


def _by_entry(new: Sequence[Key], known: Sequence[Key], out: dict[int, Verdict], claimed: set[str]) -> None:
    """F-3, both ways round."""
    old, fresh = _entries(known), _entries(new)
    for entry, rows in fresh.items():
        there = [k for k in old.get(entry, ()) if k.known_as not in claimed]
        if not there or any(n in out for n, _ in _numbered(new, rows)):
            continue
        one_to_many = (len(there) == 1) != (len(rows) == 1)
        near = all(abs((k.booked_on - rows[0].booked_on).days) <= DAYS for k in there)
        if one_to_many and near and sum(k.amount_minor for k in there) == sum(r.amount_minor for r in rows):
            claimed.update(k.known_as for k in there)
            out.update({n: Verdict(same_as=there[0].known_as, rule="F-3") for n, _ in _numbered(new, rows)})


def _entries(keys: Sequence[Key]) -> dict[tuple[str, str], list[Key]]:
    out: dict[tuple[str, str], list[Key]] = defaultdict(list)
    for k in keys:
        if k.entry_id and not k.per_day:
            out[k.entry_id, k.direction].append(k)
    return out


def _numbered(new: Sequence[Key], rows: Sequence[Key]) -> list[tuple[int, Key]]:
    wanted = {id(r) for r in rows}
    return [(n, k) for n, k in enumerate(new) if id(k) in wanted]


def _may_pair(key: Key, k: Key, family: Family, ids_to_come: Collection[str]) -> bool:
    """Whether two lines with the same day, direction and amount can be one at all."""
    if key.loose != k.loose:
        return False
    if key.balance_minor is not None and k.balance_minor is not None and key.balance_minor != k.balance_minor:
        return False
    if any(i in ids_to_come for _, i in k.ids):
        return False
    return not (key.bank_id and any(f == family for f, _ in k.ids))


def _same_content(key: Key, k: Key, family: Family, ids_to_come: Collection[str]) -> bool:
    return _may_pair(key, k, family, ids_to_come) and key.content == k.content


def _perhaps(key: Key, k: Key, family: Family, ids_to_come: Collection[str]) -> bool:
    """The other side is not clearly another: accounts that are both told in full are equal, names that are both told may fit."""
    if not _may_pair(key, k, family, ids_to_come):
        return False
    if key.account and k.account and "*" not in key.account + k.account:
        return key.account == k.account
    return not (key.name and k.name) or bool(name_fit(key.name, k.name) or name_fit(k.name, key.name))


def occurrences(account: str, keys: Sequence[Key], taken: Counter[str]) -> list[str]:
    """Texts of fingerprints of lines that are all new, each different. `taken`: by text without number, how many are here."""
    out = []
    for key in keys:
        base = text_of(account, key, 0)
        taken[base] += 1
        out.append(text_of(account, key, taken[base]))
    return out
