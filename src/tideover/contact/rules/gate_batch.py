"""The gate over many proposals at once: the same rules as gate.may_contact over columns, compiled.

Facts, holds, hours and history come per person; proposals name their person by index. Rules are bits of a mask in the order of
`rule_ids`; a bit is set where the rule forbids the contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from tideover.contact.rules.gate import HORIZON_DAYS, OWN_RULES, ROUNDS_MAX, TALKS, VAIN
from tideover.contact.rules.local_time import DAY
from tideover.contact.rules.model import Channel, Facts, Outcome, PastContact, Proposal, Purpose, Recipient, Zone
from tideover.contact.rules.policy import Days, Per, Policy, Scope
from tideover.engine.compiled import entry, kernel

NEVER = np.iinfo(np.int64).max
"""`next_at` where time alone will not help."""
NO_END = np.iinfo(np.int64).max
SCOPE = [("channels", "i8"), ("purposes", "i8"), ("recipients", "i8")]
RULE = np.dtype(
    [
        *SCOPE,
        *((n, "i8") for n in ("opens", "closes", "agreement", "outcomes", "per", "days", "most", "skips", "failed", "day_kinds")),
    ]
)
"""One rule; the fields that its kind does not use are 0."""
PERSON = np.dtype([(n, "i8") for n in ("zone", "consents", "refused", "agreed", "unreachable", "incapable", "third_refused")])
HOLD = np.dtype([("kind", "i8"), ("debts", "i8"), ("ends_at", "i8")])
FAULT = np.dtype([("channel", "i8"), ("ends_at", "i8")])
PAST = np.dtype(
    [(n, "i8") for n in ("at", "channel", "outcome", "outbound", "purpose", "recipient", "number", "debts", "consented")]
)
PROPOSAL = np.dtype(
    [
        (n, "i8")
        for n in (
            "person", "at", "channel", "purpose", "recipient", "number", "debts", "discloses", "saves_clock", "approved",
            "consented",
        )
    ]
)  # fmt: skip
VERDICT = np.dtype([("fired", "u8"), ("next_at", "i8")])
WINDOW, CAP, WAIT, THIRD, CONSENT, HOLDS = range(6)
RULES_MAX = 62
FIRST_DAY, LAST_DAY = 7_305, 32_872
"""Days for which kinds are laid out: 1990 to 2059, as the zones."""
DAY_KINDS = {Days.EVERY: 0, Days.HOLIDAYS: 1, Days.DAYS_OFF: 2}
PER_NUMBER, PER_DEBT = int(Per.NUMBER), int(Per.DEBT)
CONVERSATION = int(Outcome.CONVERSATION)
COLLECTION, SERVICE, STATUTORY = int(Purpose.COLLECTION), int(Purpose.SERVICE), int(Purpose.STATUTORY)
LETTER = int(Channel.LETTER)
DEBTOR, GUARANTOR, ATTORNEY = int(Recipient.DEBTOR), int(Recipient.GUARANTOR), int(Recipient.ATTORNEY)


@dataclass(slots=True)
class PolicyColumns:
    """A policy as arrays. kinds: rows of `rules` of each kind, as bounds [0..6]; hold_codes: number of a hold's kind; off: for
    each local day from FIRST_DAY the bits of `day_kinds` that it has (uint8[n])."""

    rules: np.ndarray
    kinds: np.ndarray
    rule_ids: list[str]
    hold_codes: dict[str, int]
    off: np.ndarray


@dataclass(slots=True)
class People:
    """Facts of n persons. holds, faults, hours and history of person i lie at their offsets[i] : offsets[i + 1]; history by time.

    Shapes: persons PERSON[n]; holds HOLD[h]; faults FAULT[f]; hours int64[k, 2] local minutes; past PAST[m]; zone_starts,
    zone_offsets int64[z] in seconds, those of zone j at zone_at[j] : zone_at[j + 1].
    """

    persons: np.ndarray
    holds: np.ndarray
    hold_at: np.ndarray
    faults: np.ndarray
    fault_at: np.ndarray
    hours: np.ndarray
    hour_at: np.ndarray
    past: np.ndarray
    past_at: np.ndarray
    zone_starts: np.ndarray
    zone_offsets: np.ndarray
    zone_at: np.ndarray


def _mask(members: Iterable[IntEnum]) -> int:
    return sum(1 << int(m) for m in members)


def policy_columns(policy: Policy, hold_kinds: Iterable[str] = ()) -> PolicyColumns:
    """The policy as arrays. hold_kinds: kinds that occur in the facts; those that the policy does not know stop collection.

    Errors: ValueError for more than 59 rules.
    """
    rows: list[dict[str, int]] = []
    ids: list[str] = []
    bounds = [0]

    def add(id: str, scope: Scope | None, **values: int) -> None:
        of = {} if scope is None else {n: _mask(getattr(scope, n)) for n in ("channels", "purposes", "recipients")}
        rows.append(of | values)
        ids.append(id)

    for w in policy.windows:
        closes = w.closes * 60 + int(w.closes_included)
        add(w.id, w.scope, opens=w.opens * 60, closes=closes, agreement=int(w.lifted_by_agreement), day_kinds=DAY_KINDS[w.days])
    bounds.append(len(rows))
    for c in policy.caps:
        add(c.id, c.scope, outcomes=_mask(c.counts), per=int(c.per), days=c.days, most=c.most, skips=int(c.skips_consented))
    bounds.append(len(rows))
    for t in policy.waits:
        add(t.id, t.scope, days=t.days, skips=int(t.skips_consented))
    bounds.append(len(rows))
    if policy.third is not None:
        add(policy.third.id, None, recipients=_mask(policy.third.recipients), failed=policy.third.failed)
    bounds.append(len(rows))
    for n in policy.consents:
        add(n.id, n.scope)
    bounds.append(len(rows))
    codes: dict[str, int] = {}
    everything = (1 << 62) - 1
    for kind in sorted(
        set(hold_kinds) | set(policy.holds), key=lambda k: policy.holds[k].id if k in policy.holds else f"hold.{k}"
    ):
        codes[kind] = len(codes)
        known = policy.holds.get(kind)
        if known is not None:
            add(known.id, known.scope)
        else:
            add(f"hold.{kind}", None, channels=everything, purposes=1 << COLLECTION, recipients=everything)
    bounds.append(len(rows))
    if len(rows) > RULES_MAX - len(OWN_RULES):
        raise ValueError(f"a policy has at most {RULES_MAX - len(OWN_RULES)} rules, not {len(rows)}")
    table = np.zeros(len(rows), RULE)
    for i, row in enumerate(rows):
        for name, value in row.items():
            table[i][name] = value
    return PolicyColumns(table, np.array(bounds, np.int64), [*ids, *OWN_RULES], codes, _off(policy))


def _off(policy: Policy) -> np.ndarray:
    """The kinds of every day from FIRST_DAY to LAST_DAY as bits: 1 public holiday, 2 day off."""
    out = np.zeros(LAST_DAY - FIRST_DAY, np.uint8)
    if any(w.days != Days.EVERY for w in policy.windows):
        for day in range(FIRST_DAY, LAST_DAY):
            holiday = day in policy.calendar.holidays
            out[day - FIRST_DAY] = 1 * holiday + 2 * (holiday or not policy.calendar.is_business_day(day))
    return out


def people_columns(people: Sequence[tuple[Facts, Sequence[PastContact]]], hold_codes: Mapping[str, int]) -> People:
    """Columns of (facts, history) records. Errors: KeyError for a kind of hold without a code."""
    zones: dict[Zone, int] = {}
    persons = np.zeros(len(people), PERSON)
    holds: list[tuple[int, ...]] = []
    faults: list[tuple[int, ...]] = []
    hours: list[tuple[int, int]] = []
    past: list[tuple[int, ...]] = []
    hold_at, fault_at, hour_at, past_at = [0], [0], [0], [0]
    for i, (f, history) in enumerate(people):
        zone = zones.setdefault(f.zone, len(zones))
        persons[i] = (
            zone, _mask(f.consents), _mask(f.refused), f.agreed_hours, f.unreachable, f.incapable, f.third_refused,
        )  # fmt: skip
        holds += [(hold_codes[h.kind], h.debts, NO_END if h.ends_at is None else h.ends_at) for h in f.holds]
        faults += [(x.channel, NO_END if x.ends_at is None else x.ends_at) for x in f.faults]
        hours += f.inconvenient
        past += [
            (c.at, c.channel, c.outcome, c.outbound, c.purpose, c.recipient, c.number, c.debts, c.consented)
            for c in sorted(history, key=lambda c: c.at)
        ]
        for at, rows in ((hold_at, holds), (fault_at, faults), (hour_at, hours), (past_at, past)):
            at.append(len(rows))
    starts = [s for z in zones for s in z.starts]
    offsets = [o for z in zones for o in z.offsets]
    zone_at = np.cumsum([0, *(len(z.starts) for z in zones)])
    whole = [np.array(column, np.int64) for column in (hold_at, fault_at, hours, hour_at, past_at, starts, offsets, zone_at)]
    return People(
        persons, np.array(holds, HOLD), whole[0], np.array(faults, FAULT), whole[1], whole[2].reshape(-1, 2), whole[3],
        np.array(past, PAST), *whole[4:],
    )  # fmt: skip


def proposal_columns(proposals: Sequence[tuple[int, Proposal]]) -> np.ndarray:
    """PROPOSAL[n] of (index of the person, proposal)."""
    own = [n for n in PROPOSAL.names or () if n != "person"]
    return np.array([(i, *(getattr(p, n) for n in own)) for i, p in proposals], PROPOSAL)


def may_contact_many(policy: PolicyColumns, people: People, proposals: np.ndarray) -> np.ndarray:
    """Verdicts on PROPOSAL[n] as VERDICT[n]: bits of the rules that fired, and the first free instant (or NEVER).

    Bounds: at most 62 rules and debts a person. Equal to gate.may_contact for each.
    """
    out = np.zeros(len(proposals), VERDICT)
    _verdicts(
        policy.rules, policy.kinds, policy.off,
        people.persons, people.holds, people.hold_at, people.faults, people.fault_at, people.hours, people.hour_at, people.past,
        people.past_at, people.zone_starts, people.zone_offsets, people.zone_at, proposals, out,
    )  # fmt: skip
    return out


VAIN_MASK, TALKS_MASK = _mask(VAIN), _mask(TALKS)


@kernel
def _offset(starts, offsets, low, high, at):
    """Seconds ahead of UTC at an instant; the zone's table lies at low : high."""
    a, b = low, high
    while b - a > 1:
        m = (a + b) >> 1
        if starts[m] <= at:
            a = m
        else:
            b = m
    return offsets[a]


