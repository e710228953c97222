"""One borrower's loans as they read them: what is due to the cent, how late, what comes next."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

from tideover.core.business_time import business_date
from tideover.core.models import User
from tideover.engine.events import PAYMENT_KINDS, EventKind
from tideover.engine.standing import Row, Standing
from tideover.engine.terms import NO_DAY, day
from tideover.lending.debits.selectors import under_way
from tideover.lending.held import Held, figures_held, standing_held
from tideover.lending.models import Contract, LoanEvent
from tideover.lending.panels_loan import brings_money, open_principal, parts_of
from tideover.lending.panels_mine_why import Changes, due_changes, late_how
from tideover.lending.receipts.selectors import late_for_money_here
from tideover.lending.selectors import contracts_visible

SOON_DAYS = 7
"""From how many days before a due date the card speaks of it."""


@dataclass(frozen=True, slots=True)
class MyLoan:
    """One loan as its borrower reads it."""

    contract: Contract
    held: Held
    in_flight_minor: int
    events: list[LoanEvent]
    is_money_here: bool = False
    since_sent_minor: int = 0
    """How much of what is due came about after the money left the bank: interest of those days, which will not stand."""

    @property
    def standing(self) -> Standing:
        return self.held.standing

    @property
    def due_parts(self) -> list[tuple[str, int]]:
        """What is due today by component (minor units), the parts that are not zero."""
        s = self.standing
        due = [r for r in s.rows if r.due_on <= s.as_of]
        parts = [
            ("principal", sum(map(open_principal, due))),
            ("penalty", s.penalty_minor),
            ("compound", s.compound_minor),
            ("fee", s.fee_minor),
            ("third_party_fee", s.third_party_fee_minor),
            ("recovery_cost", s.recovery_cost_minor),
        ]
        parts.insert(1, ("interest", sum(r.outstanding_minor for r in due) - parts[0][1]))
        return [(name, amount) for name, amount in parts if amount]

    @property
    def due_minor(self) -> int:
        """What is due today."""
        return sum(amount for _, amount in self.due_parts)

    @property
    def late_minor(self) -> int:
        return self.standing.penalty_minor + self.standing.compound_minor

    @property
    def days_late(self) -> int:
        return 0 if self.covered_by else self.standing.shown_days_past_due

    @property
    def covered_by(self) -> str:
        """What covers all that is due, so that nobody asks: on_its_way (from the bank), money_here (it waits), or nothing."""
        # Less than what is due would leave the borrower late while we said that nothing was to be done.
        if self.in_flight_minor and self.in_flight_minor >= self.due_minor - self.since_sent_minor:
            return "on_its_way"
        return "money_here" if self.is_money_here and self.due_minor else ""

    @property
    def asks(self) -> bool:
        """Whether the card asks for money."""
        return self.state in ("late", "due", "soon")

    @property
    def late_rows(self) -> list[Row]:
        return [r for r in self.standing.rows if r.outstanding_minor and r.due_on < self.standing.as_of]

    @property
    def late_count(self) -> int:
        return max(1, len(self.late_rows))

    @property
    def late_since(self) -> int:
        return self.late_rows[0].due_on if self.late_rows else self.standing.oldest_due_on

    @property
    def next_held_minor(self) -> int:
        """What is here already for the next instalment."""
        return min(self.standing.surplus_minor, self.standing.next_due_minor)

    @property
    def next_left_minor(self) -> int:
        return self.standing.next_due_minor - self.next_held_minor

    @property
    def whole_due_since(self) -> date | None:
        """The day on which the whole loan was made due, while that stands."""
        taken_back = {(e.extra or {}).get("of_seq") for e in self.events if e.kind == EventKind.REVERSAL}
        made = [e.effective_on for e in self.events if e.kind == EventKind.ACCELERATION and e.seq not in taken_back]
        return max((on for on in made if day(on) <= self.standing.as_of), default=None)

    @property
    def late_how(self) -> list[str]:
        """How the interest on the late part comes about, in sentences; not told while the core's figures hold."""
        return [] if self.held.is_core else late_how(self.contract, self.standing)

    @property
    def changes(self) -> Changes | None:
        """Why the amount due differs from that of 30 days ago; not told while the core's figures hold."""
        return None if self.held.is_core else due_changes(self.contract, self.events, self.standing)

    @property
    def settled(self) -> bool:
        return self.standing.payoff_minor <= 0

    @property
    def state(self) -> str:
        """settled, on_its_way, money_here, late, due, soon or fine: the words of the card."""
        s = self.standing
        if self.settled:
            return "settled"
        if self.covered_by:
            return self.covered_by
        if s.shown_days_past_due:
            return "late"
        if self.due_minor:
            return "due"
        return "soon" if s.next_due_on != NO_DAY and s.next_due_on - s.as_of <= SOON_DAYS else "fine"

    @property
    def paid_rows(self) -> int:
        return sum(r.paid_on != NO_DAY for r in self.standing.rows)

    @property
    def pips(self) -> list[str]:
        s = self.standing
        return ["y" if r.paid_on != NO_DAY else "l" if r.due_on < s.as_of else "" for r in s.rows]


def my_loans(user: User) -> list[MyLoan]:
    """The borrower's loans, the most pressing first; five queries, however many loans there are."""
    contracts = list(contracts_visible(user, business_date()).select_related("product").order_by("disbursed_on"))
    return sorted(loans_mine(contracts), key=lambda m: (m.settled, -m.days_late, m.standing.next_due_on))


def loans_mine(contracts: list[Contract]) -> list[MyLoan]:
    """Loans as their borrower reads them."""
    today = business_date()
    moving = under_way([c.pk for c in contracts])
    journals: dict[int, list[LoanEvent]] = defaultdict(list)
    for event in LoanEvent.objects.filter(contract__in=contracts).order_by("contract_id", "seq"):
        journals[event.contract_id].append(event)
    figures, here = figures_held([c.pk for c in contracts], today), late_for_money_here([c.pk for c in contracts])
    out = []
    for c in contracts:
        held = standing_held(c, today, events=journals[c.pk], figures=figures)
        amount, left_on = moving.get(c.pk, (0, today))
        grown = 0
        if left_on < today:
            then = standing_held(c, left_on, events=journals[c.pk], figures=figures).standing
            grown = max(0, _for_lateness(held.standing) - _for_lateness(then))
        out.append(MyLoan(c, held, amount, journals[c.pk], c.pk in here, grown))
    return out


def _for_lateness(s: Standing) -> int:
    return s.penalty_minor + s.compound_minor


GIVEN = PAYMENT_KINDS - {EventKind.PAYMENT, EventKind.DOWN_PAYMENT}
"""Money that came to a loan without the borrower paying it: goodwill, refunds."""


def my_payments(user: User) -> list[dict[str, Any]]:
    """Payments that stand and are no part of a receipt, the newest first: loan, day, parts and sum (minor units)."""
    out = []
    for m in my_loans(user):
        money = {e.seq for e in m.events if brings_money(e) and e.kind not in GIVEN and e.receipt_part_id is None}
        for line in m.standing.trace:
            if line.seq in money and (parts := parts_of(line)):
                out.append({"contract": m.contract, "line": line, "parts": parts, "total_minor": sum(a for _name, a in parts)})
    return sorted(out, key=lambda r: (-r["line"].on, r["contract"].number))
