"""Receipts over several debts: the debtor's designation first, then what was agreed, then Civil Code art. 560 (抵充顺序).

Pure and exact. Receipts of one day are divided together, so that neither the order in which they were entered nor their names
change any debt's share: designations receipt by receipt, then what is left of all of them as one sum. Receipts take turns by what
they are (`_turn`), debts of equal rank by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tideover.engine.terms import ORDER_CIVIL_CODE, Component


class Step(StrEnum):
    """Which step gave a part: why this debt was paid before the others. `law_*`: the point of art. 560 that decided."""

    DESIGNATION = "designation"
    CONTRACT = "contract"
    LAW_ONLY = "law_only"
    LAW_DUE = "law_due"
    LAW_SECURITY = "law_security"
    LAW_BURDEN = "law_burden"
    LAW_EARLIEST = "law_earliest"
    LAW_PRO_RATA = "law_pro_rata"
    NOT_YET_DUE = "not_yet_due"
    DEBIT = "debit"
    BY_HAND = "by_hand"
    CORE = "core"


DECIDED_BY = (Step.LAW_DUE, Step.CONTRACT, Step.CONTRACT, Step.LAW_SECURITY, Step.LAW_BURDEN, Step.LAW_EARLIEST)
"""By place in the key of `_groups`: the step that puts one group of debts before another."""
Given = list[tuple[Step, int]]
"""What steps gave a debt, in order (minor units)."""


@dataclass(frozen=True, slots=True)
class Debt:
    """One debt as a receipt meets it. `claims_minor`: what it asks for by component; `security_rank`: 0 is the least secured.

    agreed_rank: its place in an order that lender and debtor agreed on (None: in none). named_max_minor: what it takes from a
    debtor who names it with an amount (None: no more than it asks for).
    """

    id: str
    due_on: int
    annual_rate_ppm: int
    claims_minor: Mapping[Component, int]
    security_rank: int = 0
    agreed_rank: int | None = None
    named_max_minor: int | None = None

    @property
    def total_minor(self) -> int:
        return sum(self.claims_minor.values())

    def named(self, wish: int | None) -> int:
        """What it takes of a designation: without an amount as much as it asks for; a debt that asks nothing, all of it."""
        most = self.total_minor if self.named_max_minor is None else max(self.named_max_minor, self.total_minor)
        if wish is None:
            return self.total_minor or most
        return min(wish, most)


@dataclass(frozen=True, slots=True)
class Money:
    """One receipt that is here on a day: amount in minor units; designation as in `apportion`; on: the day it came in."""

    id: str
    amount_minor: int
    designation: Sequence[Mapping[str, object]] | None = None
    on: int = 0


@dataclass(slots=True)
class Division:
    """given[money][debt]: what each receipt gives each debt, step by step; left_minor[money]: what no debt could take."""

    given: dict[str, dict[str, Given]] = field(default_factory=dict)
    left_minor: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Apportionment:
    """What each debt gets by component (minor) and by step, and what no debt could take. Always adds up to the receipt."""

    by_debt: dict[str, dict[Component, int]] = field(default_factory=dict)
    steps: dict[str, Given] = field(default_factory=dict)
    unapplied_minor: int = 0


def apportion(
    amount_minor: int,
    debts: Sequence[Debt],
    *,
    received_on: int,
    designation: Sequence[Mapping[str, object]] | None = None,
    within_order: Sequence[Component] = ORDER_CIVIL_CODE,
) -> Apportionment:
    """Divide `amount_minor` (> 0) among `debts`.

    designation: [{"debt": id, "amount": decimal string or minor int}]; an amount left out means as much as the debt asks.
    Order without one: due debts first; the agreed order; least secured; heaviest burden (annual rate); earliest due; pro rata by
    claim with the residue to the largest fraction, then the lowest id. Source: Civil Code art. 560 and 561.
    Raises ValueError for an unknown debt in the designation or an amount that is not positive.
    """
    if amount_minor <= 0:
        raise ValueError(f"a receipt must be positive, not {amount_minor}")
    found = divide_day([Money("", amount_minor, designation)], debts, received_on=received_on)
    steps = found.given[""]
    order = (*within_order, *(c for c in Component if c not in within_order))
    by_debt = {d.id: _within(sum(a for _, a in steps.get(d.id, [])), d, order) for d in debts}
    return Apportionment(by_debt, steps, found.left_minor[""])


def divide_day(monies: Sequence[Money], debts: Sequence[Debt], *, received_on: int) -> Division:
    """Divide the receipts of one day. Σ given + left = amount of each; a debt gets no more than it takes.

    The order of `monies` and of `debts` changes nothing; other ids of the monies change no debt's share. Raises ValueError for an
    unknown debt in a designation.
    """
    ordered = sorted(monies, key=_turn)
    known = {d.id: d for d in debts}
    out = Division({m.id: {} for m in ordered}, {m.id: m.amount_minor for m in ordered})
    total = dict.fromkeys(known, 0)
    for m in ordered:
        for line in m.designation or ():
            name = str(line["debt"])
            if name not in known:
                raise ValueError(f"the designation names debt {name}, which the payer does not have")
            room = known[name].named(_wish(line.get("amount"))) - total[name]
            _give(out, total, m.id, name, Step.DESIGNATION, min(out.left_minor[m.id], max(0, room)))
    groups = _groups(debts, received_on)
    for key, group in groups:
        asked = {d.id: max(0, d.total_minor - total[d.id]) for d in group}
        step = _step(key, group, groups)
        parts = _pro_rata(min(sum(out.left_minor.values()), sum(asked.values())), asked)
        for name, part in parts.items():
            for m in ordered:
                now = min(part, out.left_minor[m.id])
                _give(out, total, m.id, name, step, now)
                part -= now
    return out


def _turn(m: Money) -> tuple[int, int, str, str]:
    """Whose turn it is: money that came earlier, then the larger, then by its words; alike in all that, the ids only name it."""
    said = [(str(line["debt"]), str(line.get("amount"))) for line in m.designation or ()]
    return m.on, -m.amount_minor, str(said), m.id


def _give(out: Division, total: dict[str, int], money: str, debt: str, step: Step, amount: int) -> None:
    if amount <= 0:
        return
    given = out.given[money].setdefault(debt, [])
    if given and given[-1][0] == step:
        amount_before = given.pop()[1]
        given.append((step, amount_before + amount))
    else:
        given.append((step, amount))
    total[debt] += amount
    out.left_minor[money] -= amount


def _wish(value: object) -> int | None:
    if value is None or isinstance(value, int):
        return value
    whole, _, cents = str(value).partition(".")
    return int(whole) * 100 + int((cents + "00")[:2])


Key = tuple[int, int, int, int, int, int]


def _groups(debts: Sequence[Debt], received_on: int) -> list[tuple[Key, list[Debt]]]:
    ranked: dict[Key, list[Debt]] = {}
    for d in sorted(debts, key=lambda d: d.id):
        if not d.total_minor:
            continue
        rank = d.agreed_rank
        key = (
            int(d.due_on > received_on), int(rank is None), rank if rank is not None else 0, d.security_rank,
            -d.annual_rate_ppm, d.due_on,
        )  # fmt: skip
        ranked.setdefault(key, []).append(d)
    return [(k, ranked[k]) for k in sorted(ranked)]


def _step(key: Key, group: Sequence[Debt], groups: Sequence[tuple[Key, list[Debt]]]) -> Step:
    """Why a group of debts has its place: what sets it apart from the next one (the last: from the one before)."""
    if key[0]:
        return Step.NOT_YET_DUE
    if not key[1]:
        return Step.CONTRACT
    if len(group) > 1:
        return Step.LAW_PRO_RATA
    at = next(n for n, (k, _) in enumerate(groups) if k == key)
    other = groups[at + 1][0] if at + 1 < len(groups) else groups[at - 1][0] if at else None
    if other is None:
        return Step.LAW_ONLY
    return DECIDED_BY[next(n for n in range(len(key)) if key[n] != other[n])]


def _pro_rata(amount: int, asked: Mapping[str, int]) -> dict[str, int]:
    total = sum(asked.values())
    if not total or not amount:
        return {}
    parts = {name: amount * claim // total for name, claim in asked.items()}
    rest = amount - sum(parts.values())
    by_fraction = sorted(asked, key=lambda n: (-(amount * asked[n] % total), n))
    for name in by_fraction[:rest]:
        parts[name] += 1
    return parts


def _within(amount: int, debt: Debt, order: Sequence[Component]) -> dict[Component, int]:
    out: dict[Component, int] = {}
    for component in order:
        part = min(amount, debt.claims_minor.get(component, 0))
        if part:
            out[component] = part
            amount -= part
    return out
