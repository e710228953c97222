"""The policy of an entity that lives beside a core: published by day, read as data."""

from __future__ import annotations

from datetime import date
from typing import Any

import yaml
from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending.models import CorePolicy, LegalEntity
from tideover.lending.rules.beside_policy import BadPolicy, BesidePolicy, policy_read


def policy_of(entity: LegalEntity, on: date) -> BesidePolicy:
    """The policy in force on a day; the defaults where none was published."""
    row = CorePolicy.objects.filter(entity=entity, valid_from__lte=on).order_by("-valid_from", "-pk").first()
    return policy_read({} if row is None else row.data)


def policy_publish(entity: LegalEntity, text: str, *, valid_from: date, actor: str) -> CorePolicy:
    """Put a policy (YAML) in force from a day on. Raises Refused: not YAML, a key or value that it does not have."""
    try:
        data: Any = yaml.safe_load(text) or {}
        if not isinstance(data, dict):
            raise BadPolicy("expected keys and values")
        policy_read(data)
    except (yaml.YAMLError, BadPolicy) as error:
        raise refuse("bad_policy", str(error), "policy") from error
    with transaction.atomic():
        row = CorePolicy.objects.create(entity=entity, valid_from=valid_from, data=data, published_at=now(), actor=actor)
        log(actor, "core.policy.publish", "entity", entity.code, {"valid_from": valid_from.isoformat()})
    return row
