"""Reading statements: what waits in suspense with its suggestions, files, lines and what they became, the days of an account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum

from tideover.core.business_time import business_date
from tideover.core.crypto import search_hash
from tideover.core.models import User
from tideover.core.packs.load import calendar
from tideover.core.problems import NotFound, Problem
from tideover.lending.models import BankAccount, BankLine, Match, Party, Receipt, StatementBalance, StatementFile
from tideover.lending.models.statements import OPEN
from tideover.lending.rules.bank_match import Suggestion, suggest, why_unplaced
from tideover.lending.rules.late_files import LOOK_DAYS, Balances, Expected, Gap, gaps, missing
from tideover.lending.scope import entities_visible
from tideover.lending.statements.facts import Came, came_of, facts_likely
from tideover.lending.statements.store import account_hash

AGED_DAYS = 30


def accounts_visible(user: User, on: date) -> QuerySet[BankAccount]:
    """The accounts of the lenders that a post reaches."""
    return BankAccount.objects.filter(entity__in=entities_visible(user, on)).select_related("entity")


def suspense_visible(user: User, on: date) -> QuerySet[Receipt]:
    """Receipts of nobody yet, of the lenders that a post reaches; the oldest first. What a watch list stopped is compliance's."""
    rows = Receipt.objects.filter(
        party=None, reversed_at=None, screening__in=("clear", "released"), entity__in=entities_visible(user, on)
    )
    return rows.filter(unapplied_minor__gt=0).select_related("entity").order_by("received_on", "pk")


def suspense_aged(user: User, on: date) -> QuerySet[Receipt]:
    """Of it what nobody has claimed for longer than AGED_DAYS."""
    return suspense_visible(user, on).filter(received_on__lt=on - timedelta(days=AGED_DAYS))


def suspense_get(user: User, number: str, on: date) -> Receipt:
    """One visible unplaced receipt. Raises NotFound for others."""
    found = suspense_visible(user, on).filter(number=number).first()
    if found is None:
        raise NotFound(Problem("no_such_receipt", f"there is no unplaced receipt {number} in your scope", "number"))
    return found


@dataclass(slots=True)
class Waiting:
    """An unplaced receipt as a desk shows it: its bank line (None: it came another way), its age in days, and candidates."""

    receipt: Receipt
    line: BankLine | None
    days: int
    why: list[dict[str, Any]]
    suggestions: list[tuple[Suggestion, Party]] = field(default_factory=list)

    @property
    def words(self) -> str:
        return " · ".join(t for t in (self.line.words, self.line.text) if t) if self.line else self.receipt.source_reference


def suspense_shown(receipts: Sequence[Receipt], on: date) -> list[Waiting]:
    """Receipts with their lines, ages and suggestions: the same few queries for one as for a page of them."""
    matches = Match.objects.filter(receipt__in=receipts, undone_at=None, line__direction="credit").select_related("line__account")
    of = {m.receipt_id: m for m in matches}
    came = {r.pk: came_of(of[r.pk].line) if r.pk in of else _came(r) for r in receipts}
    facts = facts_likely(list(came.values())) if receipts else None
    out = []
    for r in receipts:
        assert facts is not None
        match, money, loans = of.get(r.pk), facts.money(came[r.pk]), facts.loans_for(came[r.pk])
        why = match.reasons if match else [reason.json() for reason in why_unplaced(money, loans)]
        waiting = Waiting(r, match.line if match else None, (on - r.received_on).days, why)
        waiting.suggestions = [(s, None) for s in suggest(money, loans)]  # type: ignore[misc]
        out.append(waiting)
    people = Party.objects.in_bulk({s.party_id for w in out for s, _ in w.suggestions})
    for w in out:
        w.suggestions = [(s, people[s.party_id]) for s, _ in w.suggestions]
    return out


def _came(r: Receipt) -> Came:
    return Came(r.entity_id, r.unapplied_minor, r.payer_name, account_hash(r.payer_account), (r.source_reference,), r.received_on)


def files_visible(user: User, on: date) -> QuerySet[StatementFile]:
    """Files and calls of the lenders that a post reaches, and refused files that were nobody's yet; the newest first."""
    return StatementFile.objects.filter(Q(entity__in=entities_visible(user, on)) | Q(entity=None)).order_by("-received_at", "-pk")


