"""Notices of rate resets: made as soon as the reset's rate is known, and given to the outbox as statutory messages."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction

from tideover.contact.outbox.queue import message_queue
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.business_time import business_date
from tideover.core.problems import Refused
from tideover.lending.models import ResetNotice
from tideover.lending.rates import coming_resets, notices_make
from tideover.lending.resets import contracts_following

TEMPLATE = "rate.reset"


def notices_send(at: datetime, *, actor: str) -> tuple[int, int]:
    """Make the notices of the coming resets and queue those that wait: (made, queued).

    A borrower who signs in gets it on their page, anybody else as a letter. Run again it does what is left. Without a template in
    force the notices wait.
    """
    paying = contracts_following().exclude(standing__bucket__in=("closed", "written_off"))
    made, queued = notices_make(coming_resets(list(paying), business_date(at)), actor=actor), 0
    waiting = ResetNotice.objects.filter(message="", reset_on__gt=business_date(at))
    for notice in waiting.select_related("contract__borrower", "contract__product", "contract__entity", "contract__branch"):
        try:
            _queue(notice, at, actor)
        except Refused:
            break  # no template is in force, or it says another purpose: the same for every notice
        queued += 1
    return made, queued


def _queue(notice: ResetNotice, at: datetime, actor: str) -> None:
    party, key = notice.contract.borrower, f"reset:{notice.contract.number}:{notice.reset_on}"
    values: dict[str, int | date] = {
        "from_on": notice.reset_on, "old_rate": notice.old_rate_ppm, "new_rate": notice.new_rate_ppm,
        "old_instalment": notice.old_instalment_minor, "new_instalment": notice.new_instalment_minor,
    }  # fmt: skip
    with transaction.atomic():
        message_queue(
            party=party, contracts=[notice.contract], channel=Channel.APP if party.user_id else Channel.LETTER,
            purpose=Purpose.STATUTORY, template=TEMPLATE, values=values, at=at, key=key, actor=actor,
        )  # fmt: skip
        ResetNotice.objects.filter(pk=notice.pk).update(message=key)
