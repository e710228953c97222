"""What the books should show of a loan on a day: named positions, each one amount between a debit and a credit account.

A position is a running total or a state, in minor units, and is a function of what replay says on the day (standing, moves by
cause) and of three marks: non-accrual, written off, and the partner's share. Its two accounts come from the chart; a negative
amount turns them round. So every posting balances, and the balance of an account is the sum of the positions that touch it.

What the marks do:
- non-accrual: interest, penalty and compound are income only when received; what is claimed stands off the balance sheet;
- written off: the principal of that day goes against the allowance, later money on it is a recovery, the claim stands off
  balance; what happens to the claim without money after that day touches no account of the balance sheet;
- partner: a co-lender's share of principal and interest is the partner's; money passes through a partner account.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from tideover.engine.moves import HELD, Cause
from tideover.engine.terms import Component

PRINCIPAL, INTEREST, PENALTY, COMPOUND = Component.PRINCIPAL, Component.INTEREST, Component.PENALTY, Component.COMPOUND
INTEREST_LIKE = (INTEREST, PENALTY, COMPOUND)
NAMES = {c: c.name.lower() for c in Component}
WAYS = {
    "paid": Cause.PAID, "from_held": Cause.USED, "guaranteed": Cause.GUARANTEED, "capitalised": Cause.CAPITALISED,
    "back": Cause.BACK,
}  # fmt: skip
"""How a claim that is income when it arises goes: position word, and the cause of the engine's moves."""
SHARED = (PRINCIPAL, *INTEREST_LIKE)
"""Components of which a co-lender has a share; fees and costs are the lender's own."""
OF_PRINCIPAL = (
    "disbursed", "principal.paid", "principal.from_held", "principal.guaranteed", "principal.waived", "principal.replaced",
    "principal.back", "principal.refund_owed", "principal.overdue", "principal.nonaccrual", "principal.written_off",
    "principal.recovered",
)  # fmt: skip
OF_CLAIMS = tuple(f"{NAMES[c]}.{way}" for c in Component if c != PRINCIPAL for way in ("recognised", *WAYS))
OTHERS = (
    "interest.due", "interest.subsidy", "recovery_cost.written_off", "vat.output", "vat.pending", "vat.fee", "held.received",
    "held.given", "held.back", "held.refunded", "partner.disbursed", "partner.collected", "partner.from_held",
)  # fmt: skip
OFF_BALANCE = (
    "off.principal", "off.interest", "off.penalty", "off.compound", "off.fee", "off.guarantor_claim", "off.partner_principal",
    "off.partner_interest",
)  # fmt: skip
POSITIONS: tuple[str, ...] = (*OF_PRINCIPAL, *OF_CLAIMS, *OTHERS, *OFF_BALANCE)
"""Positions of a loan, in the order of the columns of a matrix of them."""
SUSPENSE = "suspense"
"""The one position of a receipt: money that is not yet placed on a loan."""
ALL_POSITIONS = (*POSITIONS, SUSPENSE)
PLACE = {name: n for n, name in enumerate(POSITIONS)}


