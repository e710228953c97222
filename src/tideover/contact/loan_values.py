"""What a message about a loan usually says: its figures on a day, by the names that templates use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from tideover.contact.addresses import language_of, standard_values
from tideover.contact.message_templates import example_values, types_of
from tideover.contact.models import MessageTemplate
from tideover.engine.terms import NO_DAY, date_of
from tideover.lending.held import standing_held
from tideover.lending.models import Contract
from tideover.lending.panels_mine import MyLoan

LOAN_NEEDS = ("borrower__user", "borrower__branch__entity", "branch", "manager", "entity", "product")
"""What to join to a loan before its values are asked for."""


def loan_values(contract: Contract, as_of: date) -> dict[str, object]:
    """Figures of a loan on a day, by whoever's hold: money in minor units, dates, counts. Names without a value are left out."""
    mine = MyLoan(contract, standing_held(contract, as_of), 0, [])
    standing = mine.standing
    out: dict[str, object] = {
        "loan": contract.number, "as_of": as_of, "principal": standing.principal_minor, "payoff": standing.payoff_minor,
        "total": standing.payoff_minor, "catch_up": mine.due_minor, "overdue": standing.total_overdue_minor,
        "late_interest": mine.late_minor, "days_late": mine.days_late, "late_count": len(mine.late_rows),
        "left": mine.due_minor, "old_rate": contract.annual_rate_ppm,
    }  # fmt: skip
    if mine.late_rows:
        out["oldest_due_on"] = date_of(mine.late_since)
    if standing.next_due_on != NO_DAY:
        out |= {"due_on": date_of(standing.next_due_on), "next_due_on": date_of(standing.next_due_on)}
        out["due_amount"] = standing.next_due_minor
    return out


def preview_values(t: MessageTemplate, contract: Contract, as_of: date) -> tuple[dict[str, object], list[str]]:
    """Values for a preview with a real loan: its own figures where it has them, the template's examples for the rest.

    Returns the values and the names for which the example had to stand in.
    """
    language = language_of(contract.borrower)
    real: Mapping[str, object] = {
        **standard_values(contract.borrower, [contract], language, None), **loan_values(contract, as_of),
    }  # fmt: skip
    examples = example_values(t, language)
    wanted = types_of(t)
    values = {name: real.get(name, examples.get(name)) for name in wanted}
    return values, sorted(name for name in t.variables if name not in real)
