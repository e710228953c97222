"""Asking whether money is somebody's: a work item for the people who know them; what they find is placed on the desk."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils.translation import gettext_noop

from tideover.core import work
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Role, WorkItem
from tideover.lending.models import Contract, Party, Receipt

KIND = "suspense.ask"
DAYS = 3
WHY = gettext_noop("%(amount)s came in on %(day)s. Ask whether they paid it, and tell payments (%(receipt)s).")


def ask_open(receipt: Receipt, party: Party, *, actor: str) -> WorkItem:
    """Give the customer manager of a candidate the question; asked once a receipt and person. No payer's name goes along."""
    loan = Contract.objects.filter(borrower=party, entity=receipt.entity_id).select_related("branch", "manager__user").first()
    manager = loan.manager.user if loan is not None and loan.manager is not None else None
    due = start_of_day(business_date() + timedelta(days=DAYS + 1))
    values = {"amount": f"¥{receipt.amount_minor / 100:,.2f}", "day": receipt.received_on.isoformat(), "receipt": receipt.number}
    return work.work_open(
        KIND, subject=("party", party.reference), why=WHY, why_values=values, owner_role=Role.CUSTOMER_MANAGER, owner=manager,
        due_at=due, entity=receipt.entity.code, branch=loan.branch.code if loan else "", amount_minor=receipt.amount_minor,
        key=f"{KIND}:{receipt.number}:{party.reference}", actor=actor,
    )  # fmt: skip


def kind_register() -> None:
    """Make the kind of work known."""
    work.register(
        work.WorkKind(
            KIND, gettext_noop("Ask whose money it is"), address=lambda item: reverse("person", args=[item.subject_id]),
            outcomes={
                "theirs": gettext_noop("they paid it"), "not_theirs": gettext_noop("they did not pay it"),
                "unreached": gettext_noop("they could not be asked"),
            },
        )
    )  # fmt: skip
