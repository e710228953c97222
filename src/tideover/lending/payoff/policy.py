"""The policy of pay-off quotes: one YAML file, read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml
from django.conf import settings

from tideover.core.problems import refuse
from tideover.lending.rules.payoff import Policy, policy_read


@cache
def policy() -> Policy:
    """The policy in force. Raises Refused when the file that the settings name cannot be used."""
    path = Path(settings.PAYOFF_POLICY or Path(__file__).with_name("policy.yaml"))
    try:
        return policy_read(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise refuse("bad_policy", f"the pay-off policy {path} cannot be used: {error}") from error