@kernel
def _instant(starts, offsets, low, high, day, second):
    """Twin of local_time.instant_of."""
    wall = day * DAY + second
    one = wall - _offset(starts, offsets, low, high, wall - DAY)
    two = wall - _offset(starts, offsets, low, high, wall + DAY)
    first, last = min(one, two), max(one, two)
    if first + _offset(starts, offsets, low, high, first) == wall:
        return first
    if last + _offset(starts, offsets, low, high, last) == wall:
        return last
    for i in range(low, high):
        if starts[i] > wall - DAY:
            return starts[i]
    return last


@kernel
def _covers(rule, p):
    return (rule.channels >> p.channel) & (rule.purposes >> p.purpose) & (rule.recipients >> p.recipient) & 1 == 1


@kernel
def _counted(rule, c, p, debt):
    """Whether a past contact uses up a cap."""
    if c.outbound == 0 or (rule.outcomes >> c.outcome) & 1 == 0 or not _covers(rule, c) or (rule.skips and c.consented):
        return False
    if rule.per == PER_NUMBER:
        return c.number == p.number
    return rule.per != PER_DEBT or c.debts & debt != 0


@kernel
def _cap_until(rule, p, past, low, high, starts, offsets, zl, zh, today, debt):
    """-1 when one more fits; else the first instant at which it would (NEVER for a cap of 0)."""
    n = 0
    for i in range(low, high):
        if past[i].at <= p.at and _counted(rule, past[i], p, debt):
            d = (past[i].at + _offset(starts, offsets, zl, zh, past[i].at)) // DAY
            n += today - rule.days < d <= today
    if n < rule.most:
        return -1
    if rule.most == 0:
        return NEVER
    for back in range(rule.days):
        first, m = today - back, 0
        for i in range(low, high):
            if past[i].at <= p.at and _counted(rule, past[i], p, debt):
                d = (past[i].at + _offset(starts, offsets, zl, zh, past[i].at)) // DAY
                m += first <= d <= today
        if m >= rule.most:
            return _instant(starts, offsets, zl, zh, first + rule.days, 0)
    return NEVER


