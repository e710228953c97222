"""Loans on days, valued for the books: replay's standings and moves through the rules, for many (loan, day) pairs at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from tideover.accounting.law import Lender, nonaccrual_on, vat_spans
from tideover.accounting.rules import positions as P
from tideover.accounting.rules.accrual import Looks, NonAccrual, nonaccrual_since
from tideover.accounting.rules.tax import limit_day, tax_in, taxable
from tideover.engine import reference
from tideover.engine.batch import STATUS_OK, STATUS_REJECTED, Standings, replay_many, standing_into
from tideover.engine.columns import STANDING
from tideover.engine.events import EventKind, EventRejected
from tideover.engine.reference import effective
from tideover.engine.terms import Component, date_of
from tideover.lending.columns import Loans, subset

NO = -(2**31)
MONEY = (
    "principal", "overdue_principal", "interest", "accrued", "penalty", "compound", "fee", "third_party_fee", "recovery_cost",
)  # fmt: skip
THREADS = 2


@dataclass(slots=True)
class Part:
    """Loans with what the books need beside their terms and journal.

    lenders: distinct rules that loans stand under, lender: index into them by loan; share_ppm: co-lenders' share by loan;
    written: days of live write-offs by loan, where there are any; subsidised: loans of which the treasury bears a part.
    """

    loans: Loans
    lenders: list[Lender]
    lender: np.ndarray
    share_ppm: np.ndarray
    known_us: int | None = None
    written: dict[int, list[int]] = field(default_factory=dict)
    subsidised: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(slots=True)
class Valued:
    """amounts: int64[m, positions]; since: day since which on non-accrual (int64[m], NO: not); at_rest, written_off, ok: bool[m]
    (ok false: the loan cannot be replayed on that day)."""

    amounts: np.ndarray
    since: np.ndarray
    at_rest: np.ndarray
    written_off: np.ndarray
    ok: np.ndarray


def part_of(loans: Loans, lenders: list[Lender], lender: np.ndarray, share_ppm: np.ndarray, known_us: int | None = None) -> Part:
    """A part of the book, ready to be valued from what was known by `known_us` (all when None)."""
    part = Part(loans, lenders, lender, share_ppm, known_us)
    e = loans.events
    at = np.flatnonzero(e.events["kind"] == int(EventKind.WRITE_OFF))
    for i in np.unique(np.searchsorted(e.offsets, at, side="right") - 1).tolist():
        part.written[i] = sorted(x.on for x in effective(e.at(i), known_us) if x.kind == EventKind.WRITE_OFF)
    subsidised = np.array([c.terms.subsidy is not None for c in loans.conventions], bool)
    part.subsidised = np.flatnonzero(subsidised[loans.convention]) if len(loans.conventions) else part.subsidised
    return part


def _standings(part: Part, loan: np.ndarray, days: np.ndarray, moves: bool = True) -> Standings:
    gap = part.loans.terms.conventions["gap"][part.loans.terms.loans["convention"]] != 0
    one_by_one = np.flatnonzero(gap[loan] | (part.loans.refused[loan] >= 0))
    if not len(one_by_one):
        terms, events = subset(part.loans, loan)
        return replay_many(terms, events, days, part.known_us, threads=THREADS if len(loan) > 4096 else 1, moves=moves)
    rest = np.setdiff1d(np.arange(len(loan)), one_by_one)
    found = _standings(part, loan[rest], days[rest], moves)
    table = np.zeros(len(loan), STANDING).view(np.recarray)
    moved = np.zeros((len(loan), *found.moves.shape[1:]), np.int64)
    table[rest] = found.table
    if moves:
        moved[rest] = found.moves
    for first, end in _spans(loan[one_by_one]):
        _lived(part, loan, days, one_by_one[first:end], (table, moved, found.classes))
    return Standings(table, found.classes, len(one_by_one), moved)


def _spans(loan: np.ndarray) -> list[tuple[int, int]]:
    """Where each loan's pairs begin and end."""
    heads = np.flatnonzero(np.concatenate([[True], loan[1:] != loan[:-1]]))
    return list(zip(heads.tolist(), [*heads[1:].tolist(), len(loan)], strict=True))


