"""The core's figure carried to a day: what the core said on its last day, plus what replay says has moved since. Pure.

    held on d = replay on d + core on d0 - replay on d0        for every component that the core's file gives

so that on d0 the figure is the core's own, that money booked since then is never asked for again, and that days go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tideover.engine.standing import Row, Standing
from tideover.engine.terms import NO_DAY

COMPONENTS = ("principal", "interest", "accrued", "penalty", "compound", "fee", "recovery_cost", "surplus")
"""Components of a core's balance; `fee` holds third-party fees too, as the tape's `fees_outstanding` does."""
PAYS = ("recovery_cost", "fee", "interest", "penalty", "compound", "principal", "accrued")
"""Components of a claim, in the order in which money pays them that replay had given to others."""
ROWS = ("principal", "interest", "accrued")
OVERDUE = ("overdue_principal", "overdue_interest")
COMPARED = (*COMPONENTS, "days_past_due")
ABSENT = -(2**62)
"""A figure that the core's file does not give."""
SAID = (*COMPARED, *OVERDUE, "next_due_on", "next_due")
"""Everything that a line of a core's balances may say."""
_OF_STANDING = (
    "principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost", "surplus", "payoff",
    "total_overdue", "overdue_principal", "overdue_interest", "next_due", "row_outstanding",
)  # fmt: skip
_DAYS = ("days_past_due", "shown_days_past_due", "borrower_days_past_due", "oldest_due_on", "next_due_on")
Figures = Mapping[str, Any]


def component_of(figures: Figures, name: str) -> Any:
    """A compared component of replay's figures (by field of engine.columns.STANDING), as the core's files count it."""
    return figures["fee"] + figures["third_party_fee"] if name == "fee" else figures[name]


def carried(core: Figures, base: Figures, now: Figures, on: Any, core_on: Any) -> dict[str, np.ndarray]:
    """The fields of `now` that the core's figures change, by name (int64[n]).

    core: SAID by name, ABSENT where not given; base, now: replay on `core_on` and on `on` (int days), by field of STANDING.
    Nothing falls below zero, and no money that came in since is lost by that. Money in minor units.
    """
    by: dict[str, Any] = {n: _delta(core, n, component_of(base, n)) for n in COMPONENTS}
    by |= {n: _delta(core, n, base[n]) for n in OVERDUE}
    out = _spread({n: component_of(now, n) + by[n] for n in COMPONENTS})
    fees = out["fee"]
    out["third_party_fee"] = np.minimum(now["third_party_fee"], fees)
    out["fee"] = fees - out["third_party_fee"]
    out["payoff"] = sum((out[n] for n in COMPONENTS if n != "surplus"), -out["surplus"]) + out["third_party_fee"]
    out |= {n: _late_part(core, by, now, out, n) for n in OVERDUE}
    late = sum(out[n] - now[n] for n in (*OVERDUE, "penalty", "compound"))
    out["total_overdue"] = np.maximum(now["total_overdue"] + late, out["overdue_principal"] + out["overdue_interest"])
    out["row_outstanding"] = np.maximum(now["row_outstanding"] + sum(out[n] - now[n] for n in ROWS), 0)
    return out | _lateness(core, base, now, out["total_overdue"], on - core_on, on) | _next(core, now, on)


def _delta(core: Figures, name: str, base: Any) -> Any:
    return np.where(core[name] == ABSENT, 0, core[name] - base)


def _late_part(core: Figures, by: Figures, now: Figures, out: Figures, name: str) -> np.ndarray:
    """The late part of principal or interest; never more of it than the core says that there is at all."""
    whole = name.removeprefix("overdue_")
    late = np.maximum(now[name] + by[name], 0)
    less = (core[whole] != ABSENT) | (out[whole] < now[whole] + by[whole])
    return np.where(less, np.minimum(late, out[whole]), late)


