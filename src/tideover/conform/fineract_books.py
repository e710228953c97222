"""Journal lines of Fineract's cases from our allocation trace: which account each part of a transaction goes to, as data.

The books of the house post positions by day and sum over loans; these cases ask for the lines of one transaction, so the same
trace is sorted by transaction here. Accruals are not transactions of ours (they are the days themselves) and are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tideover.conform.report import CaseResult
from tideover.engine.events import EventKind
from tideover.engine.standing import Standing, TraceLine
from tideover.engine.terms import Component, date_of

if TYPE_CHECKING:
    from tideover.conform.fineract import Script

Json = dict[str, Any]
CLEARING, LOANS, RECEIVABLE, HELD = "suspense_clearing", "loans_receivable", "interest_fee_receivable", "overpayment_liability"
GOODWILL = "goodwill_credit"
GIVEN = {Component.INTEREST: "interest_income_charge_off", Component.FEE: "fee_charge_off", Component.PENALTY: "fee_charge_off"}
"""What a goodwill credit costs, by what it pays; principal and what is held cost goodwill_expense."""
OWED_AGAIN = ("chargeback", "credit_balance_refund")
WRITTEN_OFF = {
    "repay": ("recoveries", "recoveries"),
    GOODWILL: ("recoveries", "recoveries"),
}
"""Accounts of principal and of everything else once the loan is charged off; all else goes back to the loss."""
LOSS, FRAUD = ("credit_loss", "fee_charge_off"), ("credit_loss_fraud", "fee_charge_off")
ACCRUALS = "accruals: the days themselves, not transactions"
KEPT = "a transaction from before a charge-off, reversed after it, whose lines the other system leaves as they were"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: debit positive, in minor units."""

    account: str
    minor: int

    def key(self) -> tuple[str, str, str]:
        return self.account, "dr" if self.minor > 0 else "cr", f"{Decimal(abs(self.minor)) / 100:f}"


def lines_of(name: str, t: TraceLine, written_off: bool, loss: tuple[str, str] = LOSS) -> list[Line]:
    """The lines of one transaction from its line of the trace."""
    principal, other = t.amounts_minor[Component.PRINCIPAL], sum(t.amounts_minor) - t.amounts_minor[Component.PRINCIPAL]
    of_principal, of_other = (LOANS, RECEIVABLE) if not written_off else WRITTEN_OFF.get(name, loss)
    if written_off and name in OWED_AGAIN:
        of_principal, of_other = loss
    if name == "charge_off":
        return _joined([Line(LOANS, -principal), Line(RECEIVABLE, -other), Line(loss[0], principal), Line(loss[1], other)])
    if name in OWED_AGAIN:
        total = principal + other - t.held_minor
        return _joined([Line(of_principal, principal), Line(of_other, other), Line(HELD, -t.held_minor), Line(CLEARING, -total)])
    total = principal + other + t.held_minor
    paid = [Line(of_principal, -principal), Line(of_other, -other), Line(HELD, -t.held_minor)]
    if name != GOODWILL:
        return _joined([*paid, Line(CLEARING, total)])
    given = [Line(account, t.amounts_minor[c]) for c, account in GIVEN.items()]
    return _joined([*paid, *given, Line("goodwill_expense", total - sum(x.minor for x in given))])


def _joined(lines: list[Line]) -> list[Line]:
    """Lines of one account and side as one; none of nothing."""
    sums: dict[tuple[str, bool], int] = {}
    for line in lines:
        if line.minor:
            sums[line.account, line.minor > 0] = sums.get((line.account, line.minor > 0), 0) + line.minor
    return [Line(account, minor) for (account, _), minor in sums.items()]


def _made(script: Script, s: Standing) -> Iterator[tuple[str, str, list[Line]]]:
    """(type, day, lines) of every transaction, reversed ones with their lines turned round."""
    kinds, loss = {e.seq: e for e in script.events}, _loss(script)
    offs = [(e.on, e.seq) for e in script.events if e.kind == EventKind.WRITE_OFF and e.seq not in script.reverted]
    for on, amount in s.tranches:
        yield "disburse", date_of(on).isoformat(), [Line(LOANS, amount), Line(CLEARING, -amount)]
    for t in s.trace:
        if (name := script.names.get(t.seq)) is not None and t.seq in kinds:
            off = any(at < (t.on, t.seq) for at in offs)
            yield name, date_of(t.on).isoformat(), lines_of(name, t, off, loss)
    for seq, gone in script.reverted.items():
        e = gone["event"]
        t = TraceLine(seq, e.on, list(gone["amounts"]), gone["held"])
        off = any(at < (e.on, seq) for at in offs)
        made = lines_of(script.names.get(seq, ""), t, off, loss)
        yield script.names.get(seq, ""), date_of(e.on).isoformat(), [*made, *(Line(x.account, -x.minor) for x in made)]


def _loss(script: Script) -> tuple[str, str]:
    """The accounts that a charge-off goes to: another where the loan was flagged as fraud before."""
    steps = script.case["steps"]
    off = next((n for n, s in enumerate(steps) if s["type"] == "charge_off"), len(steps))
    return FRAUD if any(s["type"] == "fraud_flag" and s.get("on") for s in steps[:off]) else LOSS


def _kept(script: Script, want: Json, as_of: int) -> bool:
    offs = [e.on for e in script.events if e.kind == EventKind.WRITE_OFF and e.on <= as_of]
    gone = [g["event"] for seq, g in script.reverted.items() if script.names.get(seq) == want["type"]]
    return bool(offs) and any(date_of(e.on).isoformat() == want["date"] and e.on < min(offs) for e in gone)


def compare_journal(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    """Each expected transaction against ours of the same type and day: the lines as a set of account, side and amount."""
    made = list(_made(script, s))
    for want in wants:
        if want["type"] == "accrual":
            result.leave_out(ACCRUALS, 1)
            continue
        if _kept(script, want, as_of):
            result.leave_out(KEPT, 1)
            continue
        expected = Counter(_wanted(line) for line in want["lines"])
        same = [m for m in made if m[0] == want["type"] and m[1] == want["date"]]
        found = next((m for m in same if Counter(x.key() for x in m[2]) == expected), same[0] if same else None)
        got = Counter(x.key() for x in found[2]) if found else Counter()
        if found:
            made.remove(found)
        result.check(f"{at} {want['date']} {want['type']}", sorted(expected.elements()), sorted(got.elements()))


def _wanted(line: Json) -> tuple[str, str, str]:
    side = "dr" if "dr" in line else "cr"
    return line["account"], side, f"{(Decimal(str(line[side])) * 100).quantize(Decimal(1)) / 100:f}"