def _lived(part: Part, loan: np.ndarray, days: np.ndarray, at: np.ndarray, into: Any) -> None:
    """One loan that only the reference replays, lived through its days once; `at`: its pairs."""
    table, moved, classes = into
    i = int(loan[at[0]])
    if part.loans.refused[i] >= 0:  # impossible terms, or an event that cannot be read
        table["status"][at] = STATUS_REJECTED
        return
    order = at[np.argsort(days[at], kind="stable")]
    events = part.loans.events.at(i)
    lived = reference.replay_days(part.loans.terms.at(i), events, days[order].tolist(), part.known_us)
    for n, m in enumerate(order.tolist()):
        try:
            s = next(lived)
        except (EventRejected, ValueError):
            table["status"][order[n:]] = STATUS_REJECTED
            return
        standing_into(table[m], s, classes)
        moved[m] = s.moves


def since_on(part: Part, loan: np.ndarray, on: int) -> np.ndarray:
    """The day since which each of these loans is on non-accrual on a day, from its whole history (int64; NO: it is not)."""
    e = part.loans.events
    pairs = [np.stack([loan, np.full(len(loan), on, np.int64)])]
    for i in loan.tolist():
        days = e.events["on"][e.offsets[i] : e.offsets[i + 1]]
        more = np.unique(np.concatenate([days, days - 1]))
        more = more[(more < on) & (more >= part.loans.disbursed[i])]
        pairs.append(np.stack([np.full(len(more), i, np.int64), more]))
    looks = np.concatenate(pairs, axis=1)
    looks = looks[:, np.lexsort((looks[1], looks[0]))]
    table = _standings(part, looks[0], looks[1], moves=False).table
    found = _since(part, looks[0], looks[1], table, np.full(looks.shape[1], NO, np.int64))
    last = looks[1] == on
    answer = dict(zip(looks[0][last].tolist(), found[last].tolist(), strict=True))
    return np.array([answer[i] for i in loan.tolist()], np.int64)


def _since(part: Part, loan: np.ndarray, days: np.ndarray, table: Any, before: np.ndarray) -> np.ndarray:
    out = np.full(len(loan), NO, np.int64)
    for k, (jurisdiction, kind, _reliefs) in enumerate(part.lenders):
        mine = np.flatnonzero(part.lender[loan] == k)
        if len(mine):
            looks = Looks(loan[mine], days[mine], table["days_past_due"][mine], table["total_overdue"][mine])
            out[mine] = nonaccrual_since(looks, _nonaccrual(jurisdiction, kind, int(days[mine].max())), before[mine])
    return out


def _nonaccrual(jurisdiction: str, kind: str, on: int) -> NonAccrual:
    return nonaccrual_on(jurisdiction, kind, date_of(on))


def value(part: Part, loan: np.ndarray, days: np.ndarray, before: np.ndarray) -> Valued:
    """Value loans on days (int64[m] each, by loan and then by day; a loan's days follow one another, or no event lies between).

    before: int64[m], read at the first of a loan's days: since when it was on non-accrual the day before (NO: it was not).
    """
    found = _standings(part, loan, days)
    table, moves = found.table, found.moves
    since = _since(part, loan, days, table, before)
    written_off = table["is_written_off"].astype(bool)
    facts = P.Facts(
        {name: table[name] for name in MONEY}, table["subrogated"].sum(axis=1), moves, moves, table["principal"],
        since != NO, written_off, part.share_ppm[loan], _subsidy(part, loan, days),
    )  # fmt: skip
    _write_offs(part, loan, days, facts)
    _tax(part, loan, days, facts, _unpaid_since(table))
    quiet = (table["payoff"] == 0) & (table["surplus"] == 0) & (table["principal"] == 0)
    ok = (table["status"] == STATUS_OK) & (part.loans.refused[loan] < 0)
    return Valued(P.positions_of(facts), since, quiet & ~_charged(part.loans)[loan], written_off, ok)


