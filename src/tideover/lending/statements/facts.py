"""What matching asks the book about lines, a few queries for many of them: loans that they name, payers known before, amounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet

from tideover.core.crypto import search_hash
from tideover.lending.models import BankAccount, BankLine, Contract, LoanParty, Match, Party, Refund, StandingRow
from tideover.lending.rules.bank_match import Loan, Money, words_of
from tideover.lending.rules.bank_out import RETURN_DAYS, Earlier, Out, Waiting
from tideover.lending.statements.quotes import quotes_named

BY_AMOUNT_MAX, LOANS_MAX = 200, 2000
CO_BORROWERS = ("co_borrower",)
GUARANTORS = ("guarantor_general", "guarantor_joint", "guarantee_company", "insurer")


@dataclass(frozen=True, slots=True)
class Came:
    """Money that came, as matching sees it: of a bank line, or of an unplaced receipt that came another way."""

    entity_id: int
    amount_minor: int
    name: str
    account_hash: bytes
    texts: tuple[str, ...]
    on: date


def came_of(line: BankLine) -> Came:
    """A credit line."""
    texts = (line.words, line.end_to_end, line.text)
    return Came(line.account.entity_id, line.amount_minor, line.name, bytes(line.counter_hash), texts, line.booked_on)


@dataclass(slots=True)
class Facts:
    """Loans by number, and for each payer's account how many receipts were placed for whom."""

    loans: dict[str, Loan] = field(default_factory=dict)
    entities: dict[str, int] = field(default_factory=dict)
    accounts: dict[tuple[int, bytes], dict[int, int]] = field(default_factory=dict)

    def money(self, came: Came) -> Money:
        """The line for the rules."""
        account_of = self.accounts.get((came.entity_id, came.account_hash), {}) if came.account_hash else {}
        words = words_of(*came.texts)
        quotes = quotes_named(came.entity_id, words, came.amount_minor, came.on)
        return Money(came.amount_minor, came.name, words, account_of, tuple(quotes))

    def loans_for(self, came: Came) -> list[Loan]:
        """The loans of the lender that the money came to."""
        return [loan for number, loan in self.loans.items() if self.entities[number] == came.entity_id]


def facts_certain(all_came: Sequence[Came]) -> Facts:
    """What certainty needs: loans named in the payers' words, and accounts known from earlier receipts."""
    out = Facts(accounts=accounts_known(all_came))
    words = {w for c in all_came for w in words_of(*c.texts)}
    words |= {q.loan for c in all_came for q in quotes_named(c.entity_id, words_of(*c.texts), c.amount_minor, c.on)}
    _add(out, Contract.objects.filter(number__in=words, entity__in={c.entity_id for c in all_came}))
    return out


def facts_likely(all_came: Sequence[Came]) -> Facts:
    """What suggestions need besides: people of the payer's very name, and loans of which the amount is what is due."""
    out = facts_certain(all_came)
    entities = {c.entity_id for c in all_came}
    people = {p for known in out.accounts.values() for p in known} | {loan.party_id for loan in out.loans.values()}
    hashes = [search_hash(c.name) for c in all_came if c.name]
    people |= set(Party.objects.filter(name_hash__in=hashes).values_list("pk", flat=True)[:LOANS_MAX])
    amounts = {c.amount_minor for c in all_came}
    due = Q(overdue_minor__in=amounts) | Q(next_due_minor__in=amounts) | Q(payoff_minor__in=amounts)
    rows = StandingRow.objects.filter(due, contract__entity__in=entities).exclude(bucket="closed")
    people |= set(rows.values_list("contract__borrower", flat=True)[: BY_AMOUNT_MAX * len(amounts)])
    _add(out, Contract.objects.filter(borrower__in=people, entity__in=entities))
    return out


def accounts_known(all_came: Iterable[Came]) -> dict[tuple[int, bytes], dict[int, int]]:
    """By lender and account hash: how many receipts that still stand were placed for whom."""
    hashes = {c.account_hash for c in all_came if c.account_hash}
    if not hashes:
        return {}
    rows = Match.objects.filter(
        undone_at=None, line__counter_hash__in=hashes, line__direction="credit", receipt__party__isnull=False,
        receipt__reversed_at=None,
    )  # fmt: skip
    counted = rows.values_list("line__account__entity", "line__counter_hash", "receipt__party").annotate(n=Count("pk")).order_by()
    out: dict[tuple[int, bytes], dict[int, int]] = defaultdict(dict)
    for entity, account, party, n in counted:
        out[entity, bytes(account)][party] = n
    return out


