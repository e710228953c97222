"""Fees of the product, charged on their day: each an event of the journal, before the cut-off, once however often it is run."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import transaction
from django.db.models import QuerySet

from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.engine.terms import date_of
from tideover.lending.contract_terms import terms_for
from tideover.lending.journal import OWN_KEYS, event_append
from tideover.lending.models import Contract, LoanEvent
from tideover.lending.models.organisation import BookMode
from tideover.lending.rules.fees import FeeDue, fees_due, fees_read
from tideover.lending.selectors import loan_standing, loan_status
from tideover.lending.services import standing_refresh

OVER = ("closed", "written_off")
NOTICE_DAYS = 5
"""A fee that is due with an instalment is asked for this many days before, so that it is paid together with it."""


def contracts_with_fees() -> QuerySet[Contract]:
    """Open loans of a product that has fees, in entities whose ledger is ours."""
    rows = Contract.objects.exclude(product__fees=[]).exclude(standing__bucket__in=OVER)
    return rows.filter(entity__book_mode=BookMode.RECORD).select_related("product", "entity").order_by("pk")


def charges_due(contract: Contract, until: date) -> list[FeeDue]:
    """Charges of normal fees to ask for by a day on the schedule as it is now; none of a loan that is over or called due.

    A loan that was brought in owes those from the day after it came: what was before is in its own history.
    """
    terms, standing = terms_for(contract), loan_standing(contract, until)
    called = contract.events.filter(kind=EventKind.ACCELERATION).exists()
    if called or loan_status(standing) in ("paid_off", "written_off"):
        return []
    first = contract.disbursed_on
    if contract.imported_from_id is not None:
        first = business_date(contract.created_at) + timedelta(days=1)
    found = fees_due(fees_read(contract.product.fees), terms, standing.rows)
    return [d for d in found if first <= date_of(d.due_on) and asked_on(d, contract) <= until]


def asked_on(due: FeeDue, contract: Contract) -> date:
    """The day from which a charge stands in the journal."""
    return max(contract.disbursed_on, date_of(due.due_on) - timedelta(days=NOTICE_DAYS))


def fees_charge(contract: Contract, *, until: date, actor: str) -> list[LoanEvent]:
    """Append the charges due by a day that the journal lacks. Raises Refused when the journal takes no charge."""
    due = charges_due(contract, until)
    keys = {f"{OWN_KEYS}fee:{contract.number}:{d.fee.code}:{d.nr}": d for d in due}
    there = set(LoanEvent.objects.filter(idempotency_key__in=keys).values_list("idempotency_key", flat=True))
    added = []
    with transaction.atomic():
        for key, d in keys.items():
            if key in there:
                continue
            extra = {"component": d.fee.component.name.lower(), "until": date_of(d.due_on).isoformat()}
            event = event_append(
                contract, kind=EventKind.CHARGE, effective_on=asked_on(d, contract), amount_minor=d.amount_minor, extra=extra,
                idempotency_key=key, actor=actor,
            )  # fmt: skip
            log(actor, "event.charge", "loan", contract.number, {"seq": event.seq, "fee": d.fee.code})
            added.append(event)
        if added:
            standing_refresh(contract, as_of=until)
    return added


def fees_run(until: date, *, actor: str = "close") -> tuple[int, list[str]]:
    """Charge every loan its fees up to a day: (charges written, a sentence for each loan whose journal refuses them)."""
    count, refused = 0, []
    for contract in contracts_with_fees():
        try:
            count += len(fees_charge(contract, until=until, actor=actor))
        except Refused as error:  # one loan must not keep the day from being closed
            refused.append(f"{contract.number}: {error}")
    return count, refused
