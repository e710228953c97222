"""How a person wants to be reached: which ways not, at which times not, in which language. It binds the gate at once."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from tideover.contact.models import ContactPreference
from tideover.contact.rules.model import Channel
from tideover.contact.zones import UnknownZone, zone
from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import Problem, Refused
from tideover.lending.models import Party

OPTIONAL = (
    Channel.CALL, Channel.AI_CALL, Channel.SMS, Channel.EMAIL, Channel.WECOM, Channel.MINI_PROGRAM, Channel.PUSH, Channel.VISIT,
)  # fmt: skip
"""Ways that a person can refuse. Messages in the app and letters stay: they disturb nobody and some are owed by law."""
BANDS = ((480, 720), (720, 840), (840, 1080), (1080, 1320))
"""Parts of the day that pages offer, in minutes: morning, noon, afternoon, evening."""
DAY_MINUTES = 1440
LANGUAGES = ("zh-hans", "en")


def preference_of(party: Party) -> ContactPreference:
    """What a person chose; an unsaved row without wishes when they never did."""
    return ContactPreference.objects.filter(party=party).first() or ContactPreference(party=party, changed_at=now())


def preferences_set(
    party: Party, *, refused: Sequence[str], inconvenient: Sequence[Sequence[int]], zone_name: str = "",
    language: str | None = None, actor: str,
) -> ContactPreference:  # fmt: skip
    """Keep a person's wishes; they replace the ones before.

    refused: names of channels; inconvenient: (from, to) minutes of the day, `to` after `from` (a night is two spans); zone_name:
    a time zone like Asia/Shanghai, empty for that of their region. Raises Refused naming every field that is wrong.
    """
    known, problems = {c.name.lower() for c in OPTIONAL}, []
    wrong = [c for c in refused if c not in known]
    if wrong:
        problems.append(
            Problem("unknown_channel", f"{wrong[0]} cannot be refused; these can: {', '.join(sorted(known))}", "refused")
        )
    if any(len(s) != 2 or not 0 <= s[0] < s[1] <= DAY_MINUTES for s in inconvenient):
        problems.append(Problem("bad_times", "each time is from and to in minutes of one day, 0 to 1440", "inconvenient"))
    if language is not None and language not in LANGUAGES:
        problems.append(Problem("unknown_language", f"languages are {', '.join(LANGUAGES)}", "language"))
    try:
        zone(zone_name or "UTC")
    except UnknownZone as error:
        problems.append(Problem("unknown_zone", str(error), "zone"))
    if problems:
        raise Refused(*problems)
    spans = sorted([int(a), int(b)] for a, b in inconvenient)
    with transaction.atomic():
        row, _ = ContactPreference.objects.update_or_create(
            party=party,
            defaults={
                "refused": sorted(set(refused)),
                "inconvenient": spans,
                "zone": zone_name,
                "changed_at": now(),
                "actor": actor,
            },
        )
        if language is not None and party.language != language:
            party.language = language
            party.save(update_fields=["language"])
        log(actor, "contact.preferences", "party", party.reference, row.values())
    return row
