"""What pages show of messages: the life of one in words, rows for the role homes, pieces on other pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from tideover.contact.facts import policy_on
from tideover.contact.models import Message, MessageEvent
from tideover.contact.rules.message import State
from tideover.contact.rules.model import Channel
from tideover.contact.selectors_messages import (
    inbound_visible,
    messages_visible,
    oldest_and_count,
    templates_in_review,
    unread_count,
)
from tideover.contact.words import cited, rule_words
from tideover.core.access import can
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.models import Role, User
from tideover.core.packs.load import NoRule, rule
from tideover.core.panels import ExceptionRow
from tideover.lending.models import Contract, Party
from tideover.lending.words import word

SHOWN = 6
RECENT_DAYS = 14


@dataclass(frozen=True, slots=True)
class LifeLine:
    """One entry of a message's life: when, what, the state after it, why, by whom, and figures worth a look."""

    at: datetime
    what: str
    state: str
    reason: str
    source: str
    actor: str
    details: tuple[tuple[str, str], ...]


GATE_RULES = ("contact.", "preference.", "hold.", "address.")
TOLD = (
    "answer",
    "said",
    "gateway",
    "provider_id",
    "carrier",
    "on",
    "proof",
    "words",
    "batch",
    "by",
    "waited_for",
    "lost",
    "faults",
)
"""Details that a page shows, in this order."""


def life_lines(m: Message) -> list[LifeLine]:
    """The life of a message, the oldest first."""
    pack = m.branch.entity.jurisdiction
    return [_line(e, pack, m.created_at.date()) for e in m.events.order_by("pk")]


def _line(e: MessageEvent, pack: str, on: date) -> LifeLine:
    details = tuple((k, _text(e.detail[k])) for k in TOLD if e.detail.get(k))
    return LifeLine(e.at, e.what, e.state, why(e.reason, pack, on), citation_of(e.reason, pack, on), e.actor, details)


def _text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def why(reason: str, pack: str, on: date) -> str:
    """A reason in words: what the rule says for a rule of the gate, the word of a code, or the gateway's own text."""
    return rule_words(policy_on(pack, on), reason) if reason.startswith(GATE_RULES) else word(reason)


def with_why(rows: Iterable[Message]) -> list[Message]:
    """Messages of a list, each with its reason in words."""
    found = list(rows)
    for m in found:
        m.why = why(m.reason, m.branch.entity.jurisdiction, business_date(m.created_at))  # type: ignore[attr-defined]
    return found


def citation_of(reason: str, pack: str, on: date) -> str:
    """Where a rule is written, for a reason that is a rule's id; else empty."""
    if not reason.startswith("contact."):
        return ""
    try:
        return cited(str(rule(pack, reason, on).citation))
    except NoRule:
        return ""


def reason_shown(m: Message) -> tuple[str, str]:
    """A message's reason, and where the rule behind it is written."""
    on, pack = business_date(m.created_at), m.branch.entity.jurisdiction
    return why(str(m.reason), pack, on), citation_of(m.reason, pack, on)


# Rows of the role homes


@dataclass(frozen=True, slots=True)
class HomeRow:
    """One row of a role home. `rows(user, day)`: what it counts; `since`: the column of its age; `days`: the house's target;
    `page`: where it is worked (a route of the matrix, and the query behind it); `seen_by`: the permission that shows it."""

    label: str
    owner: Role
    rows: Callable[[User, date], QuerySet[Any]]
    since: str
    days: int
    page: str
    query: str
    seen_by: str

    def context(self, user: User, on: date) -> Mapping[str, Any]:
        """The row, as the slot takes it."""
        count, first = oldest_and_count(self.rows(user, on), self.since)
        act_by = None if first is None else first + timedelta(days=self.days)
        address = f"{reverse(self.page)}{self.query}" if count and can(user, self.page) else ""
        late = act_by is not None and act_by < on
        return {"rows": [ExceptionRow(self.label, count, first, None, str(self.owner.label), act_by, late, address)]}


def _in_state(state: State, days: int = 0) -> Callable[[User, date], QuerySet[Any]]:
    """Messages in a state, those of the last `days` (0: however old)."""

    def rows(user: User, on: date) -> QuerySet[Any]:
        found = messages_visible(user, on).filter(state=state)
        return found.filter(created_at__gte=start_of_day(on - timedelta(days=days))) if days else found

    return rows


def _printable(user: User, on: date) -> QuerySet[Any]:
    return messages_visible(user, on).filter(channel=Channel.LETTER, state=State.DRAFTED, next_at__lte=now())


def _unproved(user: User, on: date) -> QuerySet[Any]:
    return messages_visible(user, on).filter(channel=Channel.LETTER, state=State.SENT, is_demand=True)


HOME_ROWS: Mapping[str, HomeRow] = {
    "unknown_messages": HomeRow(
        label="Messages of which nobody knows whether they arrived", owner=Role.TEAM_LEAD, rows=_in_state(State.UNKNOWN),
        since="created_at", days=1, page="message-list", query="?state=unknown", seen_by="home-messages",
    ),
    "failed_messages": HomeRow(
        label="Messages that did not arrive (14 days)", owner=Role.TEAM_LEAD, rows=_in_state(State.FAILED, RECENT_DAYS),
        since="created_at", days=2, page="message-list", query="?state=failed", seen_by="home-messages",
    ),
    "blocked_messages": HomeRow(
        label="Messages that a rule kept back (14 days)", owner=Role.COMPLIANCE, rows=_in_state(State.BLOCKED, RECENT_DAYS),
        since="created_at", days=3, page="message-list", query="?state=blocked", seen_by="home-blocked",
    ),
    "replies": HomeRow(
        label="Answers from people that nobody has dealt with", owner=Role.TEAM_LEAD,
        rows=lambda user, on: inbound_visible(user, on).filter(answered_at=None),
        since="at", days=1, page="answer-list", query="", seen_by="home-replies",
    ),
    "template_reviews": HomeRow(
        label="Wordings that wait for a second person", owner=Role.COMPLIANCE, rows=lambda user, on: templates_in_review(),
        since="drafted_at", days=2, page="message-templates", query="?state=review", seen_by="home-reviews",
    ),
    "letters": HomeRow(
        label="Letters to be printed", owner=Role.LEGAL, rows=_printable, since="created_at", days=2, page="letter-batches",
        query="", seen_by="home-letters",
    ),
    "proofs": HomeRow(
        label="Demands posted without a proof of delivery", owner=Role.LEGAL, rows=_unproved, since="sent_at", days=14,
        page="message-list", query="?state=sent&channel=letter", seen_by="home-letters",
    ),
}  # fmt: skip
"""Rows of the slot home.rows, by the name of the panel."""


# Pieces on other pages


def loan_messages(user: User, contract: Contract) -> Mapping[str, Any] | None:
    """The newest messages about a loan."""
    rows = list(contract.messages.select_related("template").order_by("-pk")[:SHOWN])
    return {"rows": rows, "contract": contract} if rows else None


def person_messages(user: User, party: Party) -> Mapping[str, Any] | None:
    """The newest messages to a person."""
    rows = list(Message.objects.filter(party=party).select_related("template").order_by("-pk")[:SHOWN])
    return {"rows": rows, "party": party} if rows else None


def inbox_link(user: User, borrower: User) -> Mapping[str, Any]:
    """How many messages wait for a borrower."""
    return {"unread": unread_count(borrower)}
