"""What each loan of a borrower asks for on a day: debts as `engine.apportion` reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from tideover.core.sql import among, answers, objects, rows_read, to_read, whole
from tideover.engine.apportion import Debt
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, Component, Surplus, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.models import Collateral, Contract, LegalEntity, LoanParty, Party, Product

UNSECURED, GUARANTEED, MORTGAGED = 0, 1, 2
"""Civil Code art. 560 pays the least secured debt first."""
COMING = "+"
"""At the end of a debt's id: the loan's next instalment, which is not due yet."""


def loans_of(party: Party | int, entity_id: int) -> list[Contract]:
    """The loans of a borrower with one entity, by id."""
    person = party.pk if isinstance(party, Party) else party
    rows = rows_read(Contract, whole(Contract), "borrower_id = %s AND entity_id = %s", [person, entity_id], "ORDER BY id")
    found = objects(Contract, rows)
    if not found:
        return found
    products, entities = answers(
        to_read(Product, whole(Product), *among("id", sorted({c.product_id for c in found}))),
        to_read(LegalEntity, whole(LegalEntity), "id = %s", [entity_id]),
    )
    product_of, [entity] = {p.pk: p for p in objects(Product, products)}, objects(LegalEntity, entities)
    for c in found:
        c.product, c.entity = product_of[c.product_id], entity
        if isinstance(party, Party):
            c.borrower = party
    return found


def security_ranks(loans: Sequence[Contract]) -> dict[int, int]:
    """How well each loan is secured, by contract id."""
    ids = [c.pk for c in loans]
    named, bound = among("contract_id", ids)
    stands, pledged = answers(
        to_read(LoanParty, ("contract_id",), f"{named} AND role LIKE %s", [*bound, "guarant%"]),
        to_read(Collateral, ("contract_id",), named, bound),
    )
    out = dict.fromkeys(ids, UNSECURED)
    out |= dict.fromkeys((pk for (pk,) in stands), GUARANTEED)
    out |= dict.fromkeys((pk for (pk,) in pledged), MORTGAGED)
    return out


def agreed_rank(contract: Contract) -> int | None:
    """The loan's place in the order that its contract agrees (product limit `receipt_rank`; None: it agrees on none)."""
    found = contract.product.limits.get("receipt_rank")
    return None if found is None else int(found)


def debts_on(on: date, standings: Mapping[Contract, Standing], security: Mapping[int, int]) -> list[Debt]:
    """The debts of one borrower on a day: what is due on each loan, and the next instalment of loans that hold money for it.

    A loan takes more than it asks for only from a payer who names it.
    """
    out = []
    for contract, s in standings.items():
        claims = claims_due(s, on)
        due = sum(claims.values())
        due_on = s.oldest_due_on if s.oldest_due_on != NO_DAY else s.next_due_on if s.next_due_on != NO_DAY else day(on)
        rest = (contract.annual_rate_ppm,)
        more = {"security_rank": security[contract.pk], "agreed_rank": agreed_rank(contract)}
        most = max(due, s.payoff_minor)
        out.append(Debt(contract.number, min(due_on, day(on)) if due else due_on, *rest, claims, named_max_minor=most, **more))
        coming = coming_minor(contract, s)
        if coming > 0:
            out.append(Debt(contract.number + COMING, s.next_due_on, *rest, {Component.PRINCIPAL: coming}, **more))
    return out


def claims_due(s: Standing, on: date) -> dict[Component, int]:
    """What is due and unpaid, by component (minor units)."""
    due = sum(r.outstanding_minor for r in s.rows if r.due_on <= day(on))
    return {
        Component.PRINCIPAL: due - s.interest_minor,
        Component.INTEREST: s.interest_minor,
        Component.PENALTY: s.penalty_minor,
        Component.COMPOUND: s.compound_minor,
        Component.FEE: s.fee_minor,
        Component.THIRD_PARTY_FEE: s.third_party_fee_minor,
        Component.RECOVERY_COST: s.recovery_cost_minor,
    }


def coming_minor(contract: Contract, s: Standing) -> int:
    """What the next instalment still lacks, on a loan that keeps early money for it; 0 where that would be a prepayment."""
    surplus = terms_for(contract).surplus
    if s.next_due_on == NO_DAY or surplus not in (Surplus.HOLD, Surplus.NEXT):
        return 0
    return max(0, s.next_due_minor - (s.surplus_minor if surplus == Surplus.HOLD else 0))
