"""The contract: what was signed, in words and figures, computed from its terms as they were signed."""

from __future__ import annotations

from django.db.models import Q

from tideover.core.documents import Amount, Rate
from tideover.core.packs.rules.price import simple_cost_ppm
from tideover.engine.replay import schedule
from tideover.engine.standing import Row
from tideover.engine.terms import NO_DAY, Terms, date_of
from tideover.lending.contract_terms import reference_of, terms_for
from tideover.lending.documents.common import loan_facts, named, party_facts
from tideover.lending.models import Contract
from tideover.lending.panels_loan import rates
from tideover.lending.rules.fees import NORMAL, Fee, fees_due, fees_read


def contract_data(contract: Contract, language: str) -> dict[str, object]:
    """Parties, terms as codes that the template puts into words, cost table, schedule, late interest, consents."""
    terms = terms_for(contract)
    rows = schedule(terms)
    interest = sum(r.interest_minor for r in rows)
    fees = fees_read(contract.product.fees)
    due = fees_due(fees, terms, rows)
    charged = sum(d.amount_minor for d in due)
    return {
        **loan_facts(contract, language, full_id=True),
        "lender": {"name": named(contract.entity, language), "branch": named(contract.branch, language)},
        "parties": _parties(contract),
        "purpose": contract.purpose,
        "phone": contract.borrower.masked_phone,
        "terms": _terms(terms, rows),
        "floating": _floating(contract),
        "penalty": _penalty(contract, terms),
        "order": [c.name.lower() for c in terms.allocation_order],
        "cost": {
            "interest": Amount(interest),
            "total": Amount(contract.principal_minor + interest + charged),
            "yearly": Rate((simple_cost_ppm(terms, rows, charged) + 50) // 100 * 100),
            "fees": [_fee(f, sum(d.amount_minor for d in due if d.fee is f), language) for f in fees if f.when in NORMAL],
            "fees_total": Amount(charged),
            "contingent": [_fee(f, 0, language) for f in fees if f.when not in NORMAL],
            "subsidised": terms.subsidy is not None,
        },
        "rows": [_row(r, sum(d.amount_minor for d in due if d.nr == r.nr)) for r in rows],
        "at_payout": Amount(sum(d.amount_minor for d in due if d.nr == 0)),
        "collateral": [
            {"kind": c.kind, "value": Amount(c.value_minor), "valued_on": c.valued_on}
            for c in contract.collateral.filter(recorded_at=None).order_by("pk")
        ],
    }


def _fee(fee: Fee, total_minor: int, language: str) -> dict[str, object]:
    """A fee as the template puts it into words. `payee`: empty for the lender; `total`: over the schedule, of a normal fee."""
    return {
        "name": named(fee, language),
        "payee": fee.payee_zh if language.startswith("zh") else fee.payee_en,
        "when": fee.when,
        "how": "amount" if fee.amount_minor else "yearly" if fee.yearly_ppm else "share",
        "amount": Amount(fee.amount_minor),
        "rate": Rate(fee.yearly_ppm or fee.share_ppm),
        "total": Amount(total_minor),
    }


def _row(r: Row, fees_minor: int) -> dict[str, object]:
    return {
        "nr": r.nr,
        "due_on": date_of(r.due_on).isoformat(),
        "principal": Amount(r.principal_minor),
        "interest": Amount(r.interest_minor),
        "fees": Amount(fees_minor),
        "total": Amount(r.total_minor + fees_minor),
        "balance": Amount(r.balance_minor),
    }


def _terms(terms: Terms, rows: list[Row]) -> dict[str, object]:
    return {
        "method": terms.method.name.lower(),
        "day_count": terms.day_count.name.lower(),
        "every": terms.every,
        "unit": terms.unit.name.lower(),
        "instalments": len(rows),
        "first_due_on": date_of(rows[0].due_on) if rows else None,
        "maturity_on": date_of(rows[-1].due_on) if rows else None,
        "due_day": terms.due_day,
        "prepayment_interest": terms.prepayment_interest.name.lower(),
        "surplus": terms.surplus.name.lower(),
        "interest_basis": terms.interest_basis.name.lower(),
        "settlement_day": terms.settlement_day,
        "maturity_fixed": terms.maturity_on != NO_DAY,
    }


def _floating(contract: Contract) -> dict[str, object] | None:
    reference = reference_of(contract)
    if reference is None:
        return None
    return {"index": reference.index, "spread_bp": reference.spread_ppm // 100, "reset_months": reference.reset_months}


def _penalty(contract: Contract, terms: Terms) -> dict[str, object] | None:
    p = terms.penalty
    if p is None:
        return None
    _rate, late_ppm = rates(contract)
    return {
        "rate": Rate(late_ppm or 0),
        "by_ratio": p.rate_ppm < 0,
        "ratio_percent": f"{100 * p.ratio_num / p.ratio_den:.10g}%" if p.rate_ppm < 0 else "",
        "base": p.base.name.lower(),
        "day_count": p.day_count.name.lower(),
        "year_days": {"act_360": 360, "act_365f": 365}.get(p.day_count.name.lower(), 360),
        "grace_days": p.grace_days,
        "compound": p.compound_on_interest,
        "compound_before": p.compound_rate_before_maturity.name.lower(),
        "compound_after": p.compound_rate_after_maturity.name.lower(),
        "cap": None if p.cap_minor < 0 else Amount(p.cap_minor),
    }


def _parties(contract: Contract) -> list[dict[str, object]]:
    """Who else stands in the contract since it was signed (heirs and administrators came later)."""
    signed = Q(recorded_at=None) | Q(valid_from__lte=contract.signed_on)
    found = contract.parties.select_related("party").filter(signed).exclude(role="borrower").order_by("pk")
    return [
        {**party_facts(p.party, full=True), "role": p.role, "cap": None if p.cap_minor is None else Amount(p.cap_minor)}
        for p in found
    ]
