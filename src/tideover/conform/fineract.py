"""Published loan scenarios (fineract.json): dated steps as ordinary events, each expectation compared after its step.

The script plays the lender's part only: it writes events, as they were entered, and asks replay. docs/method/allocation.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar

from tideover.conform.fineract_cells import iso, outstanding_of
from tideover.conform.fineract_compare import compare
from tideover.conform.fineract_terms import UNITS, NotOffered, cents, ppm_of_percent, terms_of
from tideover.conform.report import CaseResult
from tideover.engine.events import Event, EventKind, EventRejected, PauseWhat
from tideover.engine.reference_schedule import round_exact
from tideover.engine.reference_state import down_payment_of
from tideover.engine.replay import replay
from tideover.engine.standing import Standing
from tideover.engine.terms import NO_DAY, Component, Terms, date_of, day

Json = dict[str, Any]
MONEY_IN = {
    "repay": EventKind.PAYMENT,
    "goodwill_credit": EventKind.GOODWILL,
    "merchant_refund": EventKind.MERCHANT_REFUND,
    "payout_refund": EventKind.PAYOUT_REFUND,
    "down_payment": EventKind.DOWN_PAYMENT,
    "charge_adjust": EventKind.CHARGE_CREDIT,
}
NO_EVENT = frozenset({"day_close", "accrue", "classify", "fraud_flag"})
"""Steps that change no balance: jobs of another system and flags."""
JOBS = frozenset({"day_close", "classify"})
RANGING = frozenset(MONEY_IN) | {"disburse", "reverse", "chargeback", "credit_balance_refund", "re_age", "re_amortize"}
"""Steps at which the other system stores the range anew; jobs only while no pause runs."""
PER_STEP = 10
"""Sequence numbers a step: its own event first, then those that follow from it."""


@dataclass(slots=True)
class Script:
    """A scenario as far as it has been played."""

    case: Json
    status: str = "submitted"
    principal: int = 0
    first_on: int = NO_DAY
    terms: Terms | None = None
    events: list[Event] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    """What the other system calls the transaction of each event, by seq."""
    charge_names: dict[int, str] = field(default_factory=dict)
    reverted: dict[int, Json] = field(default_factory=dict)
    """Reversed events and what they had paid."""
    write_off: bool = False
    dated: set[int] = field(default_factory=set)
    """Charges that were given a due day of their own."""
    overdue: set[int] = field(default_factory=set)
    """Due days of rows that have had their overdue penalty."""
    actions: list[Json] = field(default_factory=list)
    """Delinquency pauses and resumes as entered."""
    ranged_on: int = NO_DAY
    """The last day on which the other system stored the loan's range."""
    PAID_IN: ClassVar[frozenset[str]] = frozenset(MONEY_IN)

    def standing(self, as_of: int) -> Standing:
        """The loan on a day, by all events entered so far. Raises EventRejected, ValueError."""
        return replay(self.planned(), self.events, max(as_of, self.planned().disbursed_on))

    def planned(self) -> Terms:
        """The terms as paid out, or as approved before that."""
        return self.terms or terms_of(self.case, self.principal, self.first_on)

    def is_void(self, seq: int) -> bool:
        """Whether an event was reversed."""
        return any(e.kind == EventKind.REVERSAL and e.of_seq == seq for e in self.events)

    def is_paused(self, on: int) -> bool:
        """Whether a delinquency pause runs on a day, its last day included."""
        live = [e for e in self.events if e.kind == EventKind.PAUSE and not self.is_void(e.seq)]
        return any(e.from_day <= on <= e.until for e in live)

    def add(self, step: Json, kind: EventKind, on: int, k: int = 0, **values: Any) -> Event:
        """Append an event of a step; refused unless replay takes it."""
        now = day(step["now"])
        event = Event(seq=step["n"] * PER_STEP + k, on=on, kind=kind, recorded_at=now, **values)
        if on > now:
            raise EventRejected(event.seq, "the value date lies after the day of entry")
        self.events.append(event)
        try:
            self.standing(now)
        except EventRejected:
            self.events.pop()
            raise
        return event


def run_case(case: Json) -> CaseResult:
    """Play every step of a scenario and compare what is expected after it."""
    result = CaseResult(case["id"])
    script = Script(case, principal=cents(case["terms"]["principal"]), first_on=day(case["terms"]["submitted"]))
    try:
        _play(script, result)
    except NotOffered as reason:
        return CaseResult(case["id"], not_compared=str(reason))
    except ValueError as error:
        return CaseResult(case["id"], not_compared=f"terms that are refused: {error}")
    except KeyError as unknown:
        return CaseResult(case["id"], not_compared=f"a word of the scenario that is not known here: {unknown}")
    if not result.compared_cells and not result.left_out:
        return CaseResult(case["id"], not_compared="nothing is expected of the loan")
    if not result.compared_cells:
        return CaseResult(case["id"], not_compared=next(iter(result.left_out)))
    return result


