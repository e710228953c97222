"""What the gate is asked, what it knows, and what it answers: plain records.

Instants are int seconds since 1970-01-01 UTC. Debts of one person are bits of an int, so that a proposal about two loans and a
hold on one of them meet by `&`; ALL_DEBTS stands for the person as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

ALL_DEBTS = (1 << 62) - 1


class Channel(IntEnum):
    """Ways to reach a person. Values are stored: add, never renumber."""

    APP = 0
    PUSH = 1
    SMS = 2
    EMAIL = 3
    CALL = 4
    AI_CALL = 5
    WECOM = 6
    LETTER = 7
    VISIT = 8
    MINI_PROGRAM = 9


class Purpose(IntEnum):
    COLLECTION = 0
    SERVICE = 1
    STATUTORY = 2
    REPLY = 3


class Recipient(IntEnum):
    """Who is reached. RELATED: a third person whom the debt served (a spouse, say); UNRELATED: any other; ATTORNEY: acts for
    the debtor."""

    DEBTOR = 0
    GUARANTOR = 1
    RELATED = 2
    UNRELATED = 3
    ATTORNEY = 4


class Outcome(IntEnum):
    """How a contact ended. FAILED: it did not reach the number at all (dead line, bounce)."""

    FAILED = 0
    UNANSWERED = 1
    MESSAGE_LEFT = 2
    CONVERSATION = 3
    DELIVERED = 4


@dataclass(frozen=True, slots=True)
class PastContact:
    """One contact with the person that took place. `number`: any id of the number or address that was reached.

    consented: the person had asked for it, under the consent that its rule names.
    """

    at: int
    channel: Channel
    outcome: Outcome
    outbound: bool = True
    purpose: Purpose = Purpose.COLLECTION
    recipient: Recipient = Recipient.DEBTOR
    number: int = 0
    debts: int = ALL_DEBTS
    consented: bool = False


@dataclass(frozen=True, slots=True)
class HoldFact:
    """A hold that is open. `kind`: a code of the pack's holds; `ends_at` None: until it is lifted."""

    kind: str
    debts: int = ALL_DEBTS
    ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class FaultFact:
    """The address that would be used on a channel was refused by its carrier: so many times since an instant.

    `ends_at` None: until somebody has looked at it.
    """

    channel: Channel
    refusals: int = 1
    since: int = 0
    ends_at: int | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """Local time of a place: from instant starts[i] on, local = UTC + offsets[i] seconds. starts rise; the first is far back."""

    starts: tuple[int, ...]
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the person at the decision.

    consents: channels for which a live consent to be contacted exists; refused: channels that the person does not want;
    inconvenient: local minutes (from, to) of each day at which the person asked not to be reached; agreed_hours: whether the
    person agreed to be reached outside the lawful hours; unreachable: the debtor's number is known to be invalid; incapable:
    dead or without capacity; third_refused: this third person asked not to be contacted again; faults: of the addresses that
    would be used, none of an address that has been replaced or verified.
    """

    zone: Zone
    holds: tuple[HoldFact, ...] = ()
    consents: frozenset[Channel] = frozenset()
    refused: frozenset[Channel] = frozenset()
    inconvenient: tuple[tuple[int, int], ...] = ()
    agreed_hours: bool = False
    unreachable: bool = False
    incapable: bool = False
    third_refused: bool = False
    faults: tuple[FaultFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """One contact that somebody wants to make at instant `at`.

    discloses: whether what is said lets the other side know of a debt; saves_clock: a demand by legal that keeps a right from
    lapsing; approved: a second person agreed to it; consented: as in PastContact.
    """

    at: int
    channel: Channel
    purpose: Purpose = Purpose.COLLECTION
    recipient: Recipient = Recipient.DEBTOR
    number: int = 0
    debts: int = ALL_DEBTS
    discloses: bool = True
    saves_clock: bool = False
    approved: bool = False
    consented: bool = False


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that forbids the contact. `until`: the first instant at which it no longer would; None: not by time."""

    rule: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the contact may be made; every rule that forbids it, in the policy's order; when it may be made at the earliest.

    next_at: the first instant from `at` on at which nothing forbids it (`at` itself when allowed); None when time alone will
    not help, or not within the gate's horizon. exempt: caps that did not count this contact.
    """

    allowed: bool
    fired: tuple[Fired, ...] = ()
    next_at: int | None = None
    exempt: tuple[str, ...] = field(default=())
