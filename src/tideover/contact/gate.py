"""Asking the gate, and writing down what took place. Both run one after the other for a person, so that no cap is overshot.

Ask, and record what follows from the answer, in one transaction: the person stays locked to its end. Ask the gate last among the
locks of a transaction (after loans), so that locks keep one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tideover.contact.addresses import address_hash, number_plain
from tideover.contact.chain import GENESIS, verdict_hash
from tideover.contact.clock_saving import clock_approval
from tideover.contact.facts import (
    days_back,
    debts_of,
    has_asked,
    instant_of,
    known_of,
    number_of,
    policy_on,
    rows_of,
    seconds,
)
from tideover.contact.models import ThirdRefusal, VerdictRow
from tideover.contact.rules.encode import Known, known_json
from tideover.contact.rules.gate import ADDRESS_RULE, may_contact
from tideover.contact.rules.model import Channel, Outcome, Proposal, Purpose, Recipient, Verdict
from tideover.contact.rules.policy import Policy
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import refuse
from tideover.core.sql import lock_until_commit
from tideover.lending import clock
from tideover.lending.models import ContactRecord, Contract, Party
from tideover.lending.models.plain import about_of
from tideover.lending.services_holds import jurisdiction_of

LOCK_SPACE = 7003 << 44
BY_PHONE = frozenset({Channel.SMS, Channel.CALL, Channel.AI_CALL})
THIRD = frozenset({Recipient.RELATED, Recipient.UNRELATED})


@dataclass(frozen=True, slots=True)
class Question:
    """A proposal with everything that was read to answer it."""

    policy: Policy
    known: Known
    proposal: Proposal
    number_hash: bytes


def person_lock(party_id: int) -> None:
    """Let nobody else ask or record for this person until the transaction ends. On SQLite the transaction itself does it."""
    lock_until_commit(LOCK_SPACE + party_id)


def number_hash_of(party: Party, channel: Channel, recipient: Recipient, number: str) -> bytes:
    """Keyed hash of the number or address that is reached; the person's own telephone where none is named.

    One number is one however it is written, so that no cap and no third person's refusal is passed by a prefix or a blank.
    """
    if number and not (channel in BY_PHONE and number_plain(number) == number_plain(str(party.phone))):
        return address_hash(channel, number)
    return bytes(party.phone_hash) if channel in BY_PHONE and (number or recipient not in THIRD) else b""


def policy_for(party: Party, contracts: Sequence[Contract], at: datetime) -> Policy:
    """The rules that speak: those of the jurisdiction of the first loan's lender, else of the branch that keeps the person."""
    return policy_on(jurisdiction_of(party, contracts[0] if contracts else None), business_date(at))


def question(
    *, party: Party, contracts: Sequence[Contract], channel: Channel, purpose: Purpose, recipient: Recipient, number: str,
    discloses: bool, saves_clock: bool, approved: bool, at: datetime,
) -> Question:  # fmt: skip
    """Everything about one proposal, read now. `at` may lie ahead: what is known now is what counts."""
    policy = policy_for(party, contracts, at)
    hash_ = number_hash_of(party, channel, recipient, number)
    rows = rows_of([party.pk], at, days_back(policy))
    named = {c.pk: c.number for c in contracts}
    reached = {channel: address_hash(channel, number)} if number else None
    known = known_of(rows, party.pk, policy, named, hash_ if recipient in THIRD else b"", reached)
    proposal = Proposal(
        seconds(at), channel, purpose, recipient, number_of(hash_), debts_of(known, named), discloses, saves_clock, approved,
        has_asked(rows, party.pk, channel, named),
    )  # fmt: skip
    return Question(policy, known, proposal, hash_)


def verdict_ask(
    *, party: Party, contracts: Sequence[Contract] = (), channel: Channel, purpose: Purpose,
    recipient: Recipient = Recipient.DEBTOR, number: str = "", discloses: bool = True, saves_clock: bool = False,
    approved: bool = False, at: datetime, actor: str, stage: str = "decision",
) -> VerdictRow:  # fmt: skip
    """Ask whether a contact may be made, and store the answer, whatever it is. The person stays locked to the transaction's end.

    `approved` counts only for a demand that saves a right (`saves_clock`) and only while a granted approval of kind
    contact.saves_clock stands for every loan named. `stage`: decision, sending (asked again at the moment), or check.
    """
    with transaction.atomic():
        clock.writing()
        person_lock(party.pk)
        approval = clock_approval(contracts, at) if saves_clock and approved else ""
        asked = question(
            party=party, contracts=contracts, channel=channel, purpose=purpose, recipient=recipient, number=number,
            discloses=discloses, saves_clock=saves_clock, approved=bool(approval), at=at,
        )  # fmt: skip
        verdict = may_contact(asked.policy, asked.known.facts, asked.known.history, asked.proposal)
        return _store(party, contracts, asked, verdict, at=at, actor=actor, stage=stage, approval=approval)


