"""What the gate needs to know of people, from rows: holds, consents, preferences, place, contacts, third persons' refusals.

One reading for one person and for a hundred thousand: each kind of row is one query, whoever is asked about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection

from tideover.contact import addresses
from tideover.contact.models import AddressFault, ContactPreference, ThirdRefusal
from tideover.contact.rules.encode import Known
from tideover.contact.rules.faults import covered
from tideover.contact.rules.model import ALL_DEBTS, Channel, Facts, FaultFact, HoldFact, Outcome, PastContact, Purpose, Recipient
from tideover.contact.rules.policy import Policy, policy_read
from tideover.contact.zones import UnknownZone, zone
from tideover.core.business_time import EPOCH
from tideover.core.packs.load import pack
from tideover.core.sql import among, rows_read
from tideover.lending.models import ContactRecord, Contract, Hold, LoanParty, Party
from tideover.lending.models.plain import ids_about
from tideover.lending.rules.holds import OF_DEBT
from tideover.sources.rules.consents import ConsentFact, allows
from tideover.sources.selectors import consents_by_party

OTHERS = "others"
LOANS_MAX = 61
"""Bits for single loans; the last one stands for all loans beyond."""
LOST_HOLDS = frozenset({"death", "incapacity"})
LOOK_BACK_DAYS = 60
"""How far back attempts in a row are looked for, at least."""
CHANNEL_WORDS = {c.name.lower(): c for c in Channel} | {
    "phone": Channel.CALL, "telephone": Channel.CALL, "voice": Channel.CALL, "robot": Channel.AI_CALL, "wechat": Channel.WECOM,
    "mail": Channel.LETTER, "post": Channel.LETTER, "in_app": Channel.APP, "field": Channel.VISIT,
}  # fmt: skip
"""Channels as this house writes them and as files of other systems do."""
OUTCOME_WORDS = {o.name.lower(): o for o in Outcome} | {
    "answered": Outcome.CONVERSATION, "promise": Outcome.CONVERSATION, "talked": Outcome.CONVERSATION,
    "met": Outcome.CONVERSATION, "no_answer": Outcome.UNANSWERED, "busy": Outcome.UNANSWERED, "voicemail": Outcome.MESSAGE_LEFT,
    "sent": Outcome.DELIVERED, "invalid_number": Outcome.FAILED, "bounced": Outcome.FAILED,
}  # fmt: skip
SKEW = timedelta(hours=1)
"""Who waited for the person's lock asks about an instant before the contact that was made meanwhile: that one counts too."""
CALLS = frozenset({Channel.CALL, Channel.AI_CALL})


def seconds(at: datetime) -> int:
    """Whole seconds since 1970 UTC: the gate's instants."""
    return int((at - EPOCH).total_seconds())


def instant_of(second: int | None) -> datetime | None:
    """The instant of the gate's seconds."""
    return None if second is None else EPOCH + timedelta(seconds=second)


def number_of(hash: bytes) -> int:
    """The gate's id of a number from its keyed hash; 0 for none."""
    return int.from_bytes(bytes(hash)[:7], "big")


@lru_cache(maxsize=512)
def policy_on(name: str, on: date) -> Policy:
    """The contact policy of a pack on a day."""
    return policy_read(pack(name), on)


@dataclass(slots=True)
class Rows:
    """Everything stored about some people that the gate reads, by party id. own: hashes of the addresses of those with faults."""

    at: datetime
    parties: dict[int, tuple[Any, ...]]
    holds: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    consents: dict[int, list[ConsentFact]] = field(default_factory=dict)
    preferences: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    contacts: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    faults: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    own: dict[int, dict[Channel, bytes]] = field(default_factory=dict)
    loans: dict[int, str] = field(default_factory=dict)


PARTY = ("id", "region", "phone_hash")
HOLD = ("party_id", "kind", "contract_id", "starts_at", "ends_at")
PREFERENCE = ("party_id", "refused", "inconvenient", "zone")
FAULT = ("party_id", "channel", "to_hash", "refusals", "found_at", "ends_at")
CONTACT = (
    "party_id", "at", "direction", "channel", "purpose", "recipient", "number_hash", "about", "contract_id", "outcome",
    "consented",
)  # fmt: skip


