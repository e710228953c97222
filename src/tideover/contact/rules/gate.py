"""The compliance gate 合规校验: may this contact be made, which rules forbid it, and when may it be made at the earliest.

Pure: policy, facts, history and proposal in, verdict out. Its batch twin is gate_batch; tests hold the two to one another.
Nothing here stops what the person started, and no hold stops a statutory notice, a reply, or a demand by legal that saves a right
and that a second person approved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tideover.contact.rules.local_time import DAY, instant_of, local_day, local_second
from tideover.contact.rules.model import Channel, Facts, Fired, Outcome, PastContact, Proposal, Purpose, Recipient, Verdict
from tideover.contact.rules.policy import Cap, Per, Policy, ThirdPerson, Wait, Window

HORIZON_DAYS = 400
"""How far ahead an instant is looked for; a rule that forbids longer is as good as one without end."""
ROUNDS_MAX = 64
TALKS = frozenset({Channel.CALL, Channel.AI_CALL, Channel.VISIT})
"""A bounced mail or a text that failed is no attempt to speak with somebody: it makes nobody lost."""
VAIN = frozenset({Outcome.FAILED, Outcome.UNANSWERED, Outcome.MESSAGE_LEFT})
ADDRESS_RULE = "address.unreachable"
OWN_RULES = ("preference.channel", "preference.time", ADDRESS_RULE)
"""The last rules of every policy: what the person wished, and addresses that carriers refuse."""
DEBTORS = frozenset({Recipient.DEBTOR, Recipient.GUARANTOR, Recipient.ATTORNEY})


def may_contact(policy: Policy, facts: Facts, history: Sequence[PastContact], proposal: Proposal) -> Verdict:
    """The verdict on one proposal. `history`: contacts with this person before the proposal, in any order.

    Sources: the citations of the rules that fired, `policy.citations[id]`; preferences of the person are the house's own rules.
    """
    past = [c for c in history if c.at <= proposal.at]
    fired = tuple(_fired(policy, facts, past, proposal, proposal.at))
    if not fired:
        return Verdict(True, (), proposal.at, _exempt(policy, proposal))
    return Verdict(False, fired, _next(policy, facts, past, proposal, fired))


def _next(policy: Policy, facts: Facts, past: Sequence[PastContact], proposal: Proposal, fired: Iterable[Fired]) -> int | None:
    """The first instant at which nothing fires any more: step to the latest `until`, look again."""
    last = proposal.at + HORIZON_DAYS * DAY
    for _ in range(ROUNDS_MAX):
        untils = [f.until for f in fired]
        if any(u is None for u in untils):
            return None
        at = max(u for u in untils if u is not None)
        if at > last:
            return None
        fired = tuple(_fired(policy, facts, past, proposal, at))
        if not fired:
            return at
    return None


def _fired(policy: Policy, facts: Facts, past: Sequence[PastContact], p: Proposal, at: int) -> Iterator[Fired]:
    """Every rule that forbids the contact at an instant."""
    for window in policy.windows:
        yield from _window(policy, window, facts, p, at)
    for cap in policy.caps:
        yield from _cap(cap, facts, past, p, at)
    for wait in policy.waits:
        yield from _wait(wait, facts, past, p, at)
    if policy.third is not None:
        yield from _third(policy.third, facts, past, p)
    for needs in policy.consents:
        if needs.scope.covers(p.channel, p.purpose, p.recipient) and p.channel not in facts.consents:
            yield Fired(needs.id)
    yield from _holds(policy, facts, p, at)
    yield from _preferences(facts, p, at)
    yield from _address(facts, p, at)


def _window(policy: Policy, w: Window, facts: Facts, p: Proposal, at: int) -> Iterator[Fired]:
    if not w.scope.covers(p.channel, p.purpose, p.recipient) or (w.lifted_by_agreement and facts.agreed_hours):
        return
    second, today = local_second(facts.zone, at), local_day(facts.zone, at)
    if not policy.window_on(w, today):
        return
    closes = w.closes * 60 + (1 if w.closes_included else 0)
    if second < w.opens * 60:
        yield Fired(w.id, instant_of(facts.zone, today, w.opens * 60))
    elif second >= closes:
        opens = w.opens if policy.window_on(w, today + 1) else 0
        yield Fired(w.id, instant_of(facts.zone, today + 1, opens * 60))


def _cap(cap: Cap, facts: Facts, past: Sequence[PastContact], p: Proposal, at: int) -> Iterator[Fired]:
    if not cap.scope.covers(p.channel, p.purpose, p.recipient) or (cap.skips_consented and p.consented):
        return
    today = local_day(facts.zone, at)
    debts = _bits(p.debts) if cap.per == Per.DEBT else [p.debts]
    until = None
    for debt in debts:
        days = sorted(local_day(facts.zone, c.at) for c in past if counts(cap, c, p, debt))
        recent = [d for d in days if today - cap.days < d <= today]
        if len(recent) >= cap.most:
            # The day on which so many have left the window that one more fits; with `most` 0 never.
            leaves = None if cap.most == 0 else instant_of(facts.zone, recent[len(recent) - cap.most] + cap.days, 0)
            if leaves is None:
                yield Fired(cap.id)
                return
            until = leaves if until is None else max(until, leaves)
    if until is not None:
        yield Fired(cap.id, until)


def counts(cap: Cap, c: PastContact, p: Proposal, debt: int) -> bool:
    """Whether a cap counts an earlier contact against a proposal about a debt."""
    if not c.outbound or c.outcome not in cap.counts or not cap.scope.covers(c.channel, c.purpose, c.recipient):
        return False
    if cap.skips_consented and c.consented:
        return False
    if cap.per == Per.NUMBER:
        return c.number == p.number
    return cap.per == Per.PERSON or bool(c.debts & debt)


def _wait(wait: Wait, facts: Facts, past: Sequence[PastContact], p: Proposal, at: int) -> Iterator[Fired]:
    if not wait.scope.covers(p.channel, p.purpose, p.recipient) or (wait.skips_consented and p.consented):
        return
    talks = [c for c in past if c.outcome == Outcome.CONVERSATION and c.recipient in DEBTORS and c.debts & p.debts]
    if not talks:
        return
    free = max(local_day(facts.zone, c.at) for c in talks) + wait.days
    if local_day(facts.zone, at) < free:
        yield Fired(wait.id, instant_of(facts.zone, free, 0))


def _third(third: ThirdPerson, facts: Facts, past: Sequence[PastContact], p: Proposal) -> Iterator[Fired]:
    """A third person may be asked only where the debtor is lost, and never so that the debt becomes known."""
    if p.recipient not in third.recipients:
        return
    lost = facts.unreachable or facts.incapable or _vain_row(past) >= third.failed
    if not lost or facts.third_refused or p.discloses:
        yield Fired(third.id)


def _vain_row(past: Sequence[PastContact]) -> int:
    """How many attempts in a row to speak with the debtor, by telephone or at the door, were in vain, the latest last."""
    row = 0
    tries = [c for c in past if c.outbound and c.recipient == Recipient.DEBTOR and c.channel in TALKS]
    for c in sorted(tries, key=lambda c: c.at):
        row = row + 1 if c.outcome in VAIN else 0
    return row


def _holds(policy: Policy, facts: Facts, p: Proposal, at: int) -> Iterator[Fired]:
    if p.saves_clock and p.approved:
        return
    stopped: dict[str, int | None] = {}
    for h in facts.holds:
        rule = policy.holds.get(h.kind)
        # A kind that the pack does not know stops collection all the same: nobody places a hold for nothing.
        covers = rule.scope.covers(p.channel, p.purpose, p.recipient) if rule else p.purpose == Purpose.COLLECTION
        if not covers or not h.debts & p.debts or (h.ends_at is not None and h.ends_at <= at):
            continue
        id = rule.id if rule else f"hold.{h.kind}"
        before = stopped.get(id, h.ends_at)
        stopped[id] = None if before is None or h.ends_at is None else max(before, h.ends_at)
    for id in sorted(stopped):
        yield Fired(id, stopped[id])


def _preferences(facts: Facts, p: Proposal, at: int) -> Iterator[Fired]:
    """What the person asked for binds unrequested contact; law's own notices and replies reach them all the same."""
    if p.purpose not in (Purpose.COLLECTION, Purpose.SERVICE):
        return
    if p.channel in facts.refused:
        yield Fired("preference.channel")
    second = local_second(facts.zone, at)
    ends = [to for start, to in facts.inconvenient if start * 60 <= second < to * 60]
    if ends:
        yield Fired("preference.time", instant_of(facts.zone, local_day(facts.zone, at), max(ends) * 60))