@dataclass(slots=True)
class Facts:
    """What the positions of n loans on a day are made of. Money int64 minor units.

    standing: by name int64[n] (principal, overdue_principal, interest, accrued, penalty, compound, fee, third_party_fee,
    recovery_cost); subrogated: int64[n]. moves: int64[n, causes, columns] (engine.moves), moves_written_off: the same on the day
    of the write-off (of the day itself where the loan is not), principal_written_off: principal on that day. nonaccrual,
    written_off: bool[n]. share_ppm: the co-lenders' part. subsidy: the treasury's part of the interest due. vat_output,
    vat_pending, vat_fee: tax (rules/tax.py) on the lender's own part.
    """

    standing: dict[str, np.ndarray]
    subrogated: np.ndarray
    moves: np.ndarray
    moves_written_off: np.ndarray
    principal_written_off: np.ndarray
    nonaccrual: np.ndarray
    written_off: np.ndarray
    share_ppm: np.ndarray
    subsidy: np.ndarray
    vat_output: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    vat_pending: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    vat_fee: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def share_of(amount: np.ndarray, share_ppm: np.ndarray) -> np.ndarray:
    """The co-lenders' part of amounts (int64), rounded down towards zero: the lender keeps the rest."""
    return np.sign(amount) * (np.abs(amount) * share_ppm // 1_000_000)


def got(moves: np.ndarray, component: Component) -> np.ndarray:
    """What of a claim was settled so that it is income: paid, paid from hold, guaranteed, capitalised; less taken back."""
    taken: np.ndarray = -moves[:, Cause.BACK, component]
    for cause in (Cause.PAID, Cause.USED, Cause.GUARANTEED, Cause.CAPITALISED):
        taken = taken + moves[:, cause, component]
    return taken


def open_of(f: Facts, component: Component) -> np.ndarray:
    """What is claimed: due, and for interest also what accrued since the last due day."""
    claimed = f.standing[NAMES[component]]
    return claimed + f.standing["accrued"] if component == INTEREST else claimed


def on_balance(f: Facts, component: Component) -> np.ndarray:
    """What is claimed and stands on the balance sheet: the tag that interest carries for accounting."""
    if component in INTEREST_LIKE:
        return np.where(f.nonaccrual | f.written_off, 0, open_of(f, component))
    if component == Component.RECOVERY_COST:
        return open_of(f, component)
    return np.where(f.written_off, 0, open_of(f, component))


def recognised(f: Facts, component: Component) -> np.ndarray:
    """Income so far of a component, tax included: what stands on the balance sheet and what was settled."""
    return on_balance(f, component) + got(f.moves, component)


def positions_of(f: Facts) -> np.ndarray:
    """int64[n, len(POSITIONS)]. `f` must be whole; the tax must be that of `taxable` (rules/tax.py)."""
    out = np.zeros((len(f.nonaccrual), len(POSITIONS)), np.int64)
    f = replace(f, moves=_frozen(f))
    _principal(f, out)
    for component in Component:
        if component != PRINCIPAL:
            _claim(f, component, out)
    on_interest = np.where(f.nonaccrual | f.written_off, 0, f.standing["accrued"])
    _own(f, out, "interest.due", recognised(f, INTEREST) - on_interest)
    _own(f, out, "interest.subsidy", np.where(f.nonaccrual | f.written_off, 0, f.subsidy))
    _put(out, "recovery_cost.written_off", np.where(f.written_off, f.standing["recovery_cost"], 0))
    for name, tax in (("vat.output", f.vat_output), ("vat.pending", f.vat_pending), ("vat.fee", f.vat_fee)):
        _put(out, name, tax)
    _put(out, "held.received", f.moves[:, Cause.PAID, HELD])
    _put(out, "held.given", f.moves[:, Cause.GIVEN, HELD])
    _put(out, "held.back", -f.moves[:, Cause.BACK, HELD])
    _put(out, "held.refunded", -f.moves[:, Cause.REFUNDED, HELD])
    _partner(f, out)
    _off_balance(f, out)
    return out


def _put(out: np.ndarray, name: str, amount: np.ndarray) -> None:
    out[:, PLACE[name]] = amount


def _own(f: Facts, out: np.ndarray, name: str, amount: np.ndarray) -> None:
    """The lender's own part of an amount that is shared."""
    _put(out, name, amount - share_of(amount, f.share_ppm))


def _frozen(f: Facts) -> np.ndarray:
    """The moves, but for what happened without money to a loan that is written off: that changes the claim only."""
    if not f.written_off.any():
        return f.moves
    moves = f.moves.copy()
    for cause in (Cause.CAPITALISED, Cause.WAIVED, Cause.GIVEN, Cause.REPLACED):
        moves[f.written_off, cause, :HELD] = f.moves_written_off[f.written_off, cause, :HELD]
    return moves


def _principal(f: Facts, out: np.ndarray) -> None:
    m, p = f.moves, PRINCIPAL
    _own(f, out, "disbursed", m[:, Cause.DRAWN, p])
    _own(f, out, "principal.paid", m[:, Cause.PAID, p])
    _own(f, out, "principal.from_held", m[:, Cause.USED, p])
    _own(f, out, "principal.guaranteed", m[:, Cause.GUARANTEED, p])
    _own(f, out, "principal.waived", m[:, Cause.WAIVED, p] + m[:, Cause.GIVEN, p])
    _own(f, out, "principal.replaced", m[:, Cause.REPLACED, p])
    _own(f, out, "principal.back", m[:, Cause.BACK, p])
    _own(f, out, "principal.refund_owed", m[:, Cause.REFUNDED, p])
    performing = ~(f.nonaccrual | f.written_off)
    _own(f, out, "principal.overdue", np.where(performing, f.standing["overdue_principal"], 0))
    _own(f, out, "principal.nonaccrual", np.where(f.nonaccrual & ~f.written_off, f.standing["principal"], 0))
    _own(f, out, "principal.written_off", np.where(f.written_off, f.principal_written_off, 0))
    since = _money_on_principal(m) - _money_on_principal(f.moves_written_off)
    _own(f, out, "principal.recovered", np.where(f.written_off, since, 0))


def _money_on_principal(moves: np.ndarray) -> np.ndarray:
    """Money that lowered principal, less money that raised it."""
    taken = sum(moves[:, c, PRINCIPAL] for c in (Cause.PAID, Cause.USED, Cause.GUARANTEED))
    raised = sum(moves[:, c, PRINCIPAL] for c in (Cause.BACK, Cause.REFUNDED, Cause.DRAWN))
    return np.asarray(taken - raised)


def _claim(f: Facts, component: Component, out: np.ndarray) -> None:
    name, shared = NAMES[component], component in SHARED
    for way, amount in (("recognised", recognised(f, component)), *((w, f.moves[:, c, component]) for w, c in WAYS.items())):
        _put(out, f"{name}.{way}", amount - share_of(amount, f.share_ppm) if shared else amount)


def _partner(f: Facts, out: np.ndarray) -> None:
    if not f.share_ppm.any():
        return
    m, s = f.moves, f.share_ppm
    _put(out, "partner.disbursed", share_of(m[:, Cause.DRAWN, PRINCIPAL], s))
    money = sum(share_of(m[:, cause, c], s) for c in SHARED for cause in (Cause.PAID, Cause.GUARANTEED))
    back = sum(share_of(m[:, Cause.BACK, c], s) for c in SHARED) + share_of(m[:, Cause.REFUNDED, PRINCIPAL], s)
    _put(out, "partner.collected", np.asarray(money - back))
    _put(out, "partner.from_held", np.asarray(sum(share_of(m[:, Cause.USED, c], s) for c in SHARED)))


def _off_balance(f: Facts, out: np.ndarray) -> None:
    off, s = f.nonaccrual | f.written_off, f.share_ppm
    for component in INTEREST_LIKE:
        _own(f, out, f"off.{NAMES[component]}", np.where(off, open_of(f, component), 0))
    _own(f, out, "off.principal", np.where(f.written_off, f.standing["principal"], 0))
    _put(out, "off.fee", np.where(f.written_off, f.standing["fee"] + f.standing["third_party_fee"], 0))
    _put(out, "off.guarantor_claim", f.subrogated)
    if s.any():
        _put(out, "off.partner_principal", np.where(s > 0, f.standing["principal"] - principal_claimed(out), 0))
        for component in INTEREST_LIKE:
            rest = np.where(s > 0, open_of(f, component) - claimed_of(out, component), 0)
            out[:, PLACE["off.partner_interest"]] += rest


def principal_on_books(amounts: np.ndarray) -> np.ndarray:
    """Principal on the balance sheet (int64[n]) by the positions of n loans."""
    plus: tuple[str, ...] = ("disbursed", "principal.back", "principal.refund_owed", "principal.recovered")
    plus += tuple(f"{NAMES[c]}.capitalised" for c in Component if c != PRINCIPAL)
    less = ("paid", "from_held", "guaranteed", "waived", "replaced", "written_off")
    found = sum(amounts[:, PLACE[n]] for n in plus) - sum(amounts[:, PLACE[f"principal.{n}"]] for n in less)
    return np.asarray(found)


def claim_on_books(amounts: np.ndarray, component: Component) -> np.ndarray:
    """What is claimed of a component and stands on the balance sheet (int64[n]) by the positions of n loans."""
    name = NAMES[component]
    taken = sum(amounts[:, PLACE[f"{name}.{way}"]] for way in WAYS if way != "back")
    found = amounts[:, PLACE[f"{name}.recognised"]] + amounts[:, PLACE[f"{name}.back"]] - taken
    return np.asarray(found - (amounts[:, PLACE["recovery_cost.written_off"]] if name == "recovery_cost" else 0))


def held_on_books(amounts: np.ndarray) -> np.ndarray:
    """Money held for borrowers by the positions; a partner's part of what it paid is out of it too."""
    plus = amounts[:, PLACE["held.received"]] + amounts[:, PLACE["held.given"]]
    used = sum(amounts[:, PLACE[f"{NAMES[c]}.from_held"]] for c in Component)
    less = amounts[:, PLACE["held.back"]] + amounts[:, PLACE["held.refunded"]] + amounts[:, PLACE["partner.from_held"]]
    return np.asarray(plus - used - less)


def principal_claimed(amounts: np.ndarray) -> np.ndarray:
    """The lender's principal, on the balance sheet or off it."""
    return np.asarray(principal_on_books(amounts) + amounts[:, PLACE["off.principal"]])


def claimed_of(amounts: np.ndarray, component: Component) -> np.ndarray:
    """What the lender claims of interest, penalty or compound, on the balance sheet or off it."""
    return np.asarray(claim_on_books(amounts, component) + amounts[:, PLACE[f"off.{NAMES[component]}"]])
