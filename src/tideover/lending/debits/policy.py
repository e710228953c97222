"""The policy of debits and the bank's result codes: two YAML files, read once."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from django.conf import settings
from django.utils.translation import get_language

from tideover.core.problems import refuse
from tideover.lending.rules.debits import Policy, Reason, policy_read, reasons_read

HERE = Path(__file__).resolve().parent


@cache
def policy() -> Policy:
    """The policy in force. Raises Refused when the file that the settings name cannot be used."""
    path = Path(settings.DEBIT_POLICY) if settings.DEBIT_POLICY else HERE / "policy.yaml"
    try:
        return policy_read(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise refuse("bad_policy", f"the debit policy {path} cannot be used: {error}") from error


@cache
def reasons() -> dict[str, Reason]:
    """The bank's result codes."""
    return reasons_read(yaml.safe_load((HERE / "reasons.yaml").read_text(encoding="utf-8")))


OURS = {
    "not_owed": ("已还清，无需扣款", "paid meanwhile: nothing is left to take"),
    "stopped": ("已暂停扣款", "stopped before it left: a hold, a dispute or a withdrawn mandate"),
    "missed_cut_off": ("错过截止时间", "it missed the bank's cut-off and never left"),
    "no_answer": ("银行未按时回复", "the bank did not answer in time"),
    "worker_lost": ("发送中断，结果待查", "the worker was lost while sending: the bank is asked"),
    "no_connection": ("银行连接无回应，结果待查", "the bank's answer did not come: it is asked"),
    "": ("", ""),
}
"""Reasons that the house gives: zh, en."""


def reason_words(reason: str) -> str:
    """A reason in the page's language."""
    zh, en = OURS.get(reason) or next(((r.zh, r.en) for r in reasons().values() if r.reason == reason), (reason, reason))
    return zh if (get_language() or "").startswith("zh") else en


def local(at: datetime) -> datetime:
    """An instant on the lender's clock."""
    return at.astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE))
