"""Contact verdicts in batch: proposals a second through the compiled gate, against one at a time and a bare memory copy.

Run: tideover bench gate [--loans N] (N proposals, over N/4 people with ten past contacts each; Chinese pack).
"""

from __future__ import annotations

import resource
import time
from datetime import date
from typing import Any

import numpy as np

from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.gate_batch import (
    FAULT,
    HOLD,
    PAST,
    PERSON,
    PROPOSAL,
    People,
    may_contact_many,
    policy_columns,
)
from tideover.contact.rules.model import Channel, Facts, Outcome, PastContact, Proposal, Purpose, Recipient
from tideover.contact.rules.policy import policy_read
from tideover.contact.zones import zone
from tideover.core.packs.load import pack

ON = date(2026, 3, 1)
NOON = 1_772_337_600
PAST_EACH = 10


def world(proposals: int) -> tuple[Any, Any, np.ndarray]:
    """Policy, people and proposals: calls and messages of ten days, one person in eight with a hold."""
    rng = np.random.default_rng(11)
    rules = policy_columns(policy_read(pack("cn"), ON))
    n = max(proposals // 4, 1)
    persons = np.zeros(n, PERSON)
    persons["consents"] = (1 << len(Channel)) - 1
    held = np.flatnonzero(rng.random(n) < 0.125)
    holds = np.zeros(len(held), HOLD)
    holds["kind"], holds["debts"], holds["ends_at"] = rng.integers(0, len(rules.hold_codes), len(held)), 1, NOON + 10**6
    past = np.zeros(n * PAST_EACH, PAST)
    past["at"] = np.sort(NOON - rng.integers(0, 10 * 86_400, (n, PAST_EACH)), axis=1).ravel()
    past["channel"] = rng.choice([Channel.CALL, Channel.SMS, Channel.APP], len(past))
    past["outcome"] = rng.choice([Outcome.UNANSWERED, Outcome.CONVERSATION, Outcome.DELIVERED], len(past))
    past["outbound"], past["debts"], past["number"] = 1, rng.integers(1, 4, len(past)), rng.integers(1, 3, len(past))
    place = zone("Asia/Shanghai")
    people = People(
        persons, holds, np.searchsorted(held, np.arange(n + 1)).astype(np.int64), np.zeros(0, FAULT), np.zeros(n + 1, np.int64),
        np.zeros((0, 2), np.int64), np.zeros(n + 1, np.int64), past, np.arange(n + 1, dtype=np.int64) * PAST_EACH,
        np.array(place.starts, np.int64), np.array(place.offsets, np.int64), np.array([0, len(place.starts)], np.int64),
    )  # fmt: skip
    asked = np.zeros(proposals, PROPOSAL)
    asked["person"] = np.arange(proposals) % n
    asked["at"] = NOON + rng.integers(0, 86_400, proposals)
    asked["channel"] = rng.choice([Channel.CALL, Channel.SMS, Channel.APP, Channel.VISIT], proposals)
    asked["number"], asked["debts"], asked["discloses"] = rng.integers(1, 3, proposals), rng.integers(1, 4, proposals), 1
    return rules, people, asked


def one_at_a_time(people: People, asked: np.ndarray, count: int) -> float:
    """Verdicts a second of the single form on the same facts (holds left out)."""
    rules, place = policy_read(pack("cn"), ON), zone("Asia/Shanghai")
    facts = Facts(place, consents=frozenset(Channel))
    work = []
    for k in range(count):
        a = asked[k]
        rows = people.past[people.past_at[a["person"]] : people.past_at[a["person"] + 1]]
        history = [
            PastContact(
                int(r["at"]), Channel(r["channel"]), Outcome(r["outcome"]), True, Purpose.COLLECTION, Recipient.DEBTOR,
                int(r["number"]), int(r["debts"]),
            )
            for r in rows
        ]  # fmt: skip
        work.append((history, Proposal(int(a["at"]), Channel(a["channel"]), number=int(a["number"]), debts=int(a["debts"]))))
    started = time.perf_counter()
    for history, proposal in work:
        may_contact(rules, facts, history, proposal)
    return count / (time.perf_counter() - started)


def run(loans: int = 1_000_000) -> dict[str, Any]:
    """Measure; DESIGN's bench object. ratio: this rate / the other's."""
    may_contact_many(*world(100))
    rules, people, asked = world(loans)
    seconds = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        answer = may_contact_many(rules, people, asked)
        seconds = min(seconds, time.perf_counter() - started)
    source = np.ones(people.past.nbytes + asked.nbytes + answer.nbytes, np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)
    started = time.perf_counter()
    np.copyto(target, source)
    copy = loans / (time.perf_counter() - started)
    single = one_at_a_time(people, asked, min(loans, 5000))
    rate = loans / seconds
    return {
        "bench": "gate",
        "rate": rate,
        "unit": "verdicts/s",
        "seconds": seconds,
        "allowed_ppm": int((answer["fired"] == 0).mean() * 1e6),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "against": {
            "one_at_a_time": {"rate": single, "ratio": rate / single},
            "memory_copy": {"rate": copy, "ratio": rate / copy},
        },
    }
