"""What the packs say to the books: the non-accrual and tax rules of an entity, with the days on which they change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import NamedTuple

from tideover.accounting.rules.accrual import NonAccrual, nonaccrual_read
from tideover.accounting.rules.tax import Relief, Vat, relieved, vat_read
from tideover.core.packs.load import NoRule, pack, rule
from tideover.core.packs.rules.pack import Rule
from tideover.engine.terms import day

NON_ACCRUAL, VAT = "books.non_accrual", "books.vat"


class Lender(NamedTuple):
    """Under which rules loans stand: those of the pack of a jurisdiction for a kind of lender, and the lender's own tax lines."""

    jurisdiction: str
    kind: str
    reliefs: tuple[Relief, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A tax rule and the first day (int) on which it holds."""

    from_day: int
    vat: Vat


def rule_for(jurisdiction: str, name: str, lender: str, on: date) -> Rule:
    """The rule of a kind of lender, else the general one. Raises NoRule when the pack has neither on the day."""
    try:
        return rule(jurisdiction, f"{name}.{lender}", on)
    except NoRule:
        return rule(jurisdiction, name, on)


def _said(r: Rule) -> str:
    return f"{r.id}: {r.citation}"


@cache
def nonaccrual_on(jurisdiction: str, lender: str, on: date) -> NonAccrual:
    """When interest stops being income on a day."""
    found = rule_for(jurisdiction, NON_ACCRUAL, lender, on)
    return nonaccrual_read(found.values, _said(found))


@cache
def vat_spans(jurisdiction: str, lender: str, reliefs: tuple[Relief, ...] = ()) -> tuple[Span, ...]:
    """The tax rules in order of time; the first holds since ever. reliefs: lines of the lender's own table, the first wins."""
    rules = pack(jurisdiction).rules
    own, general = rules.get(f"{VAT}.{lender}", ()), rules.get(VAT, ())
    told = (*own, *general, *reliefs)
    first = min((r.valid_from for r in (*own, *general)), default=date.max)
    days = sorted(d for d in {first, *(r.valid_from for r in told), *(r.valid_to for r in told if r.valid_to)} if first <= d)
    out: list[Span] = []
    for on in days if first < date.max else ():
        found = rule_for(jurisdiction, VAT, lender, on)
        vat = relieved(vat_read(found.values, _said(found)), reliefs, on)
        same = out and (vat.rate_ppm, vat.fee_rate_ppm, vat.interest_days) == (
            out[-1].vat.rate_ppm, out[-1].vat.fee_rate_ppm, out[-1].vat.interest_days,
        )  # fmt: skip
        if not same:
            out.append(Span(day(on), vat))
    return tuple(out)


def vat_on(jurisdiction: str, lender: str, on: date) -> Vat:
    """The tax rule of a day."""
    found = [s.vat for s in vat_spans(jurisdiction, lender) if s.from_day <= day(on)]
    return found[-1] if found else Vat()
