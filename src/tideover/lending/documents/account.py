"""Balance statement, repayment record and payoff letter: what replay says of a loan on a day, and nothing else."""

from __future__ import annotations

from datetime import date

from tideover.core.business_time import business_date
from tideover.core.documents import Amount
from tideover.core.problems import refuse
from tideover.core.written import money_text
from tideover.engine.events import EventKind
from tideover.engine.standing import TraceLine
from tideover.engine.terms import NO_DAY, Component, date_of
from tideover.lending.documents.common import LoanOnDay, loan_facts
from tideover.lending.models import LoanEvent, PayoffUse
from tideover.lending.panels_loan import brings_money, owed_lines
from tideover.lending.receipts.selectors import late_for_money_here
from tideover.lending.selectors import loan_status

Columns = tuple[str, ...]
SPLIT: dict[str, tuple[Component, ...]] = {
    "principal": (Component.PRINCIPAL,),
    "interest": (Component.INTEREST,),
    "late": (Component.PENALTY, Component.COMPOUND),
    "fees": (Component.FEE, Component.THIRD_PARTY_FEE, Component.RECOVERY_COST),
}
"""The columns of a repayment record, and the components that each adds up."""


def balance_data(loan: LoanOnDay) -> dict[str, object]:
    """What is owed on the day by component, what was paid and waived so far, what it takes to pay off, what comes next."""
    s = loan.standing
    lines = owed_lines(loan.contract, s, loan.events)
    return {
        **loan_facts(loan.contract, loan.language),
        "as_of": loan.as_of,
        "status": loan_status(s),
        "lines": [
            {
                "name": loan.word(x.name),
                "owed": Amount(x.owed_minor),
                "paid": Amount(x.paid_minor),
                "waived": Amount(x.waived_minor),
            }
            for x in lines
        ],
        "paid_total": Amount(sum(x.paid_minor for x in lines)),
        "waived_total": Amount(sum(x.waived_minor for x in lines)),
        "owed_total": Amount(sum(x.owed_minor for x in lines)),
        "held": Amount(s.surplus_minor),
        "was_written_off": s.is_written_off,
        "payoff": Amount(s.payoff_minor),
        "overdue": Amount(s.total_overdue_minor),
        "days_past_due": _days_told(loan),
        "next_due_on": None if s.next_due_on == NO_DAY else date_of(s.next_due_on),
        "next_due": Amount(s.next_due_minor),
        "core_day": loan.held.core_on,
    }


def _days_told(loan: LoanOnDay) -> int:
    """Days late as a letter may say them: none while money for them is under way or here."""
    here = loan.as_of == business_date() and late_for_money_here([loan.contract.pk])
    return 0 if here else loan.standing.shown_days_past_due


def record_data(loan: LoanOnDay) -> dict[str, object]:
    """Every payment that stands on the day, in order, with its parts; below them what was taken back."""
    traced = {t.seq: t for t in loan.standing.trace}
    money = [e for e in loan.events if brings_money(e) and e.seq in traced]
    rows = [_record_row(loan, e, traced[e.seq]) for e in sorted(money, key=lambda e: (e.effective_on, e.seq))]
    used = _used_later(loan, rows)
    lines = [*rows, used] if used else rows
    totals = {name: Amount(sum(r[name].minor for r in lines)) for name in ("total", *SPLIT, "held")}  # type: ignore[attr-defined]
    return {
        **loan_facts(loan.contract, loan.language),
        "as_of": loan.as_of,
        "rows": rows,
        "used": used,
        "totals": totals,
        "taken_back": _taken_back(loan),
        "payoff": Amount(loan.standing.payoff_minor),
    }


def _record_row(loan: LoanOnDay, event: LoanEvent, line: TraceLine) -> dict[str, object]:
    parts = {name: sum(line.amounts_minor[c] for c in components) for name, components in SPLIT.items()}
    total = sum(parts.values()) + line.held_minor
    return {
        "on": event.effective_on.isoformat(),
        "kind": loan.word(EventKind(event.kind).name.lower()),
        "reference": f"{loan.contract.number}-{event.seq}",
        "total": Amount(total),
        **{name: Amount(minor) for name, minor in parts.items()},
        "held": Amount(line.held_minor),
    }


