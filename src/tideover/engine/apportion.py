"""One receipt over several debts: the debtor's designation first, then Civil Code art. 560 (抵充顺序), pure and exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tideover.engine.terms import ORDER_CIVIL_CODE, Component


@dataclass(frozen=True, slots=True)
class Debt:
    """One debt as a receipt meets it. `claims_minor`: what it asks for by component; `security_rank`: 0 is the least secured."""

    id: str
    due_on: int
    annual_rate_ppm: int
    claims_minor: Mapping[Component, int]
    security_rank: int = 0

    @property
    def total_minor(self) -> int:
        return sum(self.claims_minor.values())


@dataclass(slots=True)
class Apportionment:
    """What each debt gets by component (minor), and what no debt could take. The parts always add up to the receipt."""

    by_debt: dict[str, dict[Component, int]] = field(default_factory=dict)
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
    Order without one: due debts first; least secured; heaviest burden (annual rate); earliest due; pro rata by claim with the
    residue to the largest fraction, then the lowest id. Source: Civil Code art. 560 and 561.
    Raises ValueError for an unknown debt in the designation or an amount that is not positive.
    """
    if amount_minor <= 0:
        raise ValueError(f"a receipt must be positive, not {amount_minor}")
    known = {d.id: d for d in debts}
    given = {d.id: 0 for d in debts}
    left = amount_minor
    for line in designation or ():
        name = str(line["debt"])
        if name not in known:
            raise ValueError(f"the designation names debt {name}, which the payer does not have")
        wish = _wish(line.get("amount"), left)
        part = min(left, wish, known[name].total_minor - given[name])
        given[name] += part
        left -= part
    for group in _groups(debts, received_on):
        asked = {d.id: d.total_minor - given[d.id] for d in group}
        for name, part in _pro_rata(min(left, sum(asked.values())), asked).items():
            given[name] += part
            left -= part
    order = (*within_order, *(c for c in Component if c not in within_order))
    return Apportionment({d.id: _within(given[d.id], d, order) for d in debts}, left)


def _wish(value: object, left: int) -> int:
    if value is None:
        return left
    if isinstance(value, int):
        return value
    whole, _, cents = str(value).partition(".")
    return int(whole) * 100 + int((cents + "00")[:2])


def _groups(debts: Sequence[Debt], received_on: int) -> list[list[Debt]]:
    ranked: dict[tuple[int, int, int, int], list[Debt]] = {}
    for d in debts:
        key = (int(d.due_on > received_on), d.security_rank, -d.annual_rate_ppm, d.due_on)
        ranked.setdefault(key, []).append(d)
    return [ranked[k] for k in sorted(ranked)]


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
