"""What an auditor writes down of one loan: the balance of every account of the built-in chart on a day.

Derived from the loan's standing day by day (what the tape shows) and from where its money went, by the words of the rules; it
imports nothing of `accounting`. Held money is taken to pay what falls due, principal and interest. Kinds of money that it does
not know are refused.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

from tideover.engine.events import Event
from tideover.engine.events import EventKind as K
from tideover.engine.reference import effective, replay, replay_days
from tideover.engine.standing import Standing
from tideover.engine.terms import Component as C
from tideover.engine.terms import Terms, date_of

CASH = (K.PAYMENT, K.PREPAYMENT, K.REPAY_PART, K.PAYOFF, K.SETTLEMENT)
GIVEN_UP, JOINED = (K.WAIVER,), (K.REAMORTISE, K.NEW_ROWS)
INTEREST = (C.INTEREST, C.PENALTY, C.COMPOUND)


def tax(gross: int, ppm: int) -> int:
    return int((Decimal(gross) * ppm / (1_000_000 + ppm)).quantize(Decimal(1), ROUND_HALF_UP))


def went(s: Standing, kinds: dict[int, K], of: tuple[K, ...]) -> dict[C, int]:
    """Where the money (or the waiver) of some kinds of events went, by component."""
    out: dict[C, int] = defaultdict(int)
    for line in s.trace:
        if kinds[line.seq] in of:
            for c in C:
                out[c] += line.amounts_minor[c]
    return out


def non_accrual(terms: Terms, events: list[Event], on: int) -> bool:
    """More than 90 days late on some day since, and the arrears never paid whole after it."""
    stands = False
    for s in replay_days(terms, events, range(terms.disbursed_on, on + 1)):
        stands = s.days_past_due > 90 or (stands and not (s.days_past_due == 0 and s.total_overdue_minor == 0))
    return stands


def used(terms: Terms, s: Standing, kinds: dict[int, K]) -> tuple[int, int]:
    """Principal and interest that held money paid: what is missing of principal, and the rest of what is no longer held."""
    came, waived, joined = (went(s, kinds, of) for of in (CASH, GIVEN_UP, JOINED))
    held = sum(line.held_minor for line in s.trace if kinds[line.seq] in CASH)
    principal = terms.principal_minor + sum(joined.values()) - came[C.PRINCIPAL] - waived[C.PRINCIPAL] - s.principal_minor
    interest = held - s.surplus_minor - principal
    assert principal >= 0 and interest >= 0 and (held or not principal), "not a plain loan"
    return principal, interest


def due_and_taken(terms: Terms, s: Standing, kinds: dict[int, K]) -> tuple[int, int]:
    """Interest of every kind that is due and unpaid, and that was settled."""
    taken = [went(s, kinds, of) for of in (CASH, JOINED)]
    settled = sum(t[c] for t in taken for c in INTEREST) + used(terms, s, kinds)[1]
    return s.interest_minor + s.penalty_minor + s.compound_minor, settled


def taxed(terms: Terms, events: list[Event], s: Standing, kinds: dict[int, K]) -> int:
    """Gross interest whose tax is due: all that fell due, but for what arose more than 90 days after the settlement day of the
    oldest that is unpaid and has not come in."""
    unpaid, taken = due_and_taken(terms, s, kinds)
    left = [(r.due_on, min(r.interest_minor - r.paid_interest_minor, r.outstanding_minor)) for r in s.rows]
    behind = [due for due, unpaid_of_row in left if due <= s.as_of and unpaid_of_row > 0]
    if s.penalty_minor or s.compound_minor:
        behind.append(s.oldest_due_on)
    limit = min(behind, default=s.as_of) + 90
    if limit >= s.as_of:
        return unpaid + taken
    then = sum(due_and_taken(terms, replay(terms, events, limit), kinds))
    return unpaid + taken - min(unpaid, max(unpaid + taken - then, 0))


def balances(terms: Terms, events: list[Event], on: int, *, rate: int, share_ppm: int = 0) -> dict[str, int]:
    """Debit less credit by account, zero left out. rate: of the tax, ppm. share_ppm: the co-lender's part."""
    events = [e for e in effective(events, None) if e.on <= on]
    kinds = {e.seq: e.kind for e in events}
    s = replay(terms, events, on)
    came, waived, joined = (went(s, kinds, of) for of in (CASH, GIVEN_UP, JOINED))
    held = sum(line.held_minor for line in s.trace if kinds[line.seq] in CASH)
    from_held = dict.fromkeys(C, 0) | {C.INTEREST: used(terms, s, kinds)[1]}
    off = s.is_written_off or non_accrual(terms, events, on)
    gone = max((e.on for e in events if e.kind == K.WRITE_OFF), default=0)
    lost = replay(terms, events, gone).principal_minor if s.is_written_off else 0
    since = came[C.PRINCIPAL] - went(replay(terms, events, gone), kinds, CASH)[C.PRINCIPAL] if lost else 0

    def own(amount: int) -> int:
        return amount - amount * share_ppm // 1_000_000

    a: dict[str, int] = defaultdict(int)
    a["1011"] = -terms.principal_minor + sum(came.values()) + held
    a["224101"] = -s.surplus_minor
    if share_ppm:
        a["122105"] = terms.principal_minor - own(terms.principal_minor)
        a["224104"] = -sum(came[c] - own(came[c]) for c in (C.PRINCIPAL, *INTEREST))
        claims = s.principal_minor, s.interest_minor + s.accrued_minor, s.penalty_minor, s.compound_minor
        a["9007"] = sum(x - own(x) for x in claims)
    if s.is_written_off:
        a["1304"], a["9004"], a["9005"] = own(lost) - own(since), own(s.principal_minor), s.fee_minor
    elif off:
        a["130303"] = own(s.principal_minor)
    else:
        a["130302"] = own(s.overdue_principal_minor)
        a["130301"] = own(s.principal_minor) - a["130302"]
    subsidy = sum(
        max(0, min(r.subsidy_minor, r.interest_minor - r.paid_interest_minor)) for r in s.rows if r.due_on <= on and not off
    )
    claimed = {C.INTEREST: s.interest_minor + s.accrued_minor, C.PENALTY: s.penalty_minor, C.COMPOUND: s.compound_minor}
    on_books = {c: 0 if off else x for c, x in claimed.items()}
    if off:
        a["9001"], a["9002"], a["9003"] = (own(claimed[c]) for c in INTEREST)
    else:
        a["113201"], a["113202"] = own(s.accrued_minor), own(s.interest_minor) - own(subsidy)
        a["113203"], a["113204"], a["122104"] = own(s.penalty_minor), own(s.compound_minor), own(subsidy)
    a["122101"] = 0 if s.is_written_off else s.fee_minor
    a["671101"] = own(waived[C.PRINCIPAL])
    income = {c: own(came[c]) + own(from_held[c]) + own(joined[c]) + own(on_books[c]) for c in INTEREST}
    base = taxed(terms, events, s, kinds)
    recognised = sum(came[c] + from_held[c] + joined[c] + on_books[c] for c in INTEREST)
    output, pending = tax(own(base), rate), tax(max(own(recognised) - own(base), 0), rate)
    fees = came[C.FEE] + joined[C.FEE] + s.fee_minor
    a["601101"] = -income[C.INTEREST] + output + pending
    a["601102"], a["601103"] = -income[C.PENALTY], -income[C.COMPOUND]
    a["602101"] = -(came[C.FEE] + joined[C.FEE] + a["122101"]) + tax(fees, rate)
    a["222101"], a["222102"] = -output - tax(fees, rate), -pending
    a["9099"] = -sum(a[code] for code in ("9001", "9002", "9003", "9004", "9005", "9007"))
    assert sum(a.values()) == 0 or share_ppm, (date_of(on), sum(a.values()))
    return {code: amount for code, amount in a.items() if amount}
