"""What lies on the demo lender's desks: approvals at every state, work that is claimed, late and asleep, a running experiment,
a bank statement.

Made through the same services as by people, so that every rule held; chosen by order, so that the same book gives the same desk.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.db.models import Count

from tideover.core import experiments
from tideover.core.approvals import approval_decide, approval_withdraw
from tideover.core.authority import text_in_force
from tideover.core.authority_publish import authority_ask
from tideover.core.business_time import now
from tideover.core.models import Approval, Role, User, WorkItem
from tideover.core.problems import Refused
from tideover.core.rules.arms import Outreach
from tideover.core.work import work_claim, work_queue, work_snooze
from tideover.core.work_sources import work_sync
from tideover.engine.events import EventKind
from tideover.lending.approvals import event_ask
from tideover.lending.models import Contract, Hold, Party
from tideover.lending.publishing import product_ask, product_newest
from tideover.lending.receipts.refunds import refund_ask
from tideover.lending.receipts.services import Payer, Source, receipt_record
from tideover.simulate.counter import counter
from tideover.simulate.payoffs import payoffs_lay
from tideover.simulate.statements import statements

SURFACE = "reminder.before_due"
EXPOSED_MAX = 400


def desk_lay(as_of: date) -> None:
    """Everything of this module; call it after the day's close."""
    staff = {Role(u.role): u for u in User.objects.exclude(role=Role.BORROWER).order_by("-pk")}
    _approvals(staff, as_of)
    _experiment(staff, as_of)
    _receipts(staff, as_of)
    _work(staff, as_of)
    counter(staff, as_of)
    statements(as_of)
    payoffs_lay(as_of)


def _late(days: int) -> Iterator[Contract]:
    rows = Contract.objects.filter(standing__days_past_due__gt=days).exclude(standing__bucket__in=("written_off", "closed"))
    yield from rows.select_related("product", "entity", "branch").order_by("-standing__days_past_due", "pk")[:40]


def _ask(loans: Iterator[Contract], kind: EventKind, actor: User, as_of: date, reason: str, **words: Any) -> Approval | None:
    """Ask for an event on the first of the loans that can take it and whose amount needs a second person."""
    for contract in loans:
        key = f"demo:ask:{kind.name.lower()}:{contract.number}"
        try:
            asked = event_ask(
                contract, kind=kind, effective_on=as_of, idempotency_key=key, actor=actor, reason=reason, **words
            )  # fmt: skip
        except Refused:
            continue
        if isinstance(asked, Approval):
            return asked
    return None


def _approvals(staff: dict[Role, User], as_of: date) -> None:
    finance, risk, head, legal = (staff[r] for r in (Role.FINANCE, Role.RISK, Role.BRANCH_HEAD, Role.LEGAL))
    candidates = _late(180)
    _ask(candidates, EventKind.WRITE_OFF, finance, as_of, "强制执行终结，未查到可供执行的财产")
    refused = _ask(candidates, EventKind.WRITE_OFF, finance, as_of, "连续六个月联系不上")
    if refused:
        approval_decide(refused, grant=False, reason="已查到新地址，先联系", actor=risk)
    _ask(candidates, EventKind.ACCELERATION, legal, as_of, "三次书面通知均无回复")
    in_branch = (c for c in _late(30) if c.branch.code == _branch_of(head))
    _ask(in_branch, EventKind.SETTLEMENT, head, as_of, "借款人患病，家人愿一次性还清约定金额", amount_minor=100_000)
    taken_back = _ask(_late(60), EventKind.ACCELERATION, legal, as_of, "误提交")
    if taken_back:
        approval_withdraw(taken_back, actor=legal)
    product = product_newest("consumer-annuity")
    if product is not None:
        begins = as_of + timedelta(days=14)
        text = product.source_yaml.replace(f"version: {product.version}", f"version: {product.version + 1}", 1)
        text = text.replace(f"valid_from: {product.valid_from}", f"valid_from: {begins}", 1)
        product_ask(text=text, reason="产品年度更新", actor=risk)
    asked = authority_ask(text=text_in_force(as_of), valid_from=as_of, reason="授权表年度确认", actor=risk)
    approval_decide(asked, grant=True, reason="确认，无变化", actor=staff[Role.COMPLIANCE])


