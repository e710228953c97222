"""Shared of the gate's tests: instants by local time, policies of the packs, random facts and histories."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tideover.contact.rules.model import Channel, Facts, FaultFact, HoldFact, Outcome, PastContact, Proposal, Purpose, Recipient
from tideover.contact.rules.policy import Policy, policy_read
from tideover.contact.zones import zone
from tideover.core.business_time import business_date
from tideover.core.packs.load import pack
from tideover.engine.terms import day

ZONES = ("Asia/Shanghai", "America/New_York", "Europe/London", "Australia/Lord_Howe")
HOLD_KINDS = ("dispute", "cease_contact", "live_promise", "something_new")


def at(text: str, place: str = "Asia/Shanghai") -> int:
    """The instant at which clocks in a place show a time like 2026-03-01 21:59:59."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(place)).timestamp())


def policy(name: str, on: date = date(2026, 3, 1)) -> Policy:
    """The contact policy of a pack on a day."""
    return policy_read(pack(name), on)


BASE = at("2026-03-05 12:00:00")
debts = st.sampled_from([1, 2, 3, 4, 7])
instants = st.integers(BASE - 12 * 86_400, BASE + 40 * 86_400)
channels, outcomes = st.sampled_from(Channel), st.sampled_from(Outcome)
purposes, recipients = st.sampled_from(Purpose), st.sampled_from(Recipient)
pasts = st.lists(
    st.builds(
        PastContact, instants, channels, outcomes, st.booleans(), purposes, recipients, st.integers(1, 3), debts, st.booleans()
    ),
    max_size=30,
)
calls = st.lists(
    st.builds(PastContact, instants, st.just(Channel.CALL), outcomes, number=st.integers(1, 2), debts=debts), max_size=40
)
holds = st.lists(st.builds(HoldFact, st.sampled_from(HOLD_KINDS), debts, st.one_of(st.none(), instants)), max_size=3).map(tuple)
faults = st.lists(
    st.builds(FaultFact, channels, st.integers(1, 5), instants, st.one_of(st.none(), instants)), max_size=3
).map(tuple)  # fmt: skip
facts = st.builds(
    Facts, st.sampled_from(ZONES).map(zone), holds, st.frozensets(channels), st.frozensets(channels, max_size=2),
    st.lists(st.tuples(st.integers(0, 700), st.integers(701, 1440)), max_size=2).map(tuple), st.booleans(), st.booleans(),
    st.booleans(), st.booleans(), faults,
)  # fmt: skip
proposals = st.builds(
    Proposal, instants, channels, purposes, recipients, st.integers(1, 3), debts, st.booleans(), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip


def day_at(hour: int, minute: int = 0, days: int = 1) -> datetime:
    """A local time in Shanghai on a day to come that is no public holiday: what is known now is what counts then."""
    on = business_date() + timedelta(days=days)
    while day(on) in policy("cn", on).calendar.holidays:
        on += timedelta(days=1)
    return datetime(on.year, on.month, on.day, hour, minute, tzinfo=ZoneInfo("Asia/Shanghai"))