def _charged(loans: Loans) -> np.ndarray:
    """Loans with a charge in their journal: it may fall due without a new event."""
    out = np.zeros(len(loans.ids), bool)
    at = np.flatnonzero(loans.events.events["kind"] == int(EventKind.CHARGE))
    out[np.searchsorted(loans.events.offsets, at, side="right") - 1] = True
    return out


def _write_offs(part: Part, loan: np.ndarray, days: np.ndarray, facts: P.Facts) -> None:
    """Moves and principal of the day of the write-off, for loans that are written off."""
    at = np.flatnonzero(facts.written_off)
    if not len(at):
        return
    when = np.array([max(d for d in part.written[int(loan[i])] if d <= days[i]) for i in at], np.int64)
    key, back = np.unique(np.stack([loan[at], when]), axis=1, return_inverse=True)
    then = _standings(part, key[0], key[1])
    facts.moves_written_off, facts.principal_written_off = facts.moves.copy(), facts.principal_written_off.copy()
    facts.moves_written_off[at] = then.moves[back]
    facts.principal_written_off[at] = then.table["principal"][back]


def _settled(moves: np.ndarray) -> np.ndarray:
    return np.asarray(sum(P.got(moves, c) for c in P.INTEREST_LIKE))


def _claimed(table: Any) -> np.ndarray:
    """Interest, penalty and compound that are due and unpaid."""
    return np.asarray(table["interest"] + table["penalty"] + table["compound"])