def _play(script: Script, result: CaseResult) -> None:
    expected: dict[int, list[Json]] = {}
    for want in script.case["expect"]:
        expected.setdefault(want["after"], []).append(want)
    _expect(script, expected.get(0, []), result)
    for step in script.case["steps"]:
        if step.get("rejected"):
            result.check(f"step {step['n']} {step['type']}", "refused", _outcome(script, step))
        elif "duplicate_of" not in step:
            try:
                _step(script, step)
            except EventRejected as error:
                result.check(f"step {step['n']} {step['type']}", "taken", f"refused: {error.reason}")
        _expect(script, expected.get(step["n"], []), result)


def _expect(script: Script, wants: list[Json], result: CaseResult) -> None:
    for want in wants:
        compare(script, want, result)


def _outcome(script: Script, step: Json) -> str:
    before = replace(script, events=list(script.events))
    try:
        _step(before, step)
    except EventRejected:
        return "refused"
    return "taken"


def _step(script: Script, step: Json) -> None:
    kind = step["type"]
    if kind in MONEY_IN:
        _money_in(script, step)
    elif kind in STEPS:
        STEPS[kind](script, step)
    elif kind == "day_close":
        _overdue_penalties(script, step)
    elif kind not in NO_EVENT:
        raise NotOffered(f"step {kind}")
    job = kind in JOBS and not script.is_paused(day(step["now"]))
    if job or kind in RANGING:
        script.ranged_on = day(step["now"])


def _on(step: Json) -> int:
    return day(str(step.get("date", step["now"])))


def _seq_of(script: Script, step: Json) -> int:
    """The event that a step aims at."""
    if "target" in step:
        return int(step["target"]) * PER_STEP
    auto = step["target_auto"]
    found = [e for e in script.events if script.names.get(e.seq) == auto["type"] and auto.get("date") in (None, iso(e.on))]
    nth = int(auto.get("nth", 1))
    if nth > len(found):
        raise EventRejected(step["n"], f"there is no {auto['type']} number {nth}")
    return found[nth - 1].seq


def _approve(script: Script, step: Json) -> None:
    if _on(step) > day(step["now"]):
        raise EventRejected(step["n"], "the approval lies after the day of entry")
    script.status, script.principal = "approved", cents(step["amount"])
    script.first_on = day(step["expected_disbursement"])


def _disburse(script: Script, step: Json) -> None:
    amount, on = cents(step["amount"]), _on(step)
    product = script.case["product"]
    over = 100 + (product.get("over_applied_pct") or 0)
    before = script.standing(on) if script.terms else None
    paid_out = sum(a for _, a in before.tranches) if before else 0
    if (paid_out + amount) * 100 > cents(script.case["terms"]["principal"]) * over:
        raise EventRejected(step["n"], "more than the approved principal and its tolerance")
    if script.terms is None:
        script.terms, script.status = _own_terms(script, step, terms_of(script.case, amount, on)), "active"
    else:
        script.add(step, EventKind.DISBURSEMENT, on, amount_minor=amount)
    down = product.get("down_payment")
    asked = down_payment_of(script.terms, amount) - (before.surplus_minor if before else 0)
    if down and down["auto"] and asked > 0:
        event = script.add(step, EventKind.DOWN_PAYMENT, on, 1, amount_minor=asked)
        script.names[event.seq] = "down_payment"


def _own_terms(script: Script, step: Json, terms: Terms) -> Terms:
    """Terms that were agreed at the payout: a fixed instalment, another first due day."""
    if step.get("fixed_emi"):
        terms = terms.with_(fixed_instalment_minor=cents(step["fixed_emi"]))
    if step.get("adjust_first_due"):
        first = day(step["adjust_first_due"])
        terms = terms.with_(first_due_on=first, due_day=date_of(first).day if terms.due_day else 0)
    return terms


def _money_in(script: Script, step: Json) -> None:
    amount = cents(step["amount"])
    _refuse_planned_interest(script, step, amount)
    extra = {"of_seq": _seq_of(script, step)} if step["type"] == "charge_adjust" else {}
    event = script.add(step, MONEY_IN[step["type"]], _on(step), amount_minor=amount, **extra)
    script.names[event.seq] = step["type"]


def _pay_off(script: Script, step: Json) -> None:
    event = script.add(step, EventKind.PAYOFF, _on(step))
    script.names[event.seq] = "repay"


