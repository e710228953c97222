"""What a scenario expects about lateness and single dates: days, amounts, pauses, per-instalment ranges, last payment.

Another system stores a loan's range when a job runs; here a range follows from the day asked about. Ranges are compared
where the other system had refreshed them on that day, and counted as not compared where it had not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tideover.conform.fineract_cells import iso, number, outstanding_of, text
from tideover.conform.report import CaseResult
from tideover.engine.events import EventKind
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, day

if TYPE_CHECKING:
    from tideover.conform.fineract import Script

Json = dict[str, Any]
STORED = "a range stored by a job of an earlier day"
EARLY_PAUSE = "a pause from before an instalment's due day counted against it"
HISTORY = "the history of stored ranges"
RANGES = (
    (1, 3, "r1"), (4, 30, "r3"), (31, 60, "r30"), (61, 90, "r60"), (91, 120, "r90"), (121, 150, "r120"), (151, 180, "r150"),
    (181, 240, "r180"), (241, 10**6, "r240"),
)  # fmt: skip


def range_of(days: int) -> str:
    """The range of days past due."""
    return next((name for low, high, name in RANGES if low <= days <= high), "none")


def _delinquency(script: Script, s: Standing, as_of: int, want: Json, at: str, result: CaseResult) -> None:
    grace = script.case["product"]["grace_on_arrears_days"] or 0
    is_late = s.total_overdue_minor > 0 and script.terms is not None
    cells = {
        "amount": text(s.total_overdue_minor if is_late else 0),
        "date": iso(s.oldest_late_on + grace) if is_late else None,
        "days": str(s.days_past_due if is_late else 0),
        "past_due_days": str(max(0, as_of - s.oldest_late_on) if is_late else 0),
    }
    for key, value in want.items():
        if key == "range":
            _range(script, as_of, value, range_of(s.days_past_due if is_late else 0), f"{at} range", result)
        else:
            result.check(f"{at} {key}", number(value) if isinstance(value, int | float) else value, cells[key])


def _range(script: Script, as_of: int, want: Any, got: Any, at: str, result: CaseResult) -> None:
    if script.ranged_on == as_of:
        result.check(at, want, got)
    else:
        result.leave_out(STORED)


def _by_instalment(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    got: dict[str, int] = {}
    for row in s.rows if s.days_past_due > 0 else ():
        owed = row.outstanding_minor + row.outstanding_charges_minor
        if owed > 0 and row.days_past_due > 0:
            name = range_of(row.days_past_due)
            got[name] = got.get(name, 0) + owed
    if any(e.kind == EventKind.PAUSE and e.from_day < r.due_on < as_of for e in script.events for r in s.rows):
        result.leave_out(EARLY_PAUSE)
        return
    shown = sorted((name, text(amount)) for name, amount in got.items())
    _range(script, as_of, sorted((w["range"], number(w["amount"])) for w in wants), shown, at, result)


def _pauses(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    live = [e for e in script.events if e.kind == EventKind.PAUSE and not script.is_void(e.seq)]
    got = [{"active": e.from_day <= as_of <= e.until, "start": iso(e.from_day), "end": iso(e.until)} for e in live]
    _same_set(wants, got, at, result)


def _actions(script: Script, s: Standing, as_of: int, wants: list[Json], at: str, result: CaseResult) -> None:
    _same_set(wants, script.actions, at, result)


def _same_set(wants: list[Json], got: list[Json], at: str, result: CaseResult) -> None:
    def order(cells: list[Json]) -> list[str]:
        return sorted(str(sorted(c.items(), key=str)) for c in cells)

    result.check(at, order(wants), order(got))


def _all_paid(script: Script, s: Standing, as_of: int, want: bool, at: str, result: CaseResult) -> None:
    result.check(at, want, outstanding_of(s) == 0)


def _last_payment(script: Script, s: Standing, as_of: int, want: Json, at: str, result: CaseResult) -> None:
    _last(script, want, at, result, tuple(script.PAID_IN))


def _last_repayment(script: Script, s: Standing, as_of: int, want: Json, at: str, result: CaseResult) -> None:
    _last(script, want, at, result, ("repay", "down_payment"))


def _last(script: Script, want: Json, at: str, result: CaseResult, kinds: tuple[str, ...]) -> None:
    paid = [e for e in script.events if script.names.get(e.seq) in kinds and not script.is_void(e.seq)]
    last = max(paid, key=lambda e: (e.on, e.seq), default=None)
    cells = {"amount": text(last.amount_minor), "date": iso(last.on)} if last else {}
    for key, value in want.items():
        result.check(f"{at} {key}", number(value) if key == "amount" else value, cells.get(key))


def _total_repayments(script: Script, s: Standing, as_of: int, want: Any, at: str, result: CaseResult) -> None:
    kinds = ("repay", "down_payment")
    live = [e for e in script.events if script.names.get(e.seq) in kinds and not script.is_void(e.seq)]
    result.check(at, number(want), text(sum(e.amount_minor for e in live)))


def _actual_maturity(script: Script, s: Standing, as_of: int, want: str, at: str, result: CaseResult) -> None:
    last = max(r.paid_on for r in s.rows) if outstanding_of(s) == 0 else max(r.due_on for r in s.rows)
    result.check(at, want, iso(last))


def _expected_maturity(script: Script, s: Standing, as_of: int, want: str, at: str, result: CaseResult) -> None:
    result.check(at, want, iso(max(r.due_on for r in s.rows)))


def _charged_off_on(script: Script, s: Standing, as_of: int, want: str | None, at: str, result: CaseResult) -> None:
    live = [e.on for e in script.events if e.kind == EventKind.WRITE_OFF and not script.is_void(e.seq)]
    result.check(at, want, iso(live[-1] if live else NO_DAY))


def _next_due(script: Script, s: Standing, as_of: int, want: str | None, at: str, result: CaseResult) -> None:
    unpaid = [r.due_on for r in s.rows if r.outstanding_minor + r.outstanding_charges_minor > 0]
    coming = [d for d in unpaid if d >= as_of] if script.case["config"].get("next_due") == "next_unpaid" else unpaid
    result.check(at, day(want) if want else NO_DAY, min(coming, default=NO_DAY))


CHECKS: dict[str, Callable[[Script, Standing, int, Any, str, CaseResult], None]] = {
    "delinquency": _delinquency,
    "installment_delinquency": _by_instalment,
    "pauses": _pauses,
    "delinquency_actions": _actions,
    "all_paid": _all_paid,
    "last_payment": _last_payment,
    "last_repayment": _last_repayment,
    "total_repayments": _total_repayments,
    "actual_maturity": _actual_maturity,
    "expected_maturity": _expected_maturity,
    "charged_off_on": _charged_off_on,
    "next_due_date": _next_due,
}