def rows_of(parties: Sequence[int], at: datetime, days: int) -> Rows:
    """The rows of these people as they stand, for a decision at an instant; contacts of the last `days` and before `at`."""
    where, params = among("party_id", list(parties))
    own, own_params = among("id", list(parties))
    rows = Rows(at, {r[0]: r for r in rows_read(Party, PARTY, own, own_params)})
    told = rows_read(Hold, HOLD, f"id IN ({_held(where, own)})", [*params, *params, *own_params], "ORDER BY id")
    held = [row for row in told if row[3] <= at and (row[4] is None or row[4] > at)]
    others = _others(held, list(parties)) if any(row[2] is not None and row[1] in OF_DEBT for row in held) else {}
    for row in held:
        for party in {row[0], *(others.get(row[2], ()) if row[1] in OF_DEBT else ())} & rows.parties.keys():
            rows.holds.setdefault(party, []).append(row)
    rows.consents = consents_by_party(parties)
    rows.preferences = {r[0]: r for r in rows_read(ContactPreference, PREFERENCE, where, params)}
    since = ContactRecord._meta.get_field("at").get_db_prep_value(at - timedelta(days=days), connection)
    for row in rows_read(ContactRecord, CONTACT, f"{where} AND at >= %s", [*params, since], "ORDER BY at, id"):
        if row[1] <= at + SKEW:
            rows.contacts.setdefault(row[0], []).append(row)
    rows.loans = _numbers(rows)
    for row in rows_read(AddressFault, FAULT, f"cleared_at IS NULL AND {where}", params, "ORDER BY id"):
        if row[5] is None or row[5] > at:
            rows.faults.setdefault(row[0], []).append(row)
    if rows.faults:
        faulty = Party.objects.filter(pk__in=rows.faults).select_related("user").prefetch_related("points")
        rows.own = {p.pk: addresses.own_hashes(p) for p in faulty.iterator(chunk_size=500)}
    return rows


def _held(by_party: str, by_id: str) -> str:
    """SQL: holds that are not lifted, of some people or of the loans in which they stand, theirs or another's."""
    held = "SELECT id FROM lending_hold WHERE lifted_at IS NULL AND"
    theirs = by_id.replace("id", "borrower_id", 1)
    loans = f"SELECT contract_id FROM lending_loanparty WHERE {by_party} UNION SELECT id FROM lending_contract WHERE {theirs}"
    return f"{held} {by_party} UNION {held} contract_id IN ({loans})"


def _others(held: list[tuple[Any, ...]], parties: list[int]) -> dict[int, set[int]]:
    """Who of these people stands in each loan that is held, by loan."""
    of_loans, loans = among("contract_id", sorted({row[2] for row in held if row[2] is not None}))
    of_parties, people = among("party_id", parties)
    out: dict[int, set[int]] = {}
    for contract, party in rows_read(LoanParty, ("contract_id", "party_id"), f"{of_loans} AND {of_parties}", [*loans, *people]):
        out.setdefault(contract, set()).add(party)
    by_id, ids = among("id", sorted({row[2] for row in held if row[2] is not None}))
    for contract, borrower in rows_read(Contract, ("id", "borrower_id"), by_id, ids):
        out.setdefault(contract, set()).add(borrower)
    return out


def _numbers(rows: Rows) -> dict[int, str]:
    """Numbers of the loans that holds and contacts name."""
    ids = {h[2] for hs in rows.holds.values() for h in hs} | {i for cs in rows.contacts.values() for c in cs for i in _about(c)}
    ids.discard(None)
    if not ids:
        return {}
    where, params = among("id", sorted(ids))
    return dict(rows_read(Contract, ("id", "number"), where, params))  # type: ignore[arg-type]


def _about(contact: tuple[Any, ...]) -> list[int]:
    return ids_about(contact[7]) or ([contact[8]] if contact[8] is not None else [])


def days_back(policy: Policy) -> int:
    """How many days of contacts the rules of a policy look at."""
    rules = [*policy.caps, *policy.waits]
    return max([LOOK_BACK_DAYS, *(r.days + 1 for r in rules)])