def _receipts(staff: dict[Role, User], as_of: date) -> None:
    """Money of nobody yet, a third party's on two loans of one person, and one that wants to go back."""
    payments = staff[Role.PAYMENTS]
    several = (
        Contract.objects.filter(borrower__user=None)
        .values("borrower", "entity")
        .annotate(n=Count("pk"))
        .filter(n__gt=1)
        .order_by("borrower")
        .first()
    )
    first = Contract.objects.select_related("borrower", "entity").order_by("pk").first()
    if first is None:
        return
    said: dict[str, Any] = {"received_on": as_of, "actor": payments.username}
    bank = {"account": "6222020200112345678", "bank": "工商银行"}
    receipt_record(
        party=None, entity_id=first.entity_id, amount_minor=120_000, payer=Payer("陈*", **bank), source=Source("bank", "B-1"),
        idempotency_key="demo:receipt:nobody", **said,
    )  # fmt: skip
    if several:
        party = Party.objects.get(pk=several["borrower"])
        receipt_record(
            party=party, entity_id=several["entity"], amount_minor=800_000, payer=Payer("赵强", **bank),
            source=Source("bank", "B-2"), idempotency_key="demo:receipt:third", **said,
        )  # fmt: skip
    over = receipt_record(
        party=None, entity_id=first.entity_id, amount_minor=60_000, payer=Payer("周敏", **bank), source=Source("bank", "B-3"),
        idempotency_key="demo:receipt:back", **said,
    )  # fmt: skip
    refund_ask(over, amount_minor=60_000, reason="对方来电说汇错了账户", actor=payments)


def _branch_of(user: User) -> str:
    post = user.posts.select_related("branch").first()  # type: ignore[attr-defined]
    return post.branch.code if post and post.branch else ""


def _experiment(staff: dict[Role, User], as_of: date) -> None:
    common: dict[str, Any] = {"starts_on": as_of, "reason": "先小范围试行，再决定是否推广", "actor": staff[Role.RISK]}
    first = experiments.experiment_ask(
        code="reminder.before_due", title="到期前三天提醒，能帮人按时还款吗？", design="holdout",
        surface=SURFACE, arms=[("without", 100_000), ("with", 900_000)], ends_on=as_of + timedelta(days=90), **common,
    )  # fmt: skip
    approval_decide(first, grant=True, reason="对照组小，二月结束", actor=staff[Role.COMPLIANCE])
    experiments.experiment_ask(
        code="reminder.tone", title="哪种提醒文案得到的回复更多？", design="split",
        surface="reminder.wording", arms=[("short", 500_000), ("warm", 500_000)], ends_on=as_of + timedelta(days=60), **common,
    )  # fmt: skip
    people = Party.objects.order_by("pk").values_list("reference", flat=True)[:EXPOSED_MAX]
    found = [
        experiments.arm_for(SURFACE, p, outreach=Outreach.UNREQUESTED, is_vulnerable=False, on=as_of) for p in people
    ]  # fmt: skip
    experiments.exposed([a for a in found if a is not None])


def _work(staff: dict[Role, User], as_of: date) -> None:
    """Holds whose review day has passed, so that some work is late; then a claim, and one that waits."""
    for n, c in enumerate(_late(20)):
        if n % 6 == 0:
            Hold.objects.create(
                party=c.borrower, contract=c, kind="dispute", starts_at=now(), review_on=as_of - timedelta(days=n // 6),
                actor="complaints", recorded_at=now(),
            )  # fmt: skip
    work_sync(as_of)
    for role in (Role.TEAM_LEAD, Role.COMPLAINTS):
        queue: list[WorkItem] = list(work_queue(staff[role], now())[:3])
        if len(queue) > 1:
            work_claim(queue[0], actor=staff[role])
        if len(queue) > 2:
            work_claim(queue[2], actor=staff[role])
            work_snooze(queue[2], until=now() + timedelta(days=2), reason="借款人外出，届时回来", actor=staff[role])
