"""What closes a loan on a day, from its journal now: fees that come, fees that fall away, compensation by the contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tideover.core.problems import refuse
from tideover.engine.events import Event, EventKind
from tideover.engine.replay import replay
from tideover.engine.terms import Terms, date_of, day
from tideover.lending.contract_terms import terms_for
from tideover.lending.fees import asked_on, charges_due
from tideover.lending.journal import OWN_KEYS, engine_event
from tideover.lending.models import Contract
from tideover.lending.rules.fees import NORMAL, Fee, fees_read
from tideover.lending.rules.payoff import NEXT_SEQ, Closing, ahead, closing, compensation, undue_principal

COMING_SEQ = NEXT_SEQ // 2


@dataclass(frozen=True, slots=True)
class Figures:
    """A loan's terms and journal, read once for many days.

    own_fees: seqs of the product's normal charges; coming: those that the close will have charged by a day, as hypothetical
    events; early: fees for paying early.
    """

    contract: Contract
    terms: Terms
    events: tuple[Event, ...]
    own_fees: frozenset[int]
    coming: tuple[Event, ...]
    early: tuple[Fee, ...]

    def falls_away(self, on: date) -> list[Event]:
        """Fees asked for ahead of an instalment that a pay-off on the day leaves out (Civil Code art. 677)."""
        return [e for e in ahead(self.events, on) if e.seq in self.own_fees]

    def closing(self, on: date) -> Closing:
        """What pays the loan off on a day. Raises Refused where a charge that is no fee of the plan falls due later only."""
        gone = {e.seq for e in self.falls_away(on)}
        if other := [e for e in ahead(self.events, on) if e.seq not in gone]:
            due_on = date_of(other[0].until)
            raise refuse("charge_ahead", f"a charge falls due on {due_on}: from that day on the sum is certain", "valid_until")
        here = [e for e in (*self.events, *self.coming) if e.seq not in gone and (e.seq < COMING_SEQ or e.until <= day(on))]
        return closing(self.terms, here, on, self.early)

    def compensation(self, on: date) -> list[tuple[Fee, int]]:
        """What the contract asks for paying the loan off on a day: fee and amount."""
        return compensation(self.early, undue_principal(replay(self.terms, self.events, day(on)).rows, on), self.terms)


def figures_of(contract: Contract, until: date) -> Figures:
    """Read a loan for days up to `until` (`contract.product` and `.entity` are read)."""
    rows = list(contract.events.order_by("seq"))
    fees = fees_read(contract.product.fees)
    prefix = f"{OWN_KEYS}fee:"
    own = frozenset(r.seq for r in rows if r.idempotency_key.startswith(prefix))
    coming: list[Event] = []
    if any(f.when in NORMAL for f in fees):
        there = {r.idempotency_key for r in rows}
        for n, d in enumerate(charges_due(contract, until)):
            if f"{prefix}{contract.number}:{d.fee.code}:{d.nr}" not in there:
                asked = day(asked_on(d, contract))
                coming.append(
                    Event(
                        COMING_SEQ + n, asked, EventKind.CHARGE, amount_minor=d.amount_minor, component=d.fee.component,
                        until=d.due_on,
                    )
                )  # fmt: skip
    events = tuple(engine_event(r) for r in rows)
    return Figures(contract, terms_for(contract), events, own, tuple(coming), tuple(f for f in fees if f.when == "early"))
