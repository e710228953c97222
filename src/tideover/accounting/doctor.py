"""What must always be true of the books: each day in balance, numbers without gaps, sub-ledger = ledger, sub-ledger = replay."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from django.db.models import Count, Max, Min, Sum

from tideover.accounting import triggers
from tideover.accounting.breaks import matrix
from tideover.accounting.lease import running
from tideover.accounting.models import BookRun, Entry, LoanPosition, PeriodClose, ReceiptPosition, Turnover
from tideover.accounting.posting import PART, booked_part, entities_booked
from tideover.accounting.rules.positions import POSITIONS, SUSPENSE
from tideover.accounting.selectors import accounts_known
from tideover.accounting.services import period_digest
from tideover.accounting.valuation import day_of, since_on, value
from tideover.core.doctor import Check
from tideover.lending.columns import Conventions
from tideover.lending.models import LegalEntity
from tideover.lending.sources import Book

NAMED_MAX = 10


def checks() -> list[Check]:
    """The checks of the books, the cheap ones first."""
    run = BookRun.objects.filter(state="done").order_by("-last_day", "-pk").first()
    if run is None:
        return [_trigger(), Check("books", True, "no day is posted yet")]
    out = [_trigger(), _balanced(), _numbered(), _closed()]
    if running() is not None:
        return [*out, Check("sub-ledger", True, "a run of posting is not finished: compared when it is")]
    return [*out, _ledger(), _replay(run)]


def _trigger() -> Check:
    stands = triggers.is_installed()
    return Check("books: closed periods", stands, "the trigger stands" if stands else "the trigger is missing")


def _balanced() -> Check:
    """Every day's debits are its credits, books and memoranda apart, and the sums by account are those of the entries."""
    wrong: list[str] = []
    days = 0
    for entity in LegalEntity.objects.order_by("code"):
        kinds = {code: a.kind == "memo" for code, a in accounts_known(entity.pk).items()}
        net: dict[tuple[object, str, bool], int] = defaultdict(int)
        sums: dict[tuple[object, str, str], int] = {}
        for t in Turnover.objects.filter(entity=entity):
            net[t.booked_on, t.currency, kinds.get(t.account, False)] += t.debit_minor - t.credit_minor
            sums[t.booked_on, t.currency, t.account] = t.debit_minor - t.credit_minor
            if t.account not in kinds:
                wrong.append(f"{entity.code} {t.booked_on}: account {t.account} is in no chart")
        days += len({k[0] for k in net})
        wrong += [
            f"{entity.code} {on}: debits and credits differ by {n}" for (on, _c, _m), n in sorted(net.items(), key=str) if n
        ]
        wrong += [f"{entity.code} {on}: account {a} is not the sum of its entries" for on, a in _unlike(entity, sums)]
    said = f"{days} days in balance" if not wrong else "; ".join(wrong[:NAMED_MAX])
    return Check("trial balance", not wrong, said)


def _unlike(entity: LegalEntity, sums: dict[tuple[object, str, str], int]) -> list[tuple[object, str]]:
    found: dict[tuple[object, str, str], int] = defaultdict(int)
    rows = Entry.objects.filter(entity=entity).order_by()
    for side, sign in (("debit", 1), ("credit", -1)):
        for on, currency, account, total in rows.values_list("booked_on", "currency", side).annotate(Sum("amount_minor")):
            found[on, currency, account] += sign * total
    return [(k[0], k[2]) for k in sorted(found.keys() | sums.keys(), key=str) if found.get(k, 0) != sums.get(k, 0)]


def _numbered() -> Check:
    """Voucher numbers of each entity and period run from 1 without a gap."""
    wrong, count = [], 0
    rows = Entry.objects.order_by().values_list("entity__code", "period")
    for code, period, n, first, last in rows.annotate(Count("voucher", distinct=True), Min("voucher"), Max("voucher")):
        count += n
        if first != 1 or last != n:
            wrong.append(f"{code} {period:%Y-%m}: {n} vouchers, {first} to {last}")
    return Check("vouchers", not wrong, "; ".join(wrong[:NAMED_MAX]) or f"{count} without a gap")


def _closed() -> Check:
    """Closed periods are what they were when they were closed."""
    wrong = [
        f"{p.entity.code} {p.period:%Y-%m}"
        for p in PeriodClose.objects.select_related("entity")
        if period_digest(p.entity, p.period) != p.digest
    ]
    said = f"changed: {', '.join(wrong)}" if wrong else f"{PeriodClose.objects.count()} unchanged"
    return Check("closed periods", not wrong, said)


def _ledger() -> Check:
    """The sub-ledger's sums by place and position are those of the entries."""
    net: dict[tuple[object, ...], int] = defaultdict(int)
    by = ("entity", "branch", "product", "currency", "position", "turned")
    for *key, turned, total in Entry.objects.exclude(position="").order_by().values_list(*by).annotate(Sum("amount_minor")):
        net[tuple(key)] += -total if turned else total
    loans = 0
    rows = LoanPosition.objects.values_list("entity", "branch", "product", "currency", "amounts")
    for entity, branch, product, currency, amounts in rows.iterator(chunk_size=5000):
        loans += 1
        for name, amount in amounts.items():
            net[entity, branch, product, currency, name] -= amount
    for r in ReceiptPosition.objects.select_related("entity"):
        net[r.entity_id, r.branch_id, None, r.entity.currency, SUSPENSE] -= r.amount_minor
    wrong = [f"{k}: {n}" for k, n in sorted(net.items(), key=str) if n]
    return Check("sub-ledger = ledger", not wrong, "; ".join(wrong[:NAMED_MAX]) or f"{loans} loans, to the cent")


def _replay(run: BookRun) -> Check:
    """What is posted of every loan is what its journal says of the last posted day, as known then."""
    entities, shared, wrong, seen = entities_booked(), Conventions.of_book(), [], 0
    on = day_of(run.last_day)
    for partition in Book(run.last_day, run.cut_off, PART).partitions():
        part, _ = booked_part(partition, shared, entities, run)
        loans, mine = part.loans, np.arange(len(part.loans.ids))
        if not len(mine):
            continue
        found = value(part, mine, np.full(len(mine), on, np.int64), since_on(part, mine, on))
        stored = dict(LoanPosition.objects.filter(pk__in=loans.ids.tolist()).values_list("pk", "amounts"))
        posted = matrix(stored.get(int(i), {}) for i in loans.ids)
        differs = np.flatnonzero(found.ok & (posted != found.amounts).any(axis=1))
        names = loans.names()
        for m in differs.tolist():
            at = np.flatnonzero(posted[m] != found.amounts[m])
            wrong.append(f"{names[m]} ({', '.join(POSITIONS[p] for p in at)})")
        seen += len(mine)
    return Check("sub-ledger = replay", not wrong, f"differs: {'; '.join(wrong[:NAMED_MAX])}" if wrong else f"{seen} loans equal")