def file_get(user: User, reference: str, on: date) -> StatementFile:
    """One visible file. Raises NotFound for others."""
    found = files_visible(user, on).filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_file", f"there is no statement {reference} in your scope", "reference"))
    return found


def lines_visible(user: User, on: date) -> QuerySet[BankLine]:
    """Lines of the visible accounts."""
    return BankLine.objects.filter(account__entity__in=entities_visible(user, on)).select_related("account__entity", "file")


def line_get(user: User, reference: str, on: date) -> BankLine:
    """One visible line. Raises NotFound for others."""
    found = lines_visible(user, on).filter(reference=reference).first()
    if found is None:
        raise NotFound(Problem("no_such_line", f"there is no bank line {reference} in your scope", "reference"))
    return found


def lines_of_file(file: StatementFile) -> QuerySet[BankLine]:
    """Every line that stands in a file, also those that came before."""
    return BankLine.objects.filter(seen__file=file).select_related("account").distinct().order_by("booked_on", "pk")


def matches_of(lines: Sequence[BankLine]) -> dict[int, Match]:
    """What each line is now, by the line's key."""
    rows = Match.objects.filter(line__in=[x.pk for x in lines], undone_at=None).select_related("receipt__party")
    return {m.line_id: m for m in rows}


def lines_to_work(user: User, on: date) -> QuerySet[BankLine]:
    """Lines that somebody must look at: in doubt, or nothing that is known; the oldest first."""
    open_now = Match.objects.filter(OPEN).values("line")
    return lines_visible(user, on).filter(pk__in=open_now).order_by("booked_on", "pk")


@dataclass(slots=True)
class Day:
    """A day of an account: what its lines moved, what they became, and the balances that the bank says and that follow.

    `opening`, `closing`: as the lines give them from the last balance that a file said (None: no file said one before).
    `said`: the closing that a file says for the day. `receipts`: money of credit lines that stands in receipts.
    `open_`: credit less what is in receipts, settlements and own transfers: money that nobody has taken in.
    """

    on: date
    lines: int = 0
    credit: int = 0
    debit: int = 0
    receipts: int = 0
    settled: int = 0
    own: int = 0
    suspense: int = 0
    opening: int | None = None
    closing: int | None = None
    said: int | None = None

    @property
    def off(self) -> int | None:
        """What the bank's closing differs by from what follows from the lines."""
        return None if self.said is None or self.closing is None else self.said - self.closing

    @property
    def open_(self) -> int:
        return self.credit - self.receipts - self.settled - self.own


KIND_SUMS = {"receipt": "receipts", "suspense": "receipts", "settlement": "settled", "own": "own", "returned_out": "own"}


def days_of(account: BankAccount, first: date, last: date) -> list[Day]:
    """Each day from `first` to `last` on which the account moved or a file says a balance, the newest first."""
    days: dict[date, Day] = {}
    rows = BankLine.objects.filter(account=account, booked_on__range=(first, last))
    for on, direction, n, total in (
        rows.values_list("booked_on", "direction").annotate(n=Sum(1), t=Sum("amount_minor")).order_by()
    ):
        day = days.setdefault(on, Day(on))
        day.lines += n
        setattr(day, direction, total)
    known = Match.objects.filter(undone_at=None, line__account=account, line__booked_on__range=(first, last))
    credits = known.filter(line__direction="credit").exclude(kind="same")
    for on, kind, total in credits.values_list("line__booked_on", "kind").annotate(t=Sum("line__amount_minor")).order_by():
        day = days[on]
        if kind in KIND_SUMS:
            setattr(day, KIND_SUMS[kind], getattr(day, KIND_SUMS[kind]) + total)
    for on, direction, n, total in _said_the_same(known):
        day = days[on]
        day.lines -= n
        setattr(day, direction, getattr(day, direction) - total)
    waiting = credits.filter(receipt__party=None, receipt__reversed_at=None, kind="suspense")
    for on, total in waiting.values_list("line__booked_on").annotate(t=Sum("receipt__unapplied_minor")).order_by():
        days[on].suspense = total
    _balances(account, days, first, last)
    return sorted(days.values(), key=lambda d: d.on, reverse=True)


def _said_the_same(known: QuerySet[Match]) -> QuerySet[Match, Any]:
    """Lines that somebody said are others: they move nothing."""
    rows = known.filter(kind="same").values_list("line__booked_on", "line__direction")
    return rows.annotate(n=Sum(1), t=Sum("line__amount_minor")).order_by()