def _address(facts: Facts, p: Proposal, at: int) -> Iterator[Fired]:
    """Where a carrier says that nothing arrives, nothing is sent, whatever it is for: it would not arrive either.

    But a letter counts before the law at the last known address even when it comes back, so statutory letters and approved
    demands that save a right still go there.
    """
    if p.channel == Channel.LETTER and (p.purpose == Purpose.STATUTORY or (p.saves_clock and p.approved)):
        return
    ends = [f.ends_at for f in facts.faults if f.channel == p.channel and (f.ends_at is None or f.ends_at > at)]
    if ends:
        yield Fired(ADDRESS_RULE, None if None in ends else max(e for e in ends if e is not None))


def _exempt(policy: Policy, p: Proposal) -> tuple[str, ...]:
    """Caps and waits that speak of such contacts but do not count this one."""
    out: list[str] = []
    rules: tuple[Cap | Wait, ...] = (*policy.caps, *policy.waits)
    for rule in rules:
        scope, skips = rule.scope, rule.skips_consented and p.consented
        speaks = p.channel in scope.channels and p.purpose in scope.purposes
        if speaks and (p.recipient not in scope.recipients or skips):
            out.append(rule.id)
    return tuple(out)


def _bits(mask: int) -> list[int]:
    """The single debts in a mask; the mask itself for a person as a whole."""
    out = []
    while mask:
        low = mask & -mask
        out.append(low)
        mask ^= low
    return out
