"""Money that names a quoted loan: what pays it off is booked as its pay-off, before anything is divided over other loans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from django.db import transaction
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.models import Role
from tideover.core.problems import Refused
from tideover.core.work import work_open
from tideover.engine.apportion import Step
from tideover.engine.events import EventKind
from tideover.engine.terms import Component
from tideover.lending.journal import OWN_KEYS, event_append
from tideover.lending.models import Contract, Party, PayoffQuote, PayoffUse, Receipt
from tideover.lending.payoff.figures import Figures, figures_of
from tideover.lending.payoff.policy import policy
from tideover.lending.payoff.selectors import promised
from tideover.lending.receipts.booking import part_book
from tideover.lending.rules.payoff import Match, number_ok, quote_matches
from tideover.lending.selectors import loan_standing

WORK = "payoff.promise"
WORK_DAYS = 3


class _NotClosed(Exception):
    """The loan would not have stood at nothing: the money is divided like any other."""


def loans_meant(designation: Sequence[Mapping[str, object]] | None) -> list[Mapping[str, object]] | None:
    """A designation with the loan's number wherever a quote's number stood for it."""
    if not designation:
        return None
    quoted = [n for line in designation if number_ok(n := str(line.get("debt", "")))]
    loans = dict(PayoffQuote.objects.filter(number__in=quoted).values_list("number", "contract__number")) if quoted else {}
    return [{**line, "debt": loans[str(line["debt"])]} if line.get("debt") in loans else line for line in designation]


def payoffs_take(receipt: Receipt, party: Party, wishes: Mapping[str, int | None], *, actor: str) -> list[Contract]:
    """Pay off the quoted loans among those that a receipt names, where its money suffices; the loans that were paid off.

    Inside the receipt's transaction, under the party's lock. `receipt` is changed in place: the rest is left on it.
    """
    named = Contract.objects.filter(
        number__in=list(wishes), borrower=party, entity=receipt.entity_id, disbursed_on__lte=receipt.received_on,
        payoff_quotes__isnull=False,
    )  # fmt: skip
    done = []
    for contract in named.select_related("product", "entity", "branch", "borrower").distinct().order_by("pk"):
        others = [a for n, a in wishes.items() if n != contract.number]
        wish = wishes[contract.number]
        if wish is None and None in others:
            continue  # several loans share the money, none says how much: nobody said that this one ends
        left = receipt.unapplied_minor - sum(a or 0 for a in others if wish is None)
        if _one(receipt, contract, left if wish is None else min(wish, receipt.unapplied_minor), actor):
            done.append(contract)
    return done


def _one(receipt: Receipt, contract: Contract, offered_minor: int, actor: str) -> bool:
    on = receipt.received_on
    quotes = list(contract.payoff_quotes.filter(first_on__lte=on).order_by("pk"))
    if not quotes or offered_minor <= 0:
        return False
    figures = figures_of(contract, on)
    least = promised(quotes, figures.events, on)
    try:
        owed = figures.closing(on).amount_minor
        match = quote_matches(offered_minor, least[1] if least else None, owed, policy())
    except Refused:  # what closes it is not certain on that day
        return False
    if not match.pays:
        return False
    try:
        with transaction.atomic():
            _book(receipt, contract, least[0] if least else quotes[-1], match, figures, actor)
    except (Refused, _NotClosed) as error:
        receipt.refresh_from_db(fields=["placed_minor", "unapplied_minor"])
        log(actor, "payoff.not_taken", "loan", contract.number, {"receipt": receipt.number, "why": str(error)[:200]})
        return False
    return True


def _book(
    receipt: Receipt, contract: Contract, quote: PayoffQuote, match: Match, figures: Figures, actor: str
) -> PayoffUse:  # fmt: skip
    on, key = receipt.received_on, f"{OWN_KEYS}payoff:{receipt.number}:{contract.pk}:{receipt.parts.count()}"
    note = f"payoff.{match.rule}:{quote.number}"
    seqs = [
        event_append(
            contract, kind=EventKind.REVERSAL, effective_on=max(on, contract.disbursed_on), extra={"of_seq": e.seq, "note": note},
            idempotency_key=f"{key}:fee:{e.seq}", actor=actor,
        ).seq
        for e in figures.falls_away(on)
    ]  # fmt: skip
    seqs += _compensation(contract, on, figures, key, note, actor)
    if match.waived_minor and figures.terms.row_terms is not None:
        seqs.append(_give_up(contract, EventKind.GOODWILL, on, match.waived_minor, None, f"{key}:goodwill", note, actor))
    part = part_book(receipt, contract, on, [(Step.PAYOFF, match.taken_minor)], actor=actor)
    if match.waived_minor and figures.terms.row_terms is None:
        seqs += _waive(contract, on, key, note, actor)
    if (left := _left(contract, on)) != 0:
        raise _NotClosed(f"{contract.number}: {left} left on {on}")
    use = PayoffUse.objects.create(
        quote=quote, part=part, on=on, rule=match.rule, asked_minor=match.asked_minor,
        owed_minor=match.taken_minor + match.waived_minor, waived_minor=match.waived_minor, events=seqs, at=now(),
    )  # fmt: skip
    PayoffQuote.objects.filter(contract=contract, ended="").update(ended="used", ended_at=now(), ended_by=actor)
    PayoffQuote.objects.filter(pk=quote.pk).update(ended="used", ended_at=now(), ended_by=actor)
    if match.waived_minor > policy().under_minor:
        _look(contract, quote, match, actor)
    return use


def _compensation(contract: Contract, on: date, figures: Figures, key: str, note: str, actor: str) -> list[int]:
    """What the contract asks for paying early, as a charge of the day."""
    found = figures.compensation(on)
    return [
        event_append(
            contract, kind=EventKind.CHARGE, effective_on=on, amount_minor=amount,
            extra={"component": fee.component.name.lower(), "until": on.isoformat(), "note": note},
            idempotency_key=f"{key}:early:{fee.code}", actor=actor,
        ).seq
        for fee, amount in found
    ]  # fmt: skip


def _waive(contract: Contract, on: date, key: str, note: str, actor: str) -> list[int]:
    """Waive what the pay-off left open, component by component."""
    s, out = loan_standing(contract, on), []
    claims = {c: getattr(s, f"{c.name.lower()}_minor") for c in Component}
    for component, amount in claims.items():
        if amount > 0:
            where = f"{key}:waiver:{component.name.lower()}"
            out.append(_give_up(contract, EventKind.WAIVER, on, amount, component, where, note, actor))
    return out


def _give_up(
    contract: Contract, kind: EventKind, on: date, amount: int, component: Component | None, key: str, note: str, actor: str
) -> int:
    extra = {"note": note} | ({"component": component.name.lower()} if component is not None else {})
    event = event_append(
        contract, kind=kind, effective_on=on, amount_minor=amount, extra=extra, idempotency_key=key, actor=actor
    )  # fmt: skip
    return event.seq


def _left(contract: Contract, on: date) -> int:
    s = loan_standing(contract, on)
    return s.payoff_minor + s.surplus_minor or s.row_outstanding_minor


def _look(contract: Contract, quote: PayoffQuote, match: Match, actor: str) -> None:
    """More was waived than the tolerance allows, because the quote had promised it: finance looks at why."""
    work_open(
        WORK, subject=("loan", contract.number), key=f"payoff:{quote.number}", owner_role=Role.FINANCE, actor=actor,
        why=gettext_noop("Quote %(quote)s was kept: what was booked after it was waived with the pay-off."),
        why_values={"quote": quote.number}, due_at=now() + timedelta(days=WORK_DAYS), entity=contract.entity.code,
        branch=contract.branch.code, amount_minor=match.waived_minor,
    )  # fmt: skip