def _refuse_planned_interest(script: Script, step: Json, amount: int) -> None:
    """There, early money that covers all that the plan asks for settles its interest to the end, unearned as it is."""
    recalculated = script.case["product"].get("recalculation") and script.case["product"]["schedule_type"] == "cumulative"
    if not recalculated or step.get("rejected"):
        return
    on = _on(step)
    s = script.standing(on)
    if amount >= outstanding_of(s) and any(r.due_on > on and r.interest_minor for r in s.rows):
        raise NotOffered("interest to the end of the plan kept when early money covers the whole loan")


def _charge(script: Script, step: Json) -> None:
    now = day(step["now"])
    due = day(step["date"]) if "date" in step else script.planned().first_due_on
    advanced = script.case["terms"]["strategy"] == "advanced"
    amount = cents(step["amount"]) if "amount" in step else _percent(script, step)
    component = Component.PENALTY if step["kind"] == "penalty" else Component.FEE
    on = min(due, now) if advanced else now
    on = max(on, script.planned().disbursed_on)
    event = script.add(step, EventKind.CHARGE, on, amount_minor=amount, component=component, until=due)
    script.charge_names[event.seq] = step["name"]
    if "date" in step:
        script.dated.add(event.seq)


def _overdue_penalties(script: Script, step: Json) -> None:
    """The product's penalty on each row past due, once, as a share of what the row asks for."""
    rule, now = script.case["product"].get("overdue_charge"), day(step["now"])
    if rule is None or script.terms is None:
        return
    for k, row in enumerate(script.standing(now).rows):
        if row.due_on < now and row.outstanding_minor > 0 and row.due_on not in script.overdue:
            base = row.principal_minor + (row.interest_minor if "interest" in rule["of"] else 0)
            amount = _share(script, base, rule["pct"])
            component = Component.PENALTY if rule["penalty"] else Component.FEE
            event = script.add(step, EventKind.CHARGE, now, k, amount_minor=amount, component=component, until=row.due_on)
            script.charge_names[event.seq] = "late_pct_" + rule["of"].replace("_plus_", "_")
            script.overdue.add(row.due_on)


def _percent(script: Script, step: Json) -> int:
    """A charge given as a share of principal, or of principal and interest."""
    s = script.standing(day(step["now"]))
    base = sum(amount for _, amount in s.tranches)
    if "interest" in step.get("of", ""):
        base += sum(r.interest_minor for r in s.rows)
    return _share(script, base, step["pct"])


def _share(script: Script, base: int, percent: Any) -> int:
    """A percentage of minor units, rounded as the terms round."""
    return round_exact(Fraction(base * ppm_of_percent(percent), 1_000_000), script.planned().rounding)


def _waive(script: Script, step: Json) -> None:
    """What is left of the charge is waived, from the charge's own due day on."""
    target = _seq_of(script, step)
    found = next((c for c in script.standing(day(step["now"])).charges if c.seq == target), None)
    if found is None:
        raise EventRejected(step["n"], f"step {step['target']} is no charge")
    charge = next(e for e in script.events if e.seq == target)
    on = min(_on(step), max(charge.until, charge.on)) if target in script.dated else _on(step)
    event = script.add(step, EventKind.CHARGE_WAIVER, on, amount_minor=found.outstanding_minor, of_seq=target)
    script.names[event.seq] = "waive_charge"


def _reverse(script: Script, step: Json) -> None:
    target = _seq_of(script, step)
    if script.write_off:
        raise EventRejected(step["n"], "the loan is written off")
    aimed = next((e for e in script.events if e.seq == target), None)
    if aimed is None:
        raise EventRejected(step["n"], "there is nothing to reverse")
    line = next((t for t in script.standing(day(step["now"])).trace if t.seq == target), None)
    script.add(step, EventKind.REVERSAL, day(step["now"]), of_seq=target)
    amounts = line.amounts_minor if line else [0] * len(Component)
    script.reverted[target] = {"event": aimed, "amounts": amounts, "held": line.held_minor if line else 0}


def _adjust(script: Script, step: Json) -> None:
    """Another amount for a payment: reversed where it is nothing."""
    if step.get("rejected"):
        raise NotOffered("a change of a payment's amount that is refused without a reason")
    amount = cents(step["amount"])
    if amount:
        script.add(step, EventKind.ADJUSTMENT, day(step["now"]), amount_minor=amount, of_seq=_seq_of(script, step))
    else:
        _reverse(script, step)


def _chargeback(script: Script, step: Json) -> None:
    amount = cents(step["amount"])
    event = script.add(step, EventKind.CHARGEBACK, _on(step), amount_minor=amount, of_seq=_seq_of(script, step))
    script.names[event.seq] = "chargeback"


def _refund(script: Script, step: Json) -> None:
    event = script.add(step, EventKind.CREDIT_REFUND, _on(step), amount_minor=cents(step["amount"]))
    script.names[event.seq] = "credit_balance_refund"


