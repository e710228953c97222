"""Consents: given for one purpose with its evidence, withdrawn at any time; each act is written once and for good."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import Contract, Party
from tideover.sources.models import Consent, ConsentAct
from tideover.sources.rules.consents import GIVEN_HOW, PURPOSES


def consent_give(
    party: Party, contract: Contract | None, *, purpose: str, channel: str = "", given_how: str, evidence: str = "",
    scope: str = "", given_at: datetime, expires_at: datetime | None = None, actor: str,
) -> Consent:  # fmt: skip
    """Record a consent. Raises Refused: unknown purpose or way, no evidence for what was said or written elsewhere, it expires
    before it is given, it lies in the future, or the party has no part in the loan."""
    if purpose not in PURPOSES:
        raise refuse("unknown_purpose", f"there is no consent for {purpose}; purposes are {', '.join(PURPOSES)}", "purpose")
    if given_how not in GIVEN_HOW:
        raise refuse("unknown_way", f"{given_how} is not a way to consent; ways are {', '.join(GIVEN_HOW)}", "given_how")
    if given_how in ("recording", "paper") and not evidence.strip():
        raise refuse("missing", "name the recording or the paper that proves it", "evidence")
    if purpose == "contact_hours" and channel:
        raise refuse("not_by_channel", "hours are agreed for all channels together", "channel")
    if expires_at is not None and expires_at <= given_at:
        raise refuse("bad_dates", "a consent must expire after it is given", "expires_at")
    if given_at > now():
        raise refuse("bad_dates", "a consent cannot be given in the future", "given_at")
    if contract is not None and contract.borrower_id != party.pk and not contract.parties.filter(party=party).exists():
        raise refuse("not_their_loan", f"{party.reference} has no part in {contract.number}", "loan")
    with transaction.atomic():
        consent = Consent.objects.create(
            party=party, contract=contract, purpose=purpose, scope=scope, channel=channel, given_how=given_how,
            evidence=evidence.strip(), given_at=given_at, expires_at=expires_at, actor=actor, recorded_at=clock.stamp(),
        )  # fmt: skip
        _act(consent, "given", given_at, given_how, consent.evidence, actor)
        log(actor, "consent.add", "party", party.reference, {"id": consent.pk, "purpose": purpose})
    return consent


def consent_withdraw(consent: Consent, *, how: str, evidence: str = "", actor: str) -> Consent:
    """Withdraw a consent from now on; twice changes nothing."""
    with transaction.atomic():
        clock.writing()
        row = Consent.objects.select_for_update(of=("self",), no_key=True).select_related("party").get(pk=consent.pk)
        if row.withdrawn_at is not None:
            return row
        row.withdrawn_at = now()
        row.save(update_fields=["withdrawn_at"])
        _act(row, "withdrawn", row.withdrawn_at, how, evidence, actor)
        log(actor, "consent.close", "party", row.party.reference, {"id": row.pk, "purpose": row.purpose})
    return row


def _act(consent: Consent, act: str, at: datetime, how: str, evidence: str, actor: str) -> None:
    ConsentAct.objects.create(
        consent=consent, act=act, at=at, how=how, evidence=evidence, actor=actor, recorded_at=clock.stamp(joined=True)
    )
