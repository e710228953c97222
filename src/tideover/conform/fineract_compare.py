"""What a published scenario expects of a loan after a step, compared cell by cell with replay's answer."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tideover.conform import fineract_late
from tideover.conform.fineract_books import ACCRUALS, compare_journal
from tideover.conform.fineract_cells import iso, number, outstanding_of, plain, text
from tideover.conform.report import CaseResult
from tideover.engine.events import EventKind, EventRejected
from tideover.engine.standing import Row, Standing
from tideover.engine.terms import Component, day

if TYPE_CHECKING:
    from tideover.conform.fineract import Script

Json = dict[str, Any]


Check = Callable[["Script", Standing, int, Any, str, CaseResult], None]
"""Compares one key of an expectation: script, standing, day, what is wanted, the cell's name, the result."""
NO_CHANGE = frozenset({"re_age", "re_amortize", "charge_off", "write_off"})
"""Transactions that leave the principal as it is; their table shows no balance."""
NOTHING = ("fees", "due", "paid", "outstanding")
"""Cells of a payment out that are always nothing."""


def compare(script: Script, want: Json, result: CaseResult) -> None:
    """Compare one expectation."""
    as_of = day(want["as_of"])
    asked = {k: v for k, v in want.items() if k not in ("after", "as_of")}
    if not asked:
        return
    at = f"after {want['after']} on {want['as_of']}"
    try:
        s = script.standing(as_of)
    except EventRejected as error:
        result.check(f"{at} standing", "given", f"refused: {error.reason}")
        return
    for key, value in asked.items():
        check = CHECKS.get(key)
        if check is None:
            result.leave_out(LEFT_OUT.get(key, key))
        else:
            check(script, s, as_of, value, f"{at} {key}", result)


# --- the schedule ------------------------------------------------------------------------------------------------------


def row_cells(row: Row) -> Json:
    """One instalment as the scenarios' table shows it (dates ISO, money as text)."""
    due = row.principal_minor + row.interest_minor + row.charged_fee_minor + row.charged_penalty_minor
    paid = row.paid_minor + row.paid_charges_minor
    return {
        "nr": row.nr,
        "days": row.due_on - row.start_on,
        "date": iso(row.due_on),
        "paid_date": iso(row.paid_on),
        "balance": text(row.balance_minor),
        "principal": text(row.principal_minor),
        "interest": text(row.interest_minor),
        "fees": text(row.charged_fee_minor),
        "penalties": text(row.charged_penalty_minor),
        "due": text(due),
        "paid": text(paid),
        "in_advance": text(row.early_minor),
        "late": text(row.late_minor),
        "outstanding": text(due - paid - row.waived_charges_minor),
        "waived": text(row.waived_charges_minor),
    }