def _arisen_after(part: Part, loan: np.ndarray, days: np.ndarray, arisen: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """What arose after the limit day of each loan, where that day is past."""
    out = np.zeros(len(loan), np.int64)
    at = np.flatnonzero((limit != NO) & (days > limit))
    if len(at):
        key, back = np.unique(np.stack([loan[at], limit[at]]), axis=1, return_inverse=True)
        then = _standings(part, key[0], np.maximum(key[1], part.loans.disbursed[key[0]]))
        out[at] = arisen[at] - (_settled(then.moves) + _claimed(then.table))[back]
    return out


def _tax(part: Part, loan: np.ndarray, days: np.ndarray, facts: P.Facts, unpaid_since: np.ndarray) -> None:
    """Tax on interest and fees: each span of time at its own rate."""
    n = len(loan)
    facts.vat_output, facts.vat_pending, facts.vat_fee = (np.zeros(n, np.int64) for _ in range(3))
    for k, lender in enumerate(part.lenders):
        mine = np.flatnonzero(part.lender[loan] == k)
        spans = vat_spans(*lender)
        if not len(mine) or not any(s.vat.rate_ppm or s.vat.fee_rate_ppm for s in spans):
            continue
        _tax_of(part, loan[mine], days[mine], _only(facts, mine), unpaid_since[mine], spans, (facts, mine))


def _only(f: P.Facts, at: np.ndarray) -> P.Facts:
    return P.Facts(
        {k: v[at] for k, v in f.standing.items()}, f.subrogated[at], f.moves[at], f.moves_written_off[at],
        f.principal_written_off[at], f.nonaccrual[at], f.written_off[at], f.share_ppm[at], f.subsidy[at],
    )  # fmt: skip


def _tax_of(part: Part, loan: np.ndarray, days: np.ndarray, f: P.Facts, unpaid_since: np.ndarray, spans: Any, into: Any) -> None:
    """Tax of loans of one kind of lender, written into the whole's arrays at their places."""
    now, fees = _bases(part, loan, days, f, unpaid_since, spans), _fees(f)
    starts = [s.from_day for s in spans[1:]]
    started = part.loans.disbursed[loan]
    output, fee, done, done_fee = (np.zeros(len(loan), np.int64) for _ in range(4))
    for n, span in enumerate(spans):
        ends = starts[n] if n < len(starts) else 2**31
        last = days < ends
        here = np.flatnonzero((days >= span.from_day) & (started < ends) if n else started < ends)
        base, base_fee = now.copy(), fees.copy()
        past = here[~last[here]]
        if len(past):
            base[past], base_fee[past] = _bases_at(part, loan[past], np.full(len(past), ends - 1, np.int64), spans)
        output[here] += tax_in((base - done)[here], span.vat.rate_ppm)
        fee[here] += tax_in((base_fee - done_fee)[here], span.vat.fee_rate_ppm)
        done[here], done_fee[here] = base[here], base_fee[here]
    rate = _rate_at(days, spans)
    recognised = np.asarray(sum(P.recognised(f, c) for c in P.INTEREST_LIKE))
    rest = np.maximum(recognised - P.share_of(recognised, f.share_ppm) - now, 0)
    pending = np.zeros(len(loan), np.int64)
    for ppm in np.unique(rate).tolist():
        pending[rate == ppm] = tax_in(rest[rate == ppm], ppm)
    facts, mine = into
    facts.vat_output[mine], facts.vat_fee[mine], facts.vat_pending[mine] = output, fee, pending


def _rate_at(days: np.ndarray, spans: Any) -> np.ndarray:
    at = np.searchsorted(np.array([s.from_day for s in spans]), days, side="right") - 1
    return np.array([s.vat.rate_ppm for s in spans], np.int64)[np.maximum(at, 0)]


def _bases(part: Part, loan: np.ndarray, days: np.ndarray, f: P.Facts, unpaid_since: np.ndarray, spans: Any) -> np.ndarray:
    """The lender's own gross interest whose tax is due."""
    settled, claimed = _settled(f.moves), _claimed(f.standing)
    limit = limit_day(unpaid_since, spans[-1].vat)
    base = taxable(settled, claimed, _arisen_after(part, loan, days, settled + claimed, limit))
    return base - P.share_of(base, f.share_ppm)


def _bases_at(part: Part, loan: np.ndarray, days: np.ndarray, spans: Any) -> tuple[np.ndarray, np.ndarray]:
    """The same, and fees, on earlier days."""
    days = np.maximum(days, part.loans.disbursed[loan])
    found = _standings(part, loan, days)
    t, no = found.table, np.zeros(len(loan), bool)
    f = P.Facts({n: t[n] for n in MONEY}, no, found.moves, found.moves, t["principal"], no, no, part.share_ppm[loan], no)
    return _bases(part, loan, days, f, _unpaid_since(t), spans), _fees(f)


def _unpaid_since(table: Any) -> np.ndarray:
    """Settlement day of the oldest unpaid interest (int64[n]; NO: none is): of the contract's own, or the day since which the
    loan is late where penalty or compound interest is unpaid, which arises on that row."""
    own = table["interest_since"].astype(np.int64)
    late = np.where(table["penalty"] + table["compound"] > 0, table["oldest_due_on"], NO).astype(np.int64)
    both = (own != NO) & (late != NO)
    return np.where(both, np.minimum(own, late), np.where(own != NO, own, late))


def _fees(f: P.Facts) -> np.ndarray:
    """Fees whose tax is due: it fell due with the charge, so that a write-off leaves it; only a waiver lowers it."""
    return P.open_of(f, Component.FEE) + P.got(f.moves, Component.FEE)


def _subsidy(part: Part, loan: np.ndarray, days: np.ndarray) -> np.ndarray:
    """What of the interest due the treasury is to pay, row by row: such loans are few and are replayed one by one."""
    out = np.zeros(len(loan), np.int64)
    for m in np.flatnonzero(np.isin(loan, part.subsidised)).tolist():
        i, on = int(loan[m]), int(days[m])
        try:
            rows = reference.replay(part.loans.terms.at(i), part.loans.events.at(i), on, part.known_us).rows
        except (EventRejected, ValueError):
            continue
        unpaid = [(r, min(r.interest_minor - r.paid_interest_minor, r.outstanding_minor)) for r in rows if r.due_on <= on]
        out[m] = sum(max(0, min(r.subsidy_minor, left)) for r, left in unpaid)
    return out


def day_of(on: date | None) -> int:
    """Days since 1970-01-01; NO for none."""
    return NO if on is None else (on - date(1970, 1, 1)).days
