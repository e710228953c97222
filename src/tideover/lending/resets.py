"""Loans that follow a reference rate: a rate change at each reset day, and the fixings that are missing for it."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import Q, QuerySet

from tideover.core.action_log import log
from tideover.core.packs.load import NoRule
from tideover.core.packs.rules.fixings import MissingFixing, Reference, reset_days
from tideover.core.problems import Refused
from tideover.engine.events import EventKind
from tideover.lending.contract_terms import reference_of
from tideover.lending.journal import OWN_KEYS, event_append
from tideover.lending.models import Contract, LoanEvent
from tideover.lending.rates import Fixings
from tideover.lending.services import standing_refresh


def contracts_following() -> QuerySet[Contract]:
    """Loans with a reference rate, of their own or of their product."""
    follows = Q(overrides__has_key="reference") | Q(product__conventions__has_key="reference")
    return Contract.objects.filter(follows).select_related("product").order_by("pk")


def resets_record(contract: Contract, *, until: date, actor: str, fixings: Fixings | None = None) -> list[LoanEvent]:
    """Append the rate changes of every reset day up to `until` that the journal lacks. Rates: fixing of the day plus spread.

    Raises MissingFixing at the first reset without a fixing; the resets before it stay recorded. Run again it adds nothing.
    """
    reference = reference_of(contract)
    keys = {} if reference is None else _keys(contract, reference, until)
    if reference is None or not keys:
        return []
    there = set(LoanEvent.objects.filter(idempotency_key__in=keys).values_list("idempotency_key", flat=True))
    fixings, added = fixings or Fixings(), []
    for key, on in keys.items():
        if key in there:
            continue
        rate_ppm = max(0, fixings.rate(reference.index, on) + reference.spread_ppm)
        with transaction.atomic():
            count = contract.event_count
            extra = {"rate_ppm": rate_ppm, "later_rows": "reamortise"}
            event = event_append(
                contract,
                kind=EventKind.RATE_CHANGE,
                effective_on=on,
                amount_minor=0,
                extra=extra,
                idempotency_key=key,
                actor=actor,
                core_told=True,  # a term of the contract, which its core follows by itself
            )
            if event.seq > count:
                standing_refresh(contract, as_of=until)
                log(actor, "event.rate_change", "loan", contract.number, {"seq": event.seq})
        added.append(event)
    return added


def _keys(contract: Contract, reference: Reference, until: date) -> dict[str, date]:
    """Reset days up to `until` by the key of their events."""
    days = reset_days(reference, contract.disbursed_on, until)
    return {f"{OWN_KEYS}reset:{contract.number}:{on}": on for on in days}


def missing_fixings(until: date, fixings: Fixings | None = None) -> list[str]:
    """One sentence for every loan whose next reset lacks its fixing, up to a day."""
    fixings, out = fixings or Fixings(), []
    for contract in contracts_following():
        reference = reference_of(contract)
        if reference is None:
            continue
        for on in reset_days(reference, contract.disbursed_on, until):
            try:
                fixings.rate(reference.index, on)
            except (MissingFixing, NoRule) as error:
                out.append(f"{contract.number}: {error}")
                break
    return out


def resets_run(until: date, *, actor: str = "close") -> list[str]:
    """Record every reset that has its fixing, loan by loan; the sentences of those that lack one, or whose journal refuses it."""
    refused, fixings = [], Fixings()
    for contract in contracts_following():
        try:
            resets_record(contract, until=until, actor=actor, fixings=fixings)
        except (MissingFixing, NoRule):
            continue  # said once below, for the whole book
        except Refused as error:
            # A loan whose journal holds what cannot happen must not keep the day from being closed.
            refused.append(f"{contract.number}: {error}")
    return missing_fixings(until, fixings) + refused
