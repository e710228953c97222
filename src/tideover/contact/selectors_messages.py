"""Reading messages: who sees which, what needs somebody, the inbox of a borrower, demands that were delivered."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet

from tideover.contact.models import CallList, InboundMessage, LetterBatch, Message, MessageTemplate, ParkedReport
from tideover.contact.models.messages import TemplateState
from tideover.contact.rules.message import State
from tideover.contact.rules.model import Channel
from tideover.core.business_time import business_date, start_of_day
from tideover.core.models import Role, User
from tideover.core.problems import NotFound, Problem
from tideover.lending.models import Contract
from tideover.lending.scope import parties_reachable
from tideover.lending.selectors import post_of

IN_THE_INBOX = (State.SENT, State.DELIVERED)


def of_post(user: User, on: date, branch: str = "branch", manager: str = "") -> Q:
    """Rows of a post's branch or entity; a customer manager's are those of their own loans (`manager`: the way to it)."""
    post = post_of(user, on)
    if post is None:
        return Q(pk__in=[])
    if user.role == Role.CUSTOMER_MANAGER and manager:
        return Q(**{manager: post.pk})
    if post.branch_id:
        return Q(**{branch: post.branch_id})
    return Q(**{f"{branch}__entity": post.entity_id}) if post.entity_id else Q()


def messages_visible(user: User, on: date) -> QuerySet[Message]:
    """Messages within a post's reach; a borrower's own."""
    if user.role == Role.BORROWER:
        return Message.objects.filter(party__user=user)
    rows = Message.objects.filter(of_post(user, on, "branch", "contracts__manager"))
    return rows.distinct() if user.role == Role.CUSTOMER_MANAGER else rows


def message_get(user: User, reference: str, on: date) -> Message:
    """One visible message. Raises NotFound for others, so that references cannot be probed."""
    rows = messages_visible(user, on).select_related("party", "template", "branch__entity", "batch")
    found = rows.filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_message", f"there is no message {reference} in your scope", "reference"))
    return found


def messages_filtered(
    rows: QuerySet[Message], *, state: str = "", channel: str = "", template: str = "", day: date | None = None, party: str = ""
) -> QuerySet[Message]:
    """Messages by what a list asks for; an unknown word gives none. waiting and open are states by meaning."""
    if state == "open":
        rows = rows.filter(final_at=None)
    elif state:
        rows = rows.filter(state=state)
    if channel:
        known = Channel.__members__.get(channel.upper())
        rows = rows.filter(channel=known) if known is not None else rows.none()
    if template:
        rows = rows.filter(template__code=template)
    if party:
        rows = rows.filter(party__reference=party)
    if day is not None:
        rows = rows.filter(created_at__gte=start_of_day(day), created_at__lt=start_of_day(day + timedelta(days=1)))
    return rows


def state_counts(rows: QuerySet[Message]) -> dict[str, int]:
    """How many messages stand in each state."""
    found = dict(rows.order_by().values_list("state").annotate(Count("pk", distinct=True)))
    return {s.value: found.get(s.value, 0) for s in State}


def inbox_of(user: User) -> QuerySet[Message]:
    """What a borrower finds in the app, the newest first. Who speaks for a party only finds what went to that party."""
    rows = Message.objects.filter(party__user=user, channel=Channel.APP, state__in=IN_THE_INBOX)
    return rows.select_related("template").order_by("-sent_at", "-pk")


def unread_count(user: User) -> int:
    """How many messages in the app were not opened."""
    return inbox_of(user).filter(read_at=None).count()


def demands_delivered(contract: Contract) -> QuerySet[Message]:
    """Demands about a loan that were delivered and name creditor and claim: only these restart limitation, on `delivered_on`."""
    rows = Message.objects.filter(contracts=contract, is_demand=True, names_claim=True, state=State.DELIVERED)
    return rows.exclude(delivered_on=None).order_by("delivered_on", "pk")


def inbound_visible(user: User, on: date) -> QuerySet[InboundMessage]:
    """Answers of people within reach; those of nobody known to a post of the whole house."""
    reached = parties_reachable(user, on).values("pk")
    post = post_of(user, on)
    strangers = Q(party=None) if post is not None and not post.branch_id and not post.entity_id else Q(pk__in=[])
    return InboundMessage.objects.filter(Q(party__in=reached) | strangers).select_related("party")


def batches_visible(user: User, on: date) -> QuerySet[LetterBatch]:
    """Batches of letters of a post's branch or entity; mixed ones for a post of the whole house."""
    return LetterBatch.objects.filter(of_post(user, on)).annotate(count=Count("letters")).order_by("-pk")


def lists_visible(user: User, on: date) -> QuerySet[CallList]:
    """Call lists of a post's branch or entity."""
    counted = {"count": Count("lines"), "done": Count("lines", filter=~Q(lines__done_at=None))}
    return CallList.objects.filter(of_post(user, on)).annotate(**counted).order_by("-pk")


def letters_waiting(user: User, at: datetime) -> QuerySet[Message]:
    """Letters that can be printed now."""
    rows = messages_visible(user, business_date(at)).filter(channel=Channel.LETTER, state=State.DRAFTED, next_at__lte=at)
    return rows.select_related("party", "template", "branch__entity").order_by("next_at", "pk")


def oldest_and_count(rows: QuerySet[Any], since: str) -> tuple[int, date | None]:
    """How many rows, and the day of the oldest."""
    found = rows.order_by().aggregate(n=Count("pk", distinct=True), first=Min(since))
    first = found["first"]
    return found["n"], business_date(first) if isinstance(first, datetime) else first


def templates_in_review() -> QuerySet[MessageTemplate]:
    """Versions that wait for a second person."""
    return MessageTemplate.objects.filter(state=TemplateState.REVIEW)


def stuck(now: datetime, grace: timedelta) -> dict[str, int]:
    """What must not be: leases long past, messages that nobody looks at, ends without a reason, old parked reports."""
    late = now - grace
    by_hand = Q(channel__in=(Channel.LETTER, Channel.CALL, Channel.VISIT))
    return {
        "lease past": Message.objects.filter(state=State.SENDING, lease_until__lt=late).exclude(by_hand).count(),
        "overdue": Message.objects.filter(next_at__lt=late).exclude(by_hand).count(),
        "no next look": Message.objects.filter(final_at=None, next_at=None).count(),
        "no reason": Message.objects.exclude(final_at=None).filter(reason="").count(),
        "reports without a message": ParkedReport.objects.filter(
            matched_at=None, received_at__lt=now - timedelta(days=1)
        ).count(),
    }
