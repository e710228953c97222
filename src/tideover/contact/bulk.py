"""The gate over many people at once, for worklists and sweeps: facts in bulk, verdicts by the compiled gate. Stores nothing.

The answer is that of the single form (tests hold the two together); before an actual contact the gate is asked for the person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tideover.contact.facts import days_back, debts_of, has_asked, instant_of, known_of, number_of, policy_on, rows_of, seconds
from tideover.contact.gate import BY_PHONE
from tideover.contact.rules.gate_batch import (
    NEVER,
    may_contact_many,
    people_columns,
    policy_columns,
    proposal_columns,
    rules_of,
)
from tideover.contact.rules.model import Channel, Proposal, Purpose
from tideover.core.business_time import business_date
from tideover.core.sql import among
from tideover.lending.models import Contract, Party

AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate would say of one person: rules in the way, and when it opens (None: not by time alone)."""

    rules: tuple[str, ...]
    next_at: datetime | None

    @property
    def allowed(self) -> bool:
        """Whether nothing forbids it."""
        return not self.rules


def allowed_many(
    people: Mapping[int, Sequence[Contract]], *, channel: Channel, at: datetime, purpose: Purpose = Purpose.COLLECTION
) -> dict[int, Answer]:
    """Verdicts on contacting debtors by a channel at an instant. people: party id → the loans that it would be about."""
    out: dict[int, Answer] = {}
    ids = sorted(people)
    for start in range(0, len(ids), AT_ONCE):
        chunk = ids[start : start + AT_ONCE]
        for name, own in _by_pack(chunk, people).items():
            out |= _answers(name, own, people, channel, purpose, at)
    return out


def _by_pack(ids: list[int], people: Mapping[int, Sequence[Contract]]) -> dict[str, list[int]]:
    """Party ids by the pack that speaks: that of the first loan's lender, else of the branch that keeps the person."""
    bare = [i for i in ids if not people[i]]
    where, params = among("lending_party.id", bare)
    homes = dict(Party.objects.extra(where=[where], params=params).values_list("pk", "branch__entity__jurisdiction"))
    out: dict[str, list[int]] = {}
    for i in ids:
        out.setdefault(people[i][0].entity.jurisdiction if people[i] else homes[i], []).append(i)
    return out


def _answers(
    name: str, ids: list[int], people: Mapping[int, Sequence[Contract]], channel: Channel, purpose: Purpose, at: datetime
) -> dict[int, Answer]:
    policy = policy_on(name, business_date(at))
    rows = rows_of(ids, at, days_back(policy))
    known, asked = [], []
    for place, party in enumerate(ids):
        named = {c.pk: c.number for c in people[party]}
        k = known_of(rows, party, policy, named)
        number = number_of(rows.parties[party][2]) if channel in BY_PHONE else 0
        consented = has_asked(rows, party, channel, named)
        p = Proposal(seconds(at), channel, purpose, number=number, debts=debts_of(k, named), consented=consented)
        known.append((k.facts, k.history))
        asked.append((place, p))
    columns = policy_columns(policy, {h.kind for facts, _ in known for h in facts.holds})
    found = may_contact_many(columns, people_columns(known, columns.hold_codes), proposal_columns(asked))
    return {
        party: Answer(rules_of(columns, v["fired"]), None if v["next_at"] == NEVER else instant_of(int(v["next_at"])))
        for party, v in zip(ids, found, strict=True)
    }