def _schedule(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    """Instalments in their order; payments out by day, wherever the table shows them."""
    tranches = [
        {"date": iso(on), "balance": text(a), **dict.fromkeys(NOTHING, "0")} for on, a in sorted(s.tranches, key=lambda x: x[0])
    ]
    paid_out = sorted((w for w in wants if "nr" not in w), key=lambda w: str(w["date"]))
    _lines(paid_out, tranches, f"{at} payment out", result)
    rows = [{**w, "paid_date": w.get("paid_date")} for w in wants if "nr" in w]
    got = [row_cells(r) for r in s.rows]
    if script.terms is None:
        got = [{**cells, "paid_date": None} for cells in got]
    _lines(rows, got, f"{at} row", result)


def _lines(wants: list[Json], got: list[Json], at: str, result: CaseResult) -> None:
    result.check(f"{at}s", len(wants), len(got))
    for k, (want, cells) in enumerate(zip(wants, got, strict=False), 1):
        for key, value in want.items():
            result.check(f"{at} {k} {key}", plain(value), cells.get(key, "no such cell"))


def _periods(script: Script, s: Standing, as_of: int, want: int, at: str, result: CaseResult) -> None:
    result.check(at, want, len(s.rows))


def _totals(script: Script, s: Standing, as_of: int, want: Json, at: str, result: CaseResult) -> None:
    cells = [row_cells(r) for r in s.rows]
    for key, value in want.items():
        result.check(f"{at} {key}", plain(value), number(sum(Decimal(c[key]) for c in cells)))


# --- transactions ------------------------------------------------------------------------------------------------------


def transactions_of(script: Script, s: Standing) -> list[Json]:
    """Every movement of money with its portions and the principal left after it."""
    out: list[tuple[int, int, Json]] = []
    for k, (on, amount) in enumerate(s.tranches):
        out.append((on, _tranche_seq(script, k), _line(on, "disburse", amount, [0] * len(Component), 0)))
    for t in s.trace:
        name = script.names.get(t.seq)
        if name is None:
            continue
        event = next(e for e in script.events if e.seq == t.seq)
        amount = event.amount_minor if event.amount_minor > 0 else sum(t.amounts_minor)
        shown = t.amounts_minor if name != "waive_charge" else [0] * len(Component)
        out.append((t.on, t.seq, _line(t.on, name, amount, shown, abs(t.held_minor))))
    _balances(out, [(t.on, t.seq, -t.amounts_minor[Component.PRINCIPAL]) for t in s.trace if t.seq not in script.names])
    lines = [cells for *_, cells in out]
    for seq, gone in script.reverted.items():
        e = gone["event"]
        amount = e.amount_minor or sum(gone["amounts"])
        line = _line(e.on, script.names.get(seq, ""), amount, gone["amounts"], max(0, gone["held"]))
        lines.append({**line, "reverted": "True", "balance": None})
    return lines


def _balances(lines: list[tuple[int, int, Json]], silent: list[tuple[int, int, int]]) -> None:
    """The principal left after each line, in order of day and entry; `silent`: changes that the table does not show."""
    left = 0
    changes: list[tuple[int, int, int, Json | None]] = [(on, seq, change, None) for on, seq, change in silent]
    changes += [(on, seq, _effect(cells), cells) for on, seq, cells in lines]
    for _, _, change, cells in sorted(changes, key=lambda x: x[:2]):
        left += change
        if cells is not None:
            cells["balance"] = text(max(left, 0)) if cells["type"] not in NO_CHANGE else "0"


def _tranche_seq(script: Script, k: int) -> int:
    later = sorted((e.on, e.seq) for e in script.events if e.kind == EventKind.DISBURSEMENT)
    return -1 if k == 0 else later[k - 1][1] if k - 1 < len(later) else 0


def _line(on: int, name: str, amount: int, amounts: list[int], held: int) -> Json:
    return {
        "date": iso(on),
        "type": name,
        "amount": text(amount),
        "principal": text(amounts[Component.PRINCIPAL]),
        "interest": text(amounts[Component.INTEREST]),
        "fees": text(amounts[Component.FEE]),
        "penalties": text(amounts[Component.PENALTY]),
        "overpayment": text(held),
        "reverted": "False",
    }


def _effect(cells: Json) -> int:
    principal = int(Decimal(cells["principal"]) * 100)
    if cells["type"] == "disburse":
        return int(Decimal(cells["amount"]) * 100)
    if cells["type"] in ("chargeback", "credit_balance_refund"):
        return principal
    return -principal if cells["type"] not in NO_CHANGE else 0


def _transactions(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    accruals = [w for w in wants if w["type"] == "accrual"]
    if accruals:
        result.leave_out(ACCRUALS, len(accruals))
    wants = [w for w in wants if w["type"] != "accrual"]
    got = _compare_lines(script, s, wants, at, result)
    for line in got:
        result.check(f"{at} more", "nothing", f"{line['date']} {line['type']} {line['amount']}")


def _has_transactions(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    accruals = [w for w in wants if w["type"] == "accrual"]
    if accruals:
        result.leave_out(ACCRUALS, len(accruals))
    _compare_lines(script, s, [w for w in wants if w["type"] != "accrual"], at, result)


def _compare_lines(script: Script, s: Standing, wants: list[Json], at: str, result: CaseResult) -> list[Json]:
    """Pair each expected line with the most alike of its day and type; returns the lines that nothing asked for."""
    got = transactions_of(script, s)
    for k, want in enumerate(wants, 1):
        cells = {key: plain(v) for key, v in want.items()}
        alike = [g for g in got if (g["date"], g["type"]) == (cells["date"], cells["type"])]
        name = f"{at} {k} {cells['type']} {cells['date']}"
        if not alike:
            result.check(name, "present", "missing")
            continue
        best = max(alike, key=lambda g: sum(g.get(c) == v for c, v in cells.items()))
        got.remove(best)
        for key, value in cells.items():
            if best["balance"] is None and key == "balance":
                continue
            result.check(f"{name} {key}", value, best.get(key, "no such cell"))
    return got


# --- single figures ----------------------------------------------------------------------------------------------------


def status_of(script: Script, s: Standing) -> str:
    """submitted, approved, active, closed_met, overpaid or written_off."""
    if script.terms is None or script.status == "written_off":
        return script.status
    if outstanding_of(s):
        return "active"
    return "overpaid" if s.surplus_minor else "closed_met"


def _status(script: Script, s: Standing, as_of: int, want: str, at: str, result: CaseResult) -> None:
    result.check(at, want, status_of(script, s))


def _outstanding(script: Script, s: Standing, as_of: int, want: Any, at: str, result: CaseResult) -> None:
    result.check(at, number(want), text(outstanding_of(s)))


def _overpaid(script: Script, s: Standing, as_of: int, want: Any, at: str, result: CaseResult) -> None:
    result.check(at, number(want), text(s.surplus_minor))


def _overdue(script: Script, s: Standing, as_of: int, want: Any, at: str, result: CaseResult) -> None:
    result.check(at, number(want), text(s.total_overdue_minor))


def _charges(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    got = [
        {
            "name": script.charge_names.get(c.seq),
            "penalty": str(c.component == Component.PENALTY),
            "due_date": iso(c.due_on),
            "amount": text(c.amount_minor),
            "paid": text(c.paid_minor),
            "waived": text(c.waived_minor),
            "outstanding": text(c.outstanding_minor),
        }
        for c in s.charges
        if c.seq in script.charge_names
    ]
    result.check(f"{at} count", len(wants), len(got))
    for want in wants:
        cells = {k: plain(v) for k, v in want.items()}
        if not got:
            break
        best = max(got, key=lambda g: sum(g.get(k) == v for k, v in cells.items()))
        got.remove(best)
        for key, value in cells.items():
            result.check(f"{at} {cells['name']} {key}", value, best.get(key))


def _reverted(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    for want in wants:
        found = any(
            script.names.get(seq) == want["type"] and want.get("date") in (None, iso(gone["event"].on))
            for seq, gone in script.reverted.items()
        )
        result.check(f"{at} {want['type']} {want.get('date', '')}", want["is"], found)


CHECKS: dict[str, Check] = {
    "schedule": _schedule,
    "periods": _periods,
    "totals": _totals,
    "transactions": _transactions,
    "has_transactions": _has_transactions,
    "status": _status,
    "outstanding": _outstanding,
    "overpaid": _overpaid,
    "overdue": _overdue,
    "charges": _charges,
    "reverted": _reverted,
    "journal": compare_journal,
    **fineract_late.CHECKS,
}
LEFT_OUT = {"delinquency_history": fineract_late.HISTORY}