def _add(out: Facts, contracts: object) -> None:
    """Put loans with their names and figures into the facts."""
    rows = list(contracts.select_related("borrower")[:LOANS_MAX])  # type: ignore[attr-defined]
    wanted = [c for c in rows if c.number not in out.loans]
    standings = {s.contract_id: s for s in StandingRow.objects.filter(contract__in=wanted)}
    names: dict[int, list[str]] = defaultdict(list)
    guarantors: dict[int, list[str]] = defaultdict(list)
    others = LoanParty.objects.filter(contract__in=wanted, role__in=CO_BORROWERS + GUARANTORS, valid_to=None)
    for p in others.select_related("party"):
        (names if p.role in CO_BORROWERS else guarantors)[p.contract_id].append(p.party.name)
    for c in wanted:
        s = standings.get(c.pk)
        out.entities[c.number] = c.entity_id
        out.loans[c.number] = Loan(
            c.number, c.borrower_id, (c.borrower.name, *names[c.pk]), tuple(guarantors[c.pk]),
            (s.next_due_minor or 0) if s else 0, s.overdue_minor if s else 0, s.payoff_minor if s else 0,
        )  # fmt: skip


def out_of(line: BankLine) -> Out:
    """A line for the rules of money that goes."""
    said = " ".join((line.words, line.text))
    words = words_of(line.words, line.end_to_end, line.text, line.bank_id)
    return Out(line.amount_minor, line.booked_on, line.counter_account, words, said, line.is_reversal)


def own_accounts(line: BankLine) -> list[str]:
    """Numbers of the lender's own accounts, without the line's."""
    return list(BankAccount.objects.exclude(pk=line.account_id).values_list("number", flat=True))


def earlier_of(line: BankLine) -> list[Earlier]:
    """Credit lines of the same amount, not long before, whose receipt still stands."""
    since = line.booked_on - timedelta(days=RETURN_DAYS)
    rows = BankLine.objects.filter(
        account=line.account_id, direction="credit", amount_minor=line.amount_minor, booked_on__range=(since, line.booked_on),
        matches__undone_at=None, matches__kind__in=("receipt", "suspense"), matches__receipt__reversed_at=None,
    )  # fmt: skip
    return [
        Earlier(
            r.reference, r.amount_minor, r.booked_on, r.counter_account,
            frozenset(x.upper() for x in (r.bank_id, r.end_to_end, r.reference) if x),
        )
        for r in rows.order_by("pk")[:LOANS_MAX]
    ]  # fmt: skip


def refunds_waiting(line: BankLine) -> list[Waiting]:
    """Refunds of this amount whose own line did not come yet, whatever else was said of them."""
    return _as_waiting(_refunds(line).exclude(reference__in=_lines_of(line, "refund")))


def refunds_out(line: BankLine) -> list[Waiting]:
    """Refunds of this amount that no line brought back yet; the bank may send one back before it says that it went."""
    return _as_waiting(_refunds(line).exclude(reference__in=_lines_of(line, "returned_out")))


def _refunds(line: BankLine) -> QuerySet[Refund]:
    recent = Q(ended_on=None) | Q(ended_on__gte=line.booked_on - timedelta(days=RETURN_DAYS))
    rows = Refund.objects.filter(recent, amount_minor=line.amount_minor, receipt__entity=line.account.entity_id)
    return rows.select_related("receipt")


def _lines_of(line: BankLine, kind: str) -> QuerySet[Match, Any]:
    """Numbers that lines of the same amount are about."""
    return Match.objects.filter(kind=kind, undone_at=None, line__amount_minor=line.amount_minor).values("of")


def _as_waiting(rows: QuerySet[Refund]) -> list[Waiting]:
    return [Waiting(r.reference, r.amount_minor, r.receipt.payer_account) for r in rows.order_by("pk")[:LOANS_MAX]]


def payouts_waiting(line: BankLine, words: frozenset[str]) -> list[Waiting]:
    """Loans named in the line whose principal is its amount."""
    rows = Contract.objects.filter(number__in=words, entity=line.account.entity_id, principal_minor=line.amount_minor)
    return [Waiting(c.number, c.principal_minor) for c in rows]