def _store(
    party: Party, contracts: Sequence[Contract], asked: Question, verdict: Verdict, *, at: datetime, actor: str, stage: str,
    approval: str,
) -> VerdictRow:  # fmt: skip
    p, before = asked.proposal, VerdictRow.objects.filter(party=party).order_by("-seq").values_list("seq", "hash").first()
    row = VerdictRow(
        party=party, contract=contracts[0] if len(contracts) == 1 else None, about=about_of(c.pk for c in contracts),
        seq=before[0] + 1 if before else 1, at=at, recorded_at=clock.stamp(joined=True), stage=stage, actor=actor,
        channel=p.channel.name.lower(), purpose=p.purpose.name.lower(), recipient=p.recipient.name.lower(),
        number_hash=asked.number_hash, discloses=p.discloses, saves_clock=p.saves_clock, approved=p.approved, approval=approval,
        allowed=verdict.allowed, next_at=instant_of(verdict.next_at), fired=fired_json(asked.policy, verdict),
        fired_ids="".join(f"|{f.rule}" for f in verdict.fired) + ("|" if verdict.fired else ""), exempt=list(verdict.exempt),
        facts=known_json(asked.known, p), pack=asked.policy.pack, pack_on=asked.policy.on, pack_hash=asked.policy.hash,
        prev_hash=bytes(before[1]) if before else GENESIS,
    )  # fmt: skip
    row.hash = verdict_hash(row)
    row.save(force_insert=True)
    return row


def fired_json(policy: Policy, verdict: Verdict) -> list[dict[str, Any]]:
    """The rules that forbid it, each with its source; wishes and holds that the pack lacks are the house's rules."""
    out = []
    for f in verdict.fired:
        cited = policy.citations.get(f.rule)
        out.append(
            {
                "rule": f.rule,
                "until": f.until,
                "instrument": cited.instrument if cited else "house rule",
                "article": cited.article if cited else _house_article(f.rule),
                "status": policy.statuses.get(f.rule, "house"),
            }
        )
    return out


def _house_article(rule: str) -> str:
    if rule == ADDRESS_RULE:
        return "addresses that cannot be reached"
    return "the person's own wish" if rule.startswith("preference.") else "holds"


def contact_record(
    *, party: Party, contracts: Sequence[Contract] = (), channel: Channel, purpose: Purpose, outcome: Outcome, at: datetime,
    direction: str = "out", recipient: Recipient = Recipient.DEBTOR, number: str = "", seconds: int | None = None,
    verdict: VerdictRow | None = None, actor: str, note: str = "", refused: bool = False, recording_hash: bytes = b"",
) -> ContactRecord:  # fmt: skip
    """Write down a contact that takes place: what the caps count. `refused`: the third person asked not to be contacted again.

    Raises Refused: a verdict that said no, or about somebody else; a third person's refusal without their number.
    """
    if verdict is not None and verdict.party_id != party.pk:
        raise refuse("other_verdict", "the verdict is about somebody else", "verdict")
    if verdict is not None and not verdict.allowed:
        raise refuse("not_allowed", "the gate did not allow this contact", "verdict")
    if refused and not (recipient in THIRD and number):
        raise refuse("missing", "name the number of the third person who refused", "number")
    with transaction.atomic():
        clock.writing()
        person_lock(party.pk)
        policy = policy_for(party, contracts, at)
        hash_ = number_hash_of(party, channel, recipient, number)
        consented = False
        if direction == "out":
            rows = rows_of([party.pk], at, 0)
            consented = has_asked(rows, party.pk, channel, [c.pk for c in contracts])
        row = ContactRecord.objects.create(
            party=party, contract=contracts[0] if len(contracts) == 1 else None, about=about_of(c.pk for c in contracts), at=at,
            direction=direction, channel=channel.name.lower(), purpose=purpose.name.lower(), recipient=recipient.name.lower(),
            number_hash=hash_, outcome=outcome.name.lower(), seconds=seconds, consented=consented,
            verdict_id=verdict.pk if verdict else None, note=note, recording_hash=recording_hash,
            recording_until=business_date(at) + timedelta(days=policy.recording_days) if recording_hash else None,
            actor=actor, recorded_at=clock.stamp(joined=True),
        )  # fmt: skip
        if refused:
            ThirdRefusal.objects.get_or_create(number_hash=hash_, defaults={"at": now(), "actor": actor})
    return row


def contact_outcome(
    record: ContactRecord, outcome: Outcome, at: datetime, *, seconds: int | None = None, recording_hash: bytes = b"",
    actor: str = "",
) -> ContactRecord:  # fmt: skip
    """Settle how a contact ended, when that is known later (a receipt, the end of a call). Logged when a person says so."""
    with transaction.atomic():
        clock.writing()
        person_lock(record.party_id)
        locked = ContactRecord.objects.select_for_update(of=("self",), no_key=True)
        row = locked.select_related("party", "contract").get(pk=record.pk)
        if row.outcome == outcome.name.lower() and seconds is None and not recording_hash:
            return row
        row.outcome, row.settled_at = outcome.name.lower(), at
        row.seconds = seconds if seconds is not None else row.seconds
        if recording_hash:
            policy = policy_for(row.party, [row.contract] if row.contract else [], row.at)
            row.recording_hash = recording_hash
            row.recording_until = business_date(row.at) + timedelta(days=policy.recording_days)
        row.save(update_fields=["outcome", "settled_at", "seconds", "recording_hash", "recording_until"])
        if actor:
            log(actor, "contact.outcome", "party", row.party.reference, {"id": row.pk, "outcome": row.outcome})
    return row