def _balances(account: BankAccount, days: dict[date, Day], first: date, last: date) -> None:
    said = StatementBalance.objects.filter(account=account, last_on__gte=first, first_on__lte=last).order_by("last_on", "pk")
    for b in said:
        days.setdefault(b.last_on, Day(b.last_on)).said = b.closing_minor
    start = StatementBalance.objects.filter(account=account, first_on__lte=last).order_by("first_on", "pk")
    inside = start.filter(first_on__gte=first).first()
    before = StatementBalance.objects.filter(account=account, last_on__lt=first).order_by("-last_on", "-pk").first()
    balance: int | None = None
    if before is not None:
        between = BankLine.objects.filter(account=account, booked_on__gt=before.last_on, booked_on__lt=first)
        signed = {d: t or 0 for d, t in between.values_list("direction").annotate(t=Sum("amount_minor")).order_by()}
        balance = before.closing_minor + signed.get("credit", 0) - signed.get("debit", 0)
    for on in sorted(days):
        day = days[on]
        if balance is None and inside is not None and on >= inside.first_on:
            balance = inside.opening_minor
        if balance is not None:
            day.opening, day.closing = balance, balance + day.credit - day.debit
            balance = day.said if day.said is not None else day.closing


def expected_of(account: BankAccount) -> Expected:
    """What an account's bank sends, as it was set down with the account."""
    days = calendar(account.calendar) if account.calendar else None
    return Expected(account.opened_on, account.due_hour, account.closed_on, days)


def statements_missing(user: User, at: datetime) -> list[tuple[BankAccount, date, datetime]]:
    """(account, day, when it was due) of each statement that should be here, by account, the oldest first. Two queries."""
    zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
    accounts = list(accounts_visible(user, business_date(at)).filter(due_hour__gte=0).order_by("number"))
    said = StatementBalance.objects.filter(account__in=accounts).values_list("account")
    newest: dict[int, date] = dict(said.annotate(on=Max("last_on")).order_by())
    clock = at.astimezone(zone).replace(tzinfo=None)
    return [(a, day, due.replace(tzinfo=zone)) for a in accounts for day, due in missing(expected_of(a), newest.get(a.pk), clock)]


def statement_gaps(user: User, on: date) -> list[tuple[BankAccount, Gap]]:
    """Where statements of an account do not meet, as seen in the last LOOK_DAYS days. Two queries."""
    accounts = {a.pk: a for a in accounts_visible(user, on)}
    since = on - timedelta(days=LOOK_DAYS)
    rows = StatementBalance.objects.filter(account__in=list(accounts), last_on__gte=since - timedelta(days=LOOK_DAYS)).order_by(
        "pk"
    )
    said: dict[int, list[Balances]] = defaultdict(list)
    for pk, *balances in rows.values_list("account", "first_on", "last_on", "opening_minor", "closing_minor"):
        said[pk].append(Balances(*balances))
    return [(accounts[pk], gap) for pk, found in said.items() for gap in gaps(found) if gap.before >= since]


def last_balances(accounts: Sequence[BankAccount]) -> dict[int, StatementBalance]:
    """The balance of the last day that a file said, by the account's key."""
    newest = StatementBalance.objects.filter(account=OuterRef("account")).order_by("-last_on", "-pk").values("pk")[:1]
    rows = StatementBalance.objects.filter(account__in=accounts, pk=Subquery(newest))
    return {b.account_id: b for b in rows}


def files_to_work(user: User, on: date) -> QuerySet[StatementFile]:
    """Files that were refused or not read whole, and nobody has settled."""
    return files_visible(user, on).filter(state__in=("refused", "partly"), seen_at=None)


def party_search(entity_id: int, text: str, on: date) -> list[Party]:
    """People with a loan of the lender, by loan number, borrower number or full name; at most ten."""
    plain = text.strip()
    if not plain:
        return []
    by = Q(reference=plain.upper()) | Q(contracts__number=plain) | Q(name_hash=search_hash(plain))
    return list(Party.objects.filter(by, contracts__entity=entity_id).distinct().order_by("pk")[:10])


def oldest(rows: QuerySet[Receipt]) -> dict[str, Any]:
    """Number, sum and first day of receipts."""
    return rows.order_by().aggregate(n=Sum(1), total=Sum(F("unapplied_minor")), first=Min("received_on"))