@kernel
def _vain_row(past, low, high, upto):
    """How many attempts in a row to speak with the debtor were in vain, the latest last."""
    row = 0
    for i in range(high - 1, low - 1, -1):
        c = past[i]
        if c.at > upto or c.outbound == 0 or c.recipient != DEBTOR or (TALKS_MASK >> c.channel) & 1 == 0:
            continue
        if (VAIN_MASK >> c.outcome) & 1 == 0:
            return row
        row += 1
    return row


@kernel
def _speaks(rule, off, day):
    """Whether a window speaks on a local day."""
    return rule.day_kinds == 0 or (FIRST_DAY <= day < LAST_DAY and off[day - FIRST_DAY] & rule.day_kinds != 0)


@kernel
def _look(rules, kinds, off, f, holds, hl, hh, faults, fl, fh, hours, ul, uh, past, pl, ph, starts, offsets, zl, zh, p, at):
    """(mask of what forbids the contact at an instant, the latest `until` of these; NEVER when one is not by time)."""
    shift = _offset(starts, offsets, zl, zh, at)
    today, second = (at + shift) // DAY, (at + shift) % DAY
    mask, until = 0, -1
    for r in range(kinds[WINDOW], kinds[WINDOW + 1]):
        rule = rules[r]
        if _covers(rule, p) and not (rule.agreement and f.agreed) and _speaks(rule, off, today):
            if second < rule.opens:
                mask |= 1 << r
                until = max(until, _instant(starts, offsets, zl, zh, today, rule.opens))
            elif second >= rule.closes:
                mask |= 1 << r
                opens = rule.opens if _speaks(rule, off, today + 1) else 0
                until = max(until, _instant(starts, offsets, zl, zh, today + 1, opens))
    for r in range(kinds[CAP], kinds[CAP + 1]):
        rule = rules[r]
        if not _covers(rule, p) or (rule.skips and p.consented):
            continue
        rest = p.debts
        while rest != 0:
            debt = rest & -rest if rule.per == PER_DEBT else rest
            rest ^= debt
            free = _cap_until(rule, p, past, pl, ph, starts, offsets, zl, zh, today, debt)
            if free >= 0:
                mask |= 1 << r
                until = max(until, free)
    for r in range(kinds[WAIT], kinds[WAIT + 1]):
        rule = rules[r]
        if not _covers(rule, p) or (rule.skips and p.consented):
            continue
        last = -FAR
        for i in range(pl, ph):
            c = past[i]
            asked = c.recipient == DEBTOR or c.recipient == GUARANTOR or c.recipient == ATTORNEY
            if c.at <= p.at and c.outcome == CONVERSATION and asked and c.debts & p.debts != 0:
                last = max(last, (c.at + _offset(starts, offsets, zl, zh, c.at)) // DAY)
        if today < last + rule.days:
            mask |= 1 << r
            until = max(until, _instant(starts, offsets, zl, zh, last + rule.days, 0))
    for r in range(kinds[THIRD], kinds[THIRD + 1]):
        rule = rules[r]
        if (rule.recipients >> p.recipient) & 1:
            lost = f.unreachable != 0 or f.incapable != 0 or _vain_row(past, pl, ph, p.at) >= rule.failed
            if not lost or f.third_refused or p.discloses:
                mask |= 1 << r
                until = NEVER
    for r in range(kinds[CONSENT], kinds[CONSENT + 1]):
        if _covers(rules[r], p) and (f.consents >> p.channel) & 1 == 0:
            mask |= 1 << r
            until = NEVER
    if not (p.saves_clock and p.approved):
        for i in range(hl, hh):
            h = holds[i]
            r = kinds[HOLDS] + h.kind
            if _covers(rules[r], p) and h.debts & p.debts != 0 and h.ends_at > at:
                mask |= 1 << r
                until = max(until, h.ends_at)
    if p.purpose == COLLECTION or p.purpose == SERVICE:
        own = kinds[HOLDS + 1]
        if (f.refused >> p.channel) & 1:
            mask |= 1 << own
            until = NEVER
        ends = -1
        for i in range(ul, uh):
            if hours[i, 0] * 60 <= second < hours[i, 1] * 60:
                ends = max(ends, hours[i, 1])
        if ends >= 0:
            mask |= 1 << (own + 1)
            until = max(until, _instant(starts, offsets, zl, zh, today, ends * 60))
    if p.channel != LETTER or (p.purpose != STATUTORY and not (p.saves_clock and p.approved)):
        for i in range(fl, fh):
            if faults[i].channel == p.channel and faults[i].ends_at > at:
                mask |= 1 << (kinds[HOLDS + 1] + 2)
                until = max(until, faults[i].ends_at)
    return mask, until


FAR = 1 << 40


@entry
def _verdicts(
    rules, kinds, off, persons, holds, hold_at, faults, fault_at, hours, hour_at, past, past_at, starts, offsets, zone_at,
    proposals, out,
):  # fmt: skip
    for k in range(proposals.shape[0]):
        p = proposals[k]
        i = p.person
        f = persons[i]
        zl, zh = zone_at[f.zone], zone_at[f.zone + 1]
        at, last = p.at, p.at + HORIZON_DAYS * DAY
        mask, until = _look(
            rules, kinds, off, f, holds, hold_at[i], hold_at[i + 1], faults, fault_at[i], fault_at[i + 1],
            hours, hour_at[i], hour_at[i + 1], past, past_at[i],
            past_at[i + 1], starts, offsets, zl, zh, p, at,
        )  # fmt: skip
        out[k].fired = mask
        rounds = 0
        while mask != 0:
            rounds += 1
            if until == NEVER or until > last or rounds > ROUNDS_MAX:
                at = NEVER
                break
            at = until
            mask, until = _look(
                rules, kinds, off, f, holds, hold_at[i], hold_at[i + 1], faults, fault_at[i], fault_at[i + 1],
                hours, hour_at[i], hour_at[i + 1], past, past_at[i],
                past_at[i + 1], starts, offsets, zl, zh, p, at,
            )  # fmt: skip
        out[k].next_at = at


def rules_of(policy: PolicyColumns, fired: Any) -> tuple[str, ...]:
    """Ids of the rules in a mask, in the policy's order."""
    mask = int(fired)
    return tuple(id for i, id in enumerate(policy.rule_ids) if mask >> i & 1)