def known_of(
    rows: Rows, party: int, policy: Policy, contracts: Mapping[int, str], number_hash: bytes = b"",
    reached: Mapping[Channel, bytes] | None = None,
) -> Known:  # fmt: skip
    """What is known of one person. contracts: id → number of the loans that are asked about; number_hash: of a third person.

    reached: hashes of addresses that would be used in place of the person's own, by channel.
    """
    _id, region, phone_hash = rows.parties[party]
    held, past = rows.holds.get(party, []), rows.contacts.get(party, [])
    named = {h[2] for h in held if h[2] is not None} | {i for c in past for i in _about(c)}
    bits = _bits({**{i: rows.loans[i] for i in named}, **contracts})
    _party, refused, inconvenient, own_zone = rows.preferences.get(party, (party, [], [], ""))
    name, place = _place(own_zone, policy.places.zone_of(region))
    given = rows.consents.get(party, [])
    history = tuple(_past(c, bits, rows.at) for c in past)
    faults = _faults(rows.faults.get(party, []), {**rows.own.get(party, {}), **(reached or {})})
    facts = Facts(
        place,
        holds=tuple(
            HoldFact(h[1], ALL_DEBTS if h[2] is None else bits[h[2]][0], None if h[4] is None else seconds(h[4])) for h in held
        ),
        consents=frozenset(c for c in Channel if allows(given, rows.at, "contact", c.name.lower(), contracts)),
        refused=frozenset(CHANNEL_WORDS[c] for c in refused if c in CHANNEL_WORDS),
        inconvenient=tuple((int(a), int(b)) for a, b in inconvenient),
        agreed_hours=allows(given, rows.at, "contact_hours", loans=contracts),
        unreachable=_is_unreachable(history, number_of(phone_hash)),
        incapable=any(h[1] in LOST_HOLDS and h[0] == party for h in held),
        faults=faults,
    )
    if number_hash and ThirdRefusal.objects.filter(number_hash=number_hash).exists():
        facts = replace(facts, third_refused=True)
    return Known(facts, history, name, tuple(dict.fromkeys(number for _mask, number in bits.values())))


def has_asked(rows: Rows, party: int, channel: Channel, contracts: Iterable[int]) -> bool:
    """Whether the person asked for this contact, so that caps which leave out such contacts do not count it."""
    return allows(rows.consents.get(party, []), rows.at, "contact_asked", channel.name.lower(), contracts)


def _bits(loans: Mapping[int, str]) -> dict[int, tuple[int, str]]:
    """(mask, name) of each loan by id."""
    out = {}
    for place, (id, number) in enumerate(sorted(loans.items())):
        last = place >= LOANS_MAX - 1 and len(loans) > LOANS_MAX
        out[id] = (1 << min(place, LOANS_MAX - 1), OTHERS if last else number)
    return out


def debts_of(known: Known, contracts: Mapping[int, str]) -> int:
    """The mask of the loans that a proposal is about; the person as a whole when it names none."""
    if not contracts:
        return ALL_DEBTS
    names = set(contracts.values())
    mask = sum(1 << bit for bit, loan in enumerate(known.loans) if loan in names)
    return mask | (1 << (len(known.loans) - 1) if OTHERS in known.loans and names - set(known.loans) else 0)


def _faults(rows: Sequence[tuple[Any, ...]], used: Mapping[Channel, bytes]) -> tuple[FaultFact, ...]:
    """Faults of the addresses that would be used, by channel; of one that has been replaced nothing is said."""
    found = [
        FaultFact(channel, refusals, seconds(found_at), None if ends_at is None else seconds(ends_at))
        for _party, found_by, to_hash, refusals, found_at, ends_at in rows
        for channel in covered(Channel(found_by))
        if used.get(channel) == bytes(to_hash)
    ]
    return tuple(sorted(found, key=lambda f: (f.channel, f.since)))


def _place(own: str, usual: str) -> tuple[str, Any]:
    for name in (own, usual):
        try:
            return name, zone(name)
        except UnknownZone:
            continue
    return "UTC", zone("UTC")


def _past(c: tuple[Any, ...], bits: Mapping[int, tuple[int, str]], at: datetime) -> PastContact:
    """A stored contact as the rules read it. A word that nobody knows counts as what counts most: a conversation by phone."""
    about, mask = _about(c), 0
    for i in about:
        mask |= bits[i][0]
    return PastContact(
        seconds(min(c[1], at)),
        CHANNEL_WORDS.get(c[3], Channel.CALL),
        OUTCOME_WORDS.get(c[9], Outcome.CONVERSATION),
        c[2] == "out",
        Purpose.__members__.get(c[4].upper(), Purpose.COLLECTION),
        Recipient.__members__.get(c[5].upper(), Recipient.DEBTOR),
        number_of(c[6]),
        mask if about else ALL_DEBTS,
        bool(c[10]),
    )


def _is_unreachable(history: Sequence[PastContact], number: int) -> bool:
    """The debtor's number is known to be dead: the latest call to it did not reach it at all."""
    theirs = [c for c in history if c.outbound and c.recipient == Recipient.DEBTOR and c.number in (0, number)]
    calls = [c for c in theirs if c.channel in CALLS]
    return bool(calls) and calls[-1].outcome == Outcome.FAILED
