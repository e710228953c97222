"""Reference rates: the packs' fixings and those that two people of the lender published; coming resets and their notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction

from tideover.core.action_log import Entry, log_many
from tideover.core.business_time import now
from tideover.core.packs.load import NoRule, calendar, pack
from tideover.core.packs.rules.fixings import PREFIX, MissingFixing, Reference, reset_days, with_fixings
from tideover.core.packs.rules.fixings import fixing as fixing_of
from tideover.core.packs.rules.pack import Pack
from tideover.engine.events import EventRejected
from tideover.engine.terms import Calendar, date_of, day
from tideover.lending.contract_terms import reference_of, terms_for
from tideover.lending.journal import journals_read
from tideover.lending.models import Contract, PublishedRate, ResetNotice
from tideover.lending.rules.reset_effect import ResetEffect, reset_effect

AHEAD = timedelta(days=45)
"""How long before a reset its notice can be made."""
CALENDAR_OF = "calendar"


def pack_here(name: str) -> Pack:
    """The pack of a jurisdiction with the fixings that two people of the lender published: what every rule about a rate reads.

    The pack's own fixing holds where both have one. Raises NoRule.
    """
    found = PublishedRate.objects.order_by("published_on").values_list("index", "published_on", "rate_ppm")
    return with_fixings(pack(name), found) if name == "cn" else pack(name)


class Fixings:
    """The Chinese rates as they are known at one moment; each index and day is looked up once."""

    def __init__(self) -> None:
        self.pack = pack_here("cn")
        self.known: dict[tuple[str, date], int | MissingFixing] = {}

    def found(self, index: str, on: date) -> int | MissingFixing:
        """Rate (ppm) of an index on a day, or why there is none. Raises NoRule."""
        if (index, on) not in self.known:
            try:
                self.known[index, on] = fixing_of(self.pack, index, on, calendar_of(index))
            except MissingFixing as error:
                self.known[index, on] = error
        return self.known[index, on]

    def rate(self, index: str, on: date) -> int:
        """Rate (ppm) of an index on a day. Raises MissingFixing or NoRule."""
        found = self.found(index, on)
        if isinstance(found, MissingFixing):
            raise found
        return found


def fixing(index: str, on: date) -> int:
    """Rate (ppm) of an index on a day. Raises MissingFixing or NoRule."""
    return Fixings().rate(index, on)


def indices() -> list[str]:
    """The reference rates that the Chinese pack knows."""
    return sorted(id.removeprefix(PREFIX) for id in pack("cn").rules if id.startswith(PREFIX))


def calendar_of(index: str) -> Calendar:
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


def coming_resets(contracts: Sequence[Contract], on: date) -> list[ComingReset]:
    """The next reset within 45 days of each floating loan that is still paying, soonest first."""
    due: list[tuple[Contract, Reference, date]] = []
    for contract in contracts:
        reference = reference_of(contract)
        days = reset_days(reference, contract.disbursed_on, on + AHEAD) if reference else []
        if reference is not None and (later := [d for d in days if d > on]):
            due.append((contract, reference, later[0]))
    keys = [c.pk for c, _r, _d in due]
    journals = journals_read(keys)
    notices = {(n.contract_id, n.reset_on): n for n in ResetNotice.objects.filter(contract__in=keys, reset_on__gt=on)}
    fixings, out = Fixings(), []
    for contract, reference, reset_on in due:
        notice, rate = notices.get((contract.pk, reset_on)), fixings.found(reference.index, reset_on)
        if isinstance(rate, MissingFixing):
            out.append(ComingReset(contract, reset_on, None, rate.expected_on, notice))
            continue
        events = [said.event() for said in journals.get(contract.pk, ())]
        try:
            effect = reset_effect(terms_for(contract), events, day(reset_on), max(0, rate + reference.spread_ppm))
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
