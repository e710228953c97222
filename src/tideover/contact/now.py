"""What is allowed right now, channel by channel: open, or when it opens and why. For pages and commands; stores nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tideover.contact.facts import days_back, debts_of, has_asked, instant_of, known_of, number_of, rows_of, seconds
from tideover.contact.gate import BY_PHONE, policy_for
from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.model import Channel, Facts, Proposal, Purpose, Verdict
from tideover.contact.rules.policy import Policy
from tideover.contact.words import cited, rule_words
from tideover.lending.models import Contract, Party


@dataclass(frozen=True, slots=True)
class Why:
    """One rule that forbids a contact: its id, what it says in the page's language, where it is written, when it ends."""

    rule: str
    says: str
    cited: str
    status: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ChannelNow:
    """One channel: whether it is open, when it opens (None: not by time alone), and every rule in the way."""

    channel: str
    allowed: bool
    next_at: datetime | None
    whys: tuple[Why, ...]


@dataclass(frozen=True, slots=True)
class Now:
    """What is allowed with one person at an instant; zone: whose clock counts."""

    at: datetime
    zone: str
    channels: tuple[ChannelNow, ...]

    @property
    def groups(self) -> list[tuple[list[str], ChannelNow]]:
        """Channels with the same answer together: their names, and one line for all of them."""
        out: list[tuple[list[str], ChannelNow]] = []
        for line in self.channels:
            same = next((g for g in out if replace(g[1], channel="") == replace(line, channel="")), None)
            if same is None:
                out.append(([line.channel], line))
            else:
                same[0].append(line.channel)
        return out

    def of(self, channel: Channel) -> ChannelNow:
        """One channel's line."""
        return next(c for c in self.channels if c.channel == channel.name.lower())


def whys_of(policy: Policy, verdict: Verdict, facts: Facts, channel: Channel) -> tuple[Why, ...]:
    """The rules behind a verdict in words."""
    out = []
    for f in verdict.fired:
        source = policy.citations.get(f.rule)
        said = "" if source is None or source.instrument == "house rule" else cited(str(source))
        says = rule_words(policy, f.rule, facts.faults, channel)
        out.append(Why(f.rule, says, said, policy.statuses.get(f.rule, "house"), instant_of(f.until)))
    return tuple(out)


def allowed_now(
    party: Party, contracts: Sequence[Contract] = (), *, at: datetime, purpose: Purpose = Purpose.COLLECTION,
    channels: Iterable[Channel] = tuple(Channel),
) -> Now:  # fmt: skip
    """The channels by which this person may be contacted at an instant, as a debtor and about these loans (none: all of them)."""
    policy, named = policy_for(party, contracts, at), {c.pk: c.number for c in contracts}
    rows = rows_of([party.pk], at, days_back(policy))
    known = known_of(rows, party.pk, policy, named)
    phone, debts = number_of(bytes(party.phone_hash)), debts_of(known, named)
    asked = Proposal(seconds(at), Channel.APP, purpose, debts=debts)
    lines = []
    for channel in channels:
        consented = has_asked(rows, party.pk, channel, named)
        p = replace(asked, channel=channel, number=phone if channel in BY_PHONE else 0, consented=consented)
        v = may_contact(policy, known.facts, known.history, p)
        lines.append(ChannelNow(channel.name.lower(), v.allowed, instant_of(v.next_at), whys_of(policy, v, known.facts, channel)))
    return Now(at, known.zone_name, tuple(lines))
