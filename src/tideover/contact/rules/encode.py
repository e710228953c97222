"""What the gate knew, as plain JSON and back, so that any stored verdict can be given again. Pure; nothing personal in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tideover.contact.rules.gate import may_contact
from tideover.contact.rules.model import (
    ALL_DEBTS,
    Channel,
    Facts,
    FaultFact,
    HoldFact,
    Outcome,
    PastContact,
    Proposal,
    Purpose,
    Recipient,
    Verdict,
    Zone,
)
from tideover.contact.rules.policy import Policy

VERSION = 1


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one person at a decision. zone_name: of `facts.zone`; loans: number of the contract behind each bit."""

    facts: Facts
    history: tuple[PastContact, ...]
    zone_name: str
    loans: tuple[str, ...]


def debts_named(mask: int, loans: Sequence[str]) -> list[str] | None:
    """The loans in a mask of debts; None for the person as a whole."""
    return None if mask == ALL_DEBTS else [loan for bit, loan in enumerate(loans) if mask >> bit & 1]


def debts_mask(names: Sequence[str] | None, loans: Sequence[str]) -> int:
    """The mask of named loans; ALL_DEBTS for None."""
    return ALL_DEBTS if names is None else sum(1 << loans.index(n) for n in names)


def known_json(known: Known, proposal: Proposal) -> dict[str, Any]:
    """Facts, history and proposal as JSON. Telephone numbers become 1, 2, …; the proposal's own comes first."""
    f, numbers = known.facts, _Numbers()
    said = _proposal_json(proposal, known.loans, numbers)
    return {
        "version": VERSION,
        "zone": known.zone_name,
        "loans": list(known.loans),
        "holds": [[h.kind, debts_named(h.debts, known.loans), h.ends_at] for h in f.holds],
        "consents": sorted(c.name.lower() for c in f.consents),
        "refused": sorted(c.name.lower() for c in f.refused),
        "inconvenient": [list(span) for span in f.inconvenient],
        "faults": [[x.channel.name.lower(), x.refusals, x.since, x.ends_at] for x in f.faults],
        **{name: getattr(f, name) for name in FLAGS},
        "proposal": said,
        "history": [_past_json(c, known.loans, numbers) for c in sorted(known.history, key=lambda c: c.at)],
    }


FLAGS = ("agreed_hours", "unreachable", "incapable", "third_refused")


class _Numbers:
    """Small numbers for the numbers that were reached; 0 stays 0."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {0: 0}

    def of(self, number: int) -> int:
        return self.seen.setdefault(number, len(self.seen))


def _proposal_json(p: Proposal, loans: Sequence[str], numbers: _Numbers) -> dict[str, Any]:
    values = asdict(p)
    return {
        **values,
        "channel": p.channel.name.lower(),
        "purpose": p.purpose.name.lower(),
        "recipient": p.recipient.name.lower(),
        "number": numbers.of(p.number),
        "debts": debts_named(p.debts, loans),
    }


def _past_json(c: PastContact, loans: Sequence[str], numbers: _Numbers) -> dict[str, Any]:
    return {
        "at": c.at,
        "channel": c.channel.name.lower(),
        "outcome": c.outcome.name.lower(),
        "outbound": c.outbound,
        "purpose": c.purpose.name.lower(),
        "recipient": c.recipient.name.lower(),
        "number": numbers.of(c.number),
        "debts": debts_named(c.debts, loans),
        "consented": c.consented,
    }


def known_read(said: Mapping[str, Any], zone: Zone) -> tuple[Known, Proposal]:
    """What `known_json` wrote. Raises KeyError for a word that does not exist, ValueError for another version."""
    if said["version"] != VERSION:
        raise ValueError(f"facts of version {said['version']} cannot be read")
    loans = tuple(said["loans"])
    facts = Facts(
        zone,
        holds=tuple(HoldFact(kind, debts_mask(debts, loans), ends_at) for kind, debts, ends_at in said["holds"]),
        consents=frozenset(Channel[c.upper()] for c in said["consents"]),
        refused=frozenset(Channel[c.upper()] for c in said["refused"]),
        inconvenient=tuple((a, b) for a, b in said["inconvenient"]),
        faults=faults_read(said),
        **{name: bool(said[name]) for name in FLAGS},
    )
    history = tuple(PastContact(**_record(c, loans), outcome=Outcome[c["outcome"].upper()]) for c in said["history"])
    return Known(facts, history, str(said["zone"]), loans), Proposal(**_record(said["proposal"], loans))


def faults_read(said: Mapping[str, Any]) -> tuple[FaultFact, ...]:
    """The faults of addresses in stored facts."""
    return tuple(FaultFact(Channel[c.upper()], refusals, since, ends_at) for c, refusals, since, ends_at in said["faults"])


def _record(said: Mapping[str, Any], loans: Sequence[str]) -> dict[str, Any]:
    plain = {k: v for k, v in said.items() if k not in ("channel", "purpose", "recipient", "debts", "outcome")}
    return plain | {
        "channel": Channel[said["channel"].upper()],
        "purpose": Purpose[said["purpose"].upper()],
        "recipient": Recipient[said["recipient"].upper()],
        "debts": debts_mask(said["debts"], loans),
    }


def verdict_again(policy: Policy, said: Mapping[str, Any], zone: Zone) -> Verdict:
    """The verdict that follows from stored facts: what was stored must be equal to it."""
    known, proposal = known_read(said, zone)
    return may_contact(policy, known.facts, known.history, proposal)
