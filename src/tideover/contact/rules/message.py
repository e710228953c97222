"""The life of one message: its states, which follows which, and what answers, receipts and silence make of it. Pure.

drafted → sending → sent → delivered or failed; unknown where it may have been sent and nobody knows; blocked and cancelled where
it was not. Nothing leads from unknown back to sending: what may have been sent is never sent again; only where the gateway knows
the key does a try without an answer lead back to drafted.
Answers and reports come as the words of contact/channels/base.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tideover.contact.rules.model import Channel


class State(StrEnum):
    """Where a message stands. Values are stored."""

    DRAFTED = "drafted"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    BLOCKED = "blocked"


S = State
MOVES: Mapping[State, frozenset[State]] = {
    S.DRAFTED: frozenset({S.SENDING, S.CANCELLED, S.BLOCKED, S.DELIVERED, S.FAILED}),
    S.SENDING: frozenset({S.DRAFTED, S.SENT, S.DELIVERED, S.FAILED, S.UNKNOWN, S.CANCELLED}),
    S.SENT: frozenset({S.DELIVERED, S.FAILED}),
    S.UNKNOWN: frozenset({S.SENT, S.DELIVERED, S.FAILED}),
    S.DELIVERED: frozenset({S.FAILED}),
    S.FAILED: frozenset({S.DELIVERED}),
    S.CANCELLED: frozenset(),
    S.BLOCKED: frozenset(),
}
"""From drafted a receipt can still settle a message: one whose try was answered by «try later» although it got through."""
SETTLED = frozenset({S.DELIVERED, S.FAILED, S.CANCELLED, S.BLOCKED})
"""States that are final as soon as they are reached; sent and unknown become final when nobody answers in time."""
LEFT_THE_HOUSE = frozenset({S.SENT, S.DELIVERED, S.UNKNOWN})
TRIES_MAX = 8
BACK_OFF_S, BACK_OFF_MAX_S, JITTER_PPM = 30, 3600, 200_000
INQUIRE_AFTER_S = (60, 300, 900, 3600, 4 * 3600, 24 * 3600)
"""Seconds from one inquiry to the next; the first counts from the try."""
RECEIPT_DAYS: Mapping[Channel, int] = {
    Channel.APP: 90, Channel.PUSH: 3, Channel.SMS: 3, Channel.EMAIL: 7, Channel.AI_CALL: 2, Channel.WECOM: 7, Channel.LETTER: 60,
}  # fmt: skip
"""Days after which a message without a receipt ends as it stands. In the app the receipt is that it was opened; of a letter the
carrier's proof."""


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of a message. `next_at`: when it is looked at again; None: it is final, for `reason`."""

    state: State
    reason: str = ""
    next_at: datetime | None = None


def back_off_s(tries: int, chance_ppm: int) -> int:
    """Seconds to wait before the next try: doubled with each, at most BACK_OFF_MAX_S, a fifth more or less by chance.

    tries: how many were made (from 1); chance_ppm: 0..999,999, different from message to message.
    """
    plain = min(BACK_OFF_S << min(tries - 1, 12), BACK_OFF_MAX_S)
    return max(1, plain + plain * (2 * chance_ppm - 1_000_000) * JITTER_PPM // 10**12)


def after_answer(
    answer: str, reason: str, *, tries: int, chance_ppm: int, retry_after_s: int | None, resend: bool, deadline: datetime,
    now: datetime,
) -> Move:  # fmt: skip
    """What the gateway's answer to a try makes of a message that is being sent.

    answer: accepted, refused, retry or unknown. resend: the gateway still knows the key and would not deliver it twice, so that
    unknown may be tried again. deadline: when it ends without a receipt.
    """
    if answer == "accepted":
        return Move(S.SENT, "", min(now + timedelta(seconds=INQUIRE_AFTER_S[0]), deadline))
    if answer == "refused":
        return Move(S.FAILED, reason or "refused")
    if answer == "retry" or resend:
        if tries >= TRIES_MAX:
            # A gateway that only ever said «not now» has nothing; one that fell silent may have it.
            return Move(S.FAILED, reason or "gave_up") if answer == "retry" else unknown(reason, deadline, now)
        wait = max(back_off_s(tries, chance_ppm), retry_after_s or 0)
        return Move(S.DRAFTED, reason or "try_later", now + timedelta(seconds=wait))
    return unknown(reason, deadline, now)


def unknown(reason: str, deadline: datetime, now: datetime) -> Move:
    """It may have been sent: ask, and wait for a receipt."""
    return Move(S.UNKNOWN, reason or "no_answer", min(now + timedelta(seconds=INQUIRE_AFTER_S[0]), deadline))


def after_report(state: State, report: str, at: datetime, *, tries: int, settled_at: datetime | None, last: bool) -> State | None:
    """The state that a report gives; None: it changes nothing.

    report: delivered, failed, pending or not_found. settled_at: the instant of the report that settled it before. last: the last
    inquiry of the schedule, after which «not found» is believed. Repeats change nothing; of two that differ the later instant
    counts, whichever came first; delivered wins a tie.
    """
    if tries == 0 or state in (S.CANCELLED, S.BLOCKED):
        return None
    if report in ("delivered", "failed"):
        new = S(report)
        if state == new:
            return None
        if state in (S.DELIVERED, S.FAILED) and settled_at is not None:
            newer = at > settled_at or (at == settled_at and new == S.DELIVERED)
            return new if newer else None
        return new
    if report == "pending":
        return S.SENT if state == S.UNKNOWN else None
    return S.FAILED if report == "not_found" and state == S.UNKNOWN and last else None


def asked_again(state: State, asked: int, deadline: datetime, now: datetime) -> Move:
    """After a check that settled nothing: when to look again, or how it ends. asked: inquiries made so far."""
    if now >= deadline:
        return Move(state, "no_receipt" if state == S.SENT else "never_known")
    later = now + timedelta(seconds=INQUIRE_AFTER_S[asked]) if asked < len(INQUIRE_AFTER_S) else deadline
    return Move(state, "", min(later, deadline))
