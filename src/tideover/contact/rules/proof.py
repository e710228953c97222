"""Were the rules on hours and numbers kept: each contact that took place, asked again as if it were still to come. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tideover.contact.rules.gate import counts, may_contact
from tideover.contact.rules.local_time import local_day, local_second
from tideover.contact.rules.model import Facts, PastContact, Proposal
from tideover.contact.rules.policy import Cap, Per, Policy, Wait, Window


@dataclass(frozen=True, slots=True)
class Kept:
    """One rule over a span of contacts.

    spoke: places of the contacts that it speaks of; broken: those of them that it forbade. first, last: the earliest and the
    latest local second of the day among them (a window). highest, most: the largest count that was reached, and the largest that
    is allowed (a cap); None for other kinds of rule or where it spoke of none.
    """

    rule: str
    spoke: tuple[int, ...]
    broken: tuple[int, ...]
    first: int | None = None
    last: int | None = None
    highest: int | None = None
    most: int | None = None


def kept(policy: Policy, facts: Facts, contacts: Sequence[PastContact], span: Sequence[int]) -> list[Kept]:
    """Windows, caps and waits of a policy over the contacts at the places `span`; `contacts`: all, those before the span too,
    in the order of their instants. Hours that the person agreed to count as outside all the same: a proof says so, it does not
    excuse. Holds, consents and wishes are left to the stored verdicts, which hold what was known at the time."""
    bare = Facts(facts.zone)
    fired: dict[str, set[int]] = {}
    asked = {n: _asked(contacts[n]) for n in span if contacts[n].outbound}
    for n, proposal in asked.items():
        for f in may_contact(policy, bare, contacts[:n], proposal).fired:
            fired.setdefault(f.rule, set()).add(n)
    rules: tuple[Window | Cap | Wait, ...] = (*policy.windows, *policy.caps, *policy.waits)
    return [_kept(rule, fired.get(rule.id, set()), facts, contacts, asked) for rule in rules]


def _asked(c: PastContact) -> Proposal:
    return Proposal(c.at, c.channel, c.purpose, c.recipient, c.number, c.debts, consented=c.consented)


def _kept(
    rule: Window | Cap | Wait, broken: set[int], facts: Facts, contacts: Sequence[PastContact], asked: dict[int, Proposal]
) -> Kept:
    spoke = tuple(n for n, p in asked.items() if rule.scope.covers(p.channel, p.purpose, p.recipient))
    out = Kept(rule.id, spoke, tuple(sorted(broken)))
    if isinstance(rule, Window) and spoke:
        seconds = [local_second(facts.zone, contacts[n].at) for n in spoke]
        return replace(out, first=min(seconds), last=max(seconds))
    if isinstance(rule, Cap):
        reached = [_reached(rule, facts, contacts, n, asked[n]) for n in spoke if contacts[n].outcome in rule.counts]
        return replace(out, highest=max(reached, default=0), most=rule.most)
    return out


def _reached(cap: Cap, facts: Facts, contacts: Sequence[PastContact], n: int, p: Proposal) -> int:
    """How many the cap had counted once the contact at place n was made, by the fullest of its debts."""
    today = local_day(facts.zone, contacts[n].at)
    recent = [c for c in contacts[: n + 1] if today - cap.days < local_day(facts.zone, c.at) <= today]
    debts = [1 << bit for bit in range(p.debts.bit_length()) if p.debts >> bit & 1] if cap.per == Per.DEBT else [p.debts]
    return max((sum(counts(cap, c, p, debt) for c in recent) for debt in debts), default=0)
