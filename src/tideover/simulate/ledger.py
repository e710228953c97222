"""What the demo lender's finance did: months closed by two people, and news of closed months that came today."""

from __future__ import annotations

from datetime import date, timedelta

from tideover.accounting.selectors import days_posted, last_of, periods_of
from tideover.accounting.services import period_close_ask
from tideover.core.approvals import approval_decide
from tideover.core.models import Role, User
from tideover.engine.events import EventKind
from tideover.lending.models import LegalEntity, LoanEvent
from tideover.lending.services import event_record

OPEN_MONTHS = 2
"""The newest months that are over and still wait to be closed, one of them asked about."""
NEWS = 4


def periods_close(as_of: date) -> None:
    """Close every month but the newest, in order; ask about the next one of the first entity."""
    finance, risk = (User.objects.filter(role=role).order_by("pk")[0] for role in (Role.FINANCE, Role.RISK))
    last = days_posted()[1] or as_of
    for n, entity in enumerate(LegalEntity.objects.order_by("code")):
        whole = [line.period for line in periods_of(entity)[::-1] if last_of(line.period) <= last]
        for period in whole[:-OPEN_MONTHS]:
            asked = period_close_ask(entity, period, reason=f"{period:%Y-%m}：试算平衡，分户账与贷款快照一致", actor=finance)
            approval_decide(asked, grant=True, reason="已核对", actor=risk)
        if n == 0 and len(whole) >= OPEN_MONTHS:
            period = whole[-OPEN_MONTHS]
            period_close_ask(entity, period, reason=f"{period:%Y-%m}：试算平衡，分户账与贷款快照一致", actor=finance)


def late_news(as_of: date) -> None:
    """Payments of earlier months that turn out today to have bounced: the books adjust them in the open period."""
    before = as_of.replace(day=1) - timedelta(days=40)
    rows = LoanEvent.objects.filter(kind=EventKind.PAYMENT, effective_on__range=(before - timedelta(days=30), before))
    alive = rows.exclude(contract__standing__bucket="closed").select_related("contract").order_by("pk")
    done: set[int] = set()
    for event in alive.iterator():
        if event.contract_id not in done:
            done.add(event.contract_id)
            event_record(
                event.contract, kind=EventKind.REVERSAL, effective_on=as_of, idempotency_key=f"demo:news:{event.pk}",
                actor="payments", extra={"of_seq": event.seq},
            )  # fmt: skip
        if len(done) == NEWS:
            return
