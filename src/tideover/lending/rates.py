"""Reference rates: the packs' fixings and those that two people of the lender published; coming resets and their notices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction

from tideover.core.action_log import Entry, log_many
from tideover.core.business_time import now
from tideover.core.packs.load import NoRule, calendar, pack
from tideover.core.packs.load import fixing as pack_fixing
from tideover.core.packs.rules.fixings import PREFIX, MissingFixing, reset_days
from tideover.engine.events import EventRejected
from tideover.engine.terms import date_of, day
from tideover.lending.contract_terms import reference_of, terms_for
from tideover.lending.journal import engine_events
from tideover.lending.models import Contract, PublishedRate, ResetNotice
from tideover.lending.rules.reset_effect import ResetEffect, reset_effect

AHEAD = timedelta(days=45)
"""How long before a reset its notice can be made."""
CALENDAR_OF = "calendar"


def fixing(index: str, on: date) -> int:
    """Rate (ppm) of an index on a day: the pack's, else the one published here for the same publication day.

    Raises MissingFixing or NoRule.
    """
    try:
        return pack_fixing(index, on)
    except MissingFixing as error:
        found = PublishedRate.objects.filter(index=index, published_on=error.expected_on).first()
        if found is None:
            raise
        return found.rate_ppm


def indices() -> list[str]:
    """The reference rates that the Chinese pack knows."""
    return sorted(id.removeprefix(PREFIX) for id in pack("cn").rules if id.startswith(PREFIX))


def calendar_of(index: str) -> object:
    """The calendar by which an index is published. Raises NoRule."""
    rules = pack("cn").rules.get(PREFIX + index)
    if not rules:
        raise NoRule(f"there is no reference rate {index}")
    return calendar(rules[0].values[CALENDAR_OF])


@dataclass(frozen=True, slots=True)
class ComingReset:
    """A loan's next reset: `effect` None while its rate is not published (`waits_for`: the publication day)."""

    contract: Contract
    reset_on: date
    effect: ResetEffect | None
    waits_for: date | None
    notice: ResetNotice | None


def coming_resets(contracts: Iterator[Contract] | list[Contract], on: date) -> list[ComingReset]:
    """The next reset within 45 days of each floating loan that is still paying, soonest first."""
    out = []
    for contract in contracts:
        reference = reference_of(contract)
        days = reset_days(reference, contract.disbursed_on, on + AHEAD) if reference else []
        reset_on = next((d for d in days if d > on), None)
        if reference is None or reset_on is None:
            continue
        notice = ResetNotice.objects.filter(contract=contract, reset_on=reset_on).first()
        try:
            # The rate of the reset day is known once its own publication is out, which may lie before it.
            rate_ppm = max(0, fixing(reference.index, reset_on) + reference.spread_ppm)
        except MissingFixing as error:
            out.append(ComingReset(contract, reset_on, None, error.expected_on, notice))
            continue
        events = engine_events(contract.events.order_by("seq"))
        try:
            effect = reset_effect(terms_for(contract), events, day(reset_on), rate_ppm)
        except EventRejected:
            continue  # its journal cannot take it; the close names the loan
        if effect is not None:
            out.append(ComingReset(contract, reset_on, effect, None, notice))
    return sorted(out, key=lambda r: (r.reset_on, r.contract.number))


def notices_make(resets: list[ComingReset], *, actor: str) -> int:
    """Write the notices of the resets whose rate is known and that have none yet; how many."""
    rows = [
        ResetNotice(
            contract=r.contract, reset_on=r.reset_on, old_rate_ppm=r.effect.old_rate_ppm, new_rate_ppm=r.effect.new_rate_ppm,
            old_instalment_minor=r.effect.old_instalment_minor, new_instalment_minor=r.effect.new_instalment_minor,
            first_due_on=date_of(r.effect.first_due_on), made_at=now(),
        )
        for r in resets
        if r.effect is not None and r.notice is None
    ]  # fmt: skip
    with transaction.atomic():
        there = set(
            ResetNotice.objects.filter(contract__in=[r.contract for r in rows]).values_list("contract_id", "reset_on")
        )  # fmt: skip
        fresh = [r for r in rows if (r.contract_id, r.reset_on) not in there]
        ResetNotice.objects.bulk_create(fresh, ignore_conflicts=True)
        if fresh:
            said = [Entry("reset_notice.make", "loan", r.contract.number, {"reset_on": r.reset_on.isoformat()}) for r in fresh]
            log_many(actor, said)
    return len(fresh)
