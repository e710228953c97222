"""Secrets with which banks sign their calls: made, shown once, ended on a day; two may hold at once while a bank changes over.

They are kept as personal fields are (sealed under TIDEOVER_FIELD_KEY), so `tideover keys rotate` seals them anew with the rest.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending.models import HookSecret, LegalEntity

LIVE_MAX = 2


def secret_new(*, bank: str, entity: LegalEntity, actor: str) -> tuple[HookSecret, str]:
    """A new secret of a bank, and its text, which is shown this once. Raises Refused: no name, or two hold already."""
    if not bank.strip() or len(bank) > 40:
        raise refuse("bad_bank", "a bank has a name of 1 to 40 characters", "bank")
    live = HookSecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now()), bank=bank, entity=entity)
    if live.count() >= LIVE_MAX:
        raise refuse("two_hold", f"{LIVE_MAX} secrets of {bank} hold already: end the old one first", "bank")
    text = secrets.token_urlsafe(32)
    with transaction.atomic():
        made = HookSecret.objects.create(
            key_id=f"K{secrets.token_hex(6)}", bank=bank.strip(), entity=entity, secret=text, made_at=now(), made_by=actor
        )
        log(actor, "bank_secret.new", "bank_secret", made.key_id, {"bank": bank})
    return made, text


def secret_end(key_id: str, *, at: datetime, actor: str) -> HookSecret:
    """Let a secret end at an instant. Raises Refused for an unknown one, or one that has ended."""
    with transaction.atomic():
        found = HookSecret.objects.select_for_update(of=("self",), no_key=True).filter(key_id=key_id).first()
        if found is None or (found.ends_at is not None and found.ends_at <= now()):
            raise refuse("no_such_key", f"no secret {key_id} holds", "key")
        found.ends_at = at
        found.save(update_fields=["ends_at"])
        log(actor, "bank_secret.end", "bank_secret", key_id, {"at": at.isoformat()})
    return found