def _charge_off(script: Script, step: Json) -> None:
    if any(e.kind == EventKind.WRITE_OFF and not script.is_void(e.seq) for e in script.events):
        raise EventRejected(step["n"], "the loan is charged off already")
    event = script.add(step, EventKind.WRITE_OFF, _on(step))
    script.names[event.seq] = "charge_off"


def _undo_charge_off(script: Script, step: Json) -> None:
    live = [e for e in script.events if e.kind == EventKind.WRITE_OFF and not script.is_void(e.seq)]
    if not live:
        raise EventRejected(step["n"], "the loan is not charged off")
    _reverse(script, {**step, "target": live[-1].seq // PER_STEP})


def _write_off(script: Script, step: Json) -> None:
    event = script.add(step, EventKind.WRITE_OFF, _on(step))
    script.names[event.seq] = "write_off"
    script.write_off, script.status = True, "written_off"


def _pause(script: Script, step: Json) -> None:
    if script.terms is None:
        raise EventRejected(step["n"], "nothing is paid out yet")
    now, what = day(step["now"]), int(PauseWhat.DPD)
    script.add(step, EventKind.PAUSE, now, from_day=_on(step), until=day(step["end"]), pause_what=what)
    script.actions.append({"action": "pause", "start": step["date"], "end": step["end"]})


def _resume(script: Script, step: Json) -> None:
    """The running pause ends on that day: it is reversed and entered again, shorter."""
    on, now = _on(step), day(step["now"])
    live = [e for e in script.events if e.kind == EventKind.PAUSE and not script.is_void(e.seq)]
    running = [e for e in live if e.from_day <= on <= e.until]
    if not running:
        raise EventRejected(step["n"], "no pause is running")
    pause = running[-1]
    script.add(step, EventKind.REVERSAL, now, of_seq=pause.seq)
    script.add(step, EventKind.PAUSE, now, 1, from_day=pause.from_day, until=on, pause_what=pause.pause_what)
    script.actions.append({"action": "resume", "start": step["date"], "end": None})


def _reschedule(script: Script, step: Json) -> None:
    if step.get("grace_interest") or step.get("new_rate"):
        raise NotOffered("rescheduling with grace on interest or a new rate")
    script.add(
        step,
        EventKind.RESCHEDULE,
        _on(step),
        from_day=day(step["from"]),
        until=day(step["new_due"]) if "new_due" in step else NO_DAY,
        rows=step.get("extra_terms", 0),
        grace_rows=step.get("grace_principal", 0),
    )


def _re_age(script: Script, step: Json) -> None:
    start, unit = day(step["start"]), UNITS[step["unit"]]
    event = script.add(step, EventKind.RE_AGE, _on(step), from_day=start, rows=step["repayments"], every=step["every"], unit=unit)
    script.names[event.seq] = "re_age"


def _re_amortize(script: Script, step: Json) -> None:
    event = script.add(step, EventKind.SPREAD_ARREARS, _on(step))
    script.names[event.seq] = "re_amortize"


def _undo_approval(script: Script, step: Json) -> None:
    if script.terms is not None:
        raise EventRejected(step["n"], "the loan is paid out")
    script.status = "submitted"


def _undo_disbursal(script: Script, step: Json) -> None:
    fresh = Script(script.case, "approved", script.principal, script.first_on)
    for name in ("status", "terms", "events", "names", "charge_names", "reverted"):
        setattr(script, name, getattr(fresh, name))


def _undo_last_disbursal(script: Script, step: Json) -> None:
    """The last tranche and the payments entered after it are reversed."""
    last = max((e for e in script.events if e.kind == EventKind.DISBURSEMENT and not script.is_void(e.seq)), key=lambda e: e.on)
    for k, e in enumerate([e for e in script.events if e.seq >= last.seq and not script.is_void(e.seq)]):
        if e.kind == EventKind.DISBURSEMENT or e.seq in script.names:
            script.add(step, EventKind.REVERSAL, day(step["now"]), k, of_seq=e.seq)


STEPS = {
    "approve": _approve,
    "disburse": _disburse,
    "pay_off": _pay_off,
    "charge": _charge,
    "waive_charge": _waive,
    "reverse": _reverse,
    "undo_waive": _reverse,
    "adjust": _adjust,
    "chargeback": _chargeback,
    "credit_balance_refund": _refund,
    "charge_off": _charge_off,
    "undo_charge_off": _undo_charge_off,
    "write_off": _write_off,
    "pause": _pause,
    "resume": _resume,
    "reschedule": _reschedule,
    "re_age": _re_age,
    "re_amortize": _re_amortize,
    "undo_approval": _undo_approval,
    "undo_disbursal": _undo_disbursal,
    "undo_last_disbursal": _undo_last_disbursal,
}