def _spread(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Components, none below zero. Money that replay gave to what the core does not claim pays the rest of its claims, in the
    order PAYS, and what then is left is held: money that came in since counts in full."""
    out = {n: np.maximum(v, 0) for n, v in raw.items()}
    over = sum(out[n] - raw[n] for n in PAYS)
    for n in PAYS:
        pays = np.minimum(over, out[n])
        out[n], over = out[n] - pays, over - pays
    out["surplus"] = out["surplus"] + over
    return out


def _lateness(core: Figures, base: Figures, now: Figures, overdue: np.ndarray, since: Any, on: Any) -> dict[str, np.ndarray]:
    """Days late go on from the core's; a payment since then that moved the oldest unpaid day moves them alike."""
    said = core["days_past_due"] != ABSENT
    moved = (base["oldest_due_on"] != NO_DAY) & (now["oldest_due_on"] != NO_DAY)
    by = np.where(moved, now["oldest_due_on"] - base["oldest_due_on"], 0)
    went_on = np.maximum(core["days_past_due"] + since - by, 0)
    newly = np.where(base["days_past_due"] == 0, now["days_past_due"], np.minimum(now["days_past_due"], since))
    days = np.where(core["days_past_due"] > 0, went_on, newly)
    days = np.where(said, np.where(overdue > 0, days, 0), now["days_past_due"])
    hidden = (now["shown_days_past_due"] == 0) & (now["days_past_due"] > 0)
    return {
        "days_past_due": days,
        "shown_days_past_due": np.where(hidden, 0, days),
        "borrower_days_past_due": np.where(
            now["borrower_days_past_due"] == now["days_past_due"], days, now["borrower_days_past_due"]
        ),
        "oldest_due_on": np.where(days == now["days_past_due"], now["oldest_due_on"], np.where(days > 0, on - days, NO_DAY)),
    }


def _next(core: Figures, now: Figures, on: Any) -> dict[str, Any]:
    """The core's next instalment while it lies ahead."""
    ahead = (core["next_due_on"] != ABSENT) & (core["next_due_on"] > on)
    amount = ahead & (core["next_due"] != ABSENT)
    out: dict[str, Any] = {"next_due_on": np.where(ahead, core["next_due_on"], now["next_due_on"])}
    return out | {"next_due": np.where(amount, core["next_due"], now["next_due"])}


def standing_carried(core: Figures, core_on: int, base: Standing, now: Standing) -> Standing:
    """One loan's standing with the core's figures, its due instalments filled so that they add up to what is late."""
    changed = carried({n: np.array(core[n]) for n in SAID}, _figures(base), _figures(now), np.array(now.as_of), np.array(core_on))
    fields: dict[str, Any] = {n if n in _DAYS else f"{n}_minor": int(v) for n, v in changed.items()}
    out = replace(now, **fields)
    out.rows = _rows(now.rows, out) if now.rows else []
    return out


def _figures(s: Standing) -> dict[str, np.ndarray]:
    named = {n: getattr(s, f"{n}_minor") for n in _OF_STANDING} | {n: getattr(s, n) for n in _DAYS}
    return {n: np.array(v, np.int64) for n, v in named.items()}


def _rows(rows: list[Row], s: Standing) -> list[Row]:
    """The plan with the core's late amounts: the newest due row is the last to be paid, so it is filled first.

    What does not fit into the plan's due rows stands on the oldest of them; where none is due, on a row of its own (nr 0).
    """
    left = {"principal": s.overdue_principal_minor, "interest": s.overdue_interest_minor}
    past = [r for r in rows if r.due_on < s.as_of]
    open_of: dict[int, tuple[int, int]] = {}
    for r in reversed(past):
        open_of[id(r)] = min(left["principal"], r.principal_minor), min(left["interest"], r.interest_minor)
        left["principal"] -= open_of[id(r)][0]
        left["interest"] -= open_of[id(r)][1]
    if past and any(left.values()):
        first = open_of[id(past[0])]
        open_of[id(past[0])] = first[0] + left["principal"], first[1] + left["interest"]
        left = dict.fromkeys(left, 0)
    out = [_row(r, *open_of[id(r)]) if id(r) in open_of else _today(r, s) for r in rows]
    if any(left.values()):
        since = s.oldest_due_on if s.oldest_due_on != NO_DAY else s.as_of - 1
        extra = Row(0, since, since, left["principal"], left["interest"], s.principal_minor)
        extra.outstanding_minor = sum(left.values())
        out.insert(0, extra)
    return out


def _today(r: Row, s: Standing) -> Row:
    """A row that falls due on the day asks for no more than the core says is left beside what is late."""
    if r.due_on != s.as_of or not r.outstanding_minor:
        return r
    principal, interest = r.principal_minor - r.paid_principal_minor, r.interest_minor - r.paid_interest_minor
    p = min(principal, s.principal_minor - s.overdue_principal_minor)
    i = min(interest, s.interest_minor - s.overdue_interest_minor)
    return r if (p, i) == (principal, interest) else _row(r, max(0, p), max(0, i))


def _row(r: Row, principal: int, interest: int) -> Row:
    out = replace(r, paid_principal_minor=r.principal_minor - principal, paid_interest_minor=r.interest_minor - interest)
    out.outstanding_minor = principal + interest
    out.paid_minor = out.paid_principal_minor + out.paid_interest_minor
    out.paid_on = NO_DAY if out.outstanding_minor else r.paid_on
    return out