def _used_later(loan: LoanOnDay, rows: list[dict[str, object]]) -> dict[str, object] | None:
    """What became of money that was held when it arrived: the parts it has paid since, so that the columns add up to what the
    balance statement of the day calls paid. None when all of it is still held, or none was."""
    paid = {x.name: x.paid_minor for x in owed_lines(loan.contract, loan.standing, loan.events)}
    used = {}
    for name, components in SPLIT.items():
        so_far = sum(r[name].minor for r in rows)  # type: ignore[attr-defined]
        used[name] = sum(paid.get(c.name.lower(), 0) for c in components) - so_far
    held = sum(r["held"].minor for r in rows) - loan.standing.surplus_minor  # type: ignore[attr-defined]
    if held <= 0 or sum(used.values()) != held:
        return None
    return {"total": Amount(0), **{name: Amount(minor) for name, minor in used.items()}, "held": Amount(-held)}


def _taken_back(loan: LoanOnDay) -> list[dict[str, object]]:
    """Payments that a reversal took back by the day."""
    by_seq = {e.seq: e for e in loan.events}
    backs = [e for e in loan.events if e.kind == EventKind.REVERSAL and e.effective_on <= loan.as_of]
    pairs = [(by_seq.get(int((b.extra or {}).get("of_seq", -1))), b) for b in backs]
    return [
        {
            "on": of.effective_on.isoformat(),
            "reference": f"{loan.contract.number}-{of.seq}",
            "total": Amount(of.amount_minor or 0),
            "back_on": back.effective_on.isoformat(),
        }
        for of, back in pairs
        if of is not None and brings_money(of)
    ]


def settled_on(loan: LoanOnDay) -> date:
    """The day on which the last open cent was paid or waived. Raises Refused when the loan is not paid off on the day."""
    s = loan.standing
    if loan_status(s) != "paid_off":
        words = f"the loan is not paid off on {loan.as_of}: {money_text(s.payoff_minor)} is still to be paid"
        raise refuse("not_paid_off", words, "as_of")
    moved = [t.on for t in s.trace if any(t.amounts_minor)]
    closed = [r.paid_on for r in s.rows if r.paid_on != NO_DAY]
    return date_of(max([*moved, *closed], default=s.as_of))


def payoff_data(loan: LoanOnDay) -> dict[str, object]:
    """That nothing is owed any more, since when, and what was paid, by whom, and waived. `loan` stands on its last day."""
    s = loan.standing
    lines = [x for x in owed_lines(loan.contract, s, loan.events) if x.paid_minor or x.waived_minor]
    by_guarantor = {e.seq for e in loan.events if e.kind == EventKind.GUARANTOR_PAYMENT}
    guaranteed = sum(sum(t.amounts_minor) for t in s.trace if t.seq in by_guarantor)
    return {
        **loan_facts(loan.contract, loan.language, full_id=True),
        "settled_on": loan.as_of,
        "lines": [{"name": loan.word(x.name), "paid": Amount(x.paid_minor), "waived": Amount(x.waived_minor)} for x in lines],
        "paid_total": Amount(sum(x.paid_minor for x in lines)),
        "waived_total": Amount(sum(x.waived_minor for x in lines)),
        "by_guarantor": Amount(guaranteed),
        "balance": Amount(0),
        "was_written_off": s.is_written_off,
        "quote": _quote(loan),
    }


def _quote(loan: LoanOnDay) -> dict[str, object] | None:
    """The quote by which the loan was paid off, and its last day; None where it was paid off without one."""
    uses = PayoffUse.objects.filter(quote__contract=loan.contract, ended_at=None, on__lte=loan.as_of)
    use = uses.select_related("quote").order_by("pk").first()
    return None if use is None else {"number": use.quote.number, "valid_until": use.quote.valid_until}
