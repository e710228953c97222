"""The life of a message as rules: no path leads from «may have been sent» back to sending, and every path ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideover.contact.rules.message import (
    BACK_OFF_MAX_S,
    INQUIRE_AFTER_S,
    MOVES,
    SETTLED,
    TRIES_MAX,
    State,
    after_answer,
    after_report,
    asked_again,
    back_off_s,
)

NOW = datetime(2026, 5, 12, 4, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
ANSWERS = ("accepted", "refused", "retry", "unknown")
REPORTS = ("delivered", "failed", "pending", "not_found")


def test_what_may_have_been_sent_never_comes_back_to_sending() -> None:
    """Along all moves: from sent, unknown, delivered and failed nothing reaches drafted or sending."""
    reached = {s: set(to) for s, to in MOVES.items()}
    for _ in State:
        reached = {s: to | {further for t in to for further in reached[t]} for s, to in reached.items()}
    for start in (State.SENT, State.UNKNOWN, State.DELIVERED, State.FAILED, State.BLOCKED, State.CANCELLED):
        assert not reached[start] & {State.DRAFTED, State.SENDING}, start
    assert all(reached[s] & SETTLED for s in State if s not in (State.CANCELLED, State.BLOCKED))


@given(
    answer=st.sampled_from(ANSWERS), tries=st.integers(1, TRIES_MAX), chance=st.integers(0, 999_999), resend=st.booleans(),
    wait=st.none() | st.integers(0, 10**6),
)  # fmt: skip
def test_an_answer_gives_a_lawful_move_with_a_next_look_or_a_reason(
    answer: str, tries: int, chance: int, resend: bool, wait: int | None
) -> None:
    to = after_answer(
        answer,
        "",
        tries=tries,
        chance_ppm=chance,
        retry_after_s=wait,
        resend=resend and answer == "unknown",
        deadline=LATER,
        now=NOW,
    )
    assert to.state in MOVES[State.SENDING]
    assert (to.next_at is None) == (to.state in SETTLED) and (to.next_at is None) <= bool(to.reason)
    if answer == "unknown" and not resend:
        assert to.state == State.UNKNOWN
    if to.state == State.DRAFTED:
        assert answer == "retry" or resend
        assert to.next_at is not None and to.next_at >= NOW + timedelta(seconds=wait or 1)


@pytest.mark.parametrize("tries", range(1, 30))
def test_waiting_doubles_up_to_an_hour_a_fifth_more_or_less(tries: int) -> None:
    plain = min(30 * 2 ** (tries - 1), BACK_OFF_MAX_S)
    assert back_off_s(tries, 500_000) == plain
    assert 0.8 * plain - 1 <= back_off_s(tries, 0) <= back_off_s(tries, 999_999) <= 1.2 * plain + 1


report = st.tuples(st.sampled_from(REPORTS), st.integers(0, 3))


@given(st.lists(report, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_reports_come_does_not_matter(reports: list[tuple[str, int]], rng: object) -> None:
    """Whatever order and however often: where a delivered or failed is among them, the latest of its instant decides."""

    def end(said: list[tuple[str, int]]) -> State:
        state, settled = State.SENT, None
        for word, minute in said:
            at = NOW + timedelta(minutes=minute)
            new = after_report(state, word, at, tries=1, settled_at=settled, last=False)
            if new is not None:
                assert new in MOVES[state]
                state, settled = new, at if new in SETTLED else settled
            elif settled is not None and word in ("delivered", "failed") and word == state and at > settled:
                settled = at
        return state

    shuffled = [*reports, *reports[:2]]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    final = [r for r in reports if r[0] in ("delivered", "failed")]
    if not final:
        assert end(shuffled) == State.SENT
        return
    latest = max(minute for _, minute in final)
    words = {w for w, minute in final if minute == latest}
    assert end(shuffled) == (State.DELIVERED if "delivered" in words else State.FAILED)


def test_what_was_never_tried_is_not_settled_by_a_report_of_another() -> None:
    assert all(after_report(s, r, NOW, tries=0, settled_at=None, last=True) is None for s in State for r in REPORTS)
    for gone in (State.CANCELLED, State.BLOCKED):
        assert after_report(gone, "delivered", NOW, tries=1, settled_at=None, last=False) is None


def test_asking_ends_at_the_deadline_with_a_reason() -> None:
    at, asked = NOW, 0
    while (to := asked_again(State.UNKNOWN, asked, LATER, at)).next_at is not None:
        at, asked = to.next_at, asked + 1
        assert asked < 20
    assert (to.reason, at) == ("never_known", LATER) and asked == len(INQUIRE_AFTER_S) + 1
    assert asked_again(State.SENT, 0, NOW, NOW).reason == "no_receipt"
