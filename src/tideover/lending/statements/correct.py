"""What people say about a line: that it is something else, the same as another, or that nothing more is needed.

One act each: what a line did (a receipt, a batch credited, a refund gone) is taken back with it.
"""

from __future__ import annotations

from datetime import date

from django.db import IntegrityError, transaction
from django.db.models import F

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.debits.credit import batch_credit, batch_credit_undo
from tideover.lending.debits.selectors import CREDIT_WITHIN, UNCREDITED
from tideover.lending.models import BankLine, DebitBatch, Match, Receipt, Refund
from tideover.lending.receipts.refunds import refund_move
from tideover.lending.receipts.services import receipt_reverse
from tideover.lending.rules.bank_match import Reason
from tideover.lending.statements.facts import came_of, facts_certain, out_of
from tideover.lending.statements.matching import lines_match, match_make, receipt_of, refund_line, returned, unplaced
from tideover.lending.statements.settling import settle

REASON_MAX = 300
CREDIT_KINDS = ("suspense", "settlement", "own", "returned_out", "other")
DEBIT_KINDS = ("refund", "returned", "payout", "fee", "own", "other")
WITH_RECEIPT = ("receipt", "suspense")


def doubt_answer(line: BankLine, *, same: bool, reason: str, actor: str) -> Match:
    """Somebody says whether a line that may be here already is the same as the other, or a payment of its own.

    Raises Refused: no reason, or no doubt is open.
    """
    with transaction.atomic():
        clock.writing()
        row, live = _locked(line, reason)
        if live.kind != "doubt":
            raise refuse("no_doubt", f"nothing is in doubt about line {row.reference}", "line")
        _end(live, reason, actor)
        if same:
            return match_make(row, "same", [Reason("same_said", {"line": live.of})], actor=actor, of=live.of)
    lines_match([row], actor=actor)
    return row.matches.get(undone_at=None)


def _locked(line: BankLine, reason: str) -> tuple[BankLine, Match]:
    if not reason.strip():
        raise refuse("missing", "say how you know", "reason")
    rows = BankLine.objects.select_for_update(of=("self",), no_key=True).select_related("account__entity", "file")
    row = rows.get(pk=line.pk)
    live = row.matches.select_related("receipt").filter(undone_at=None).first()
    if live is None:
        raise refuse("not_matched", f"line {row.reference} is being worked on; try again", "line")
    return row, live


def _end(match: Match, reason: str, actor: str) -> None:
    match.undone_at, match.undone_by, match.undone_why = now(), actor, reason.strip()[:REASON_MAX]
    match.save(update_fields=["undone_at", "undone_by", "undone_why"])


def line_become(line: BankLine, *, kind: str, of: str = "", reason: str, actor: str) -> Match:
    """Say that a line is something else than it was taken for; one act with what this takes back or makes.

    kind suspense undoes a placing (its receipt is reversed, the money waits again); settlement credits the batch `of`; own,
    returned_out (perhaps of the refund `of`, which is then returned) and other make a credit no receipt. A debit becomes refund
    (`of` is gone then), payout, fee, own, other, or `returned` of the line `of`, whose receipt is reversed. From `returned` to
    something else the taken back line is unplaced money again.
    Raises Refused: no reason, a kind that the direction does not have, nothing would change, no such batch, refund or line,
    money of the receipt went out, a refund came back by the line.
    """
    with transaction.atomic():
        clock.writing()
        row, live = _locked(line, reason)
        kinds = CREDIT_KINDS if row.direction == "credit" else DEBIT_KINDS
        if kind not in kinds:
            raise refuse("bad_kind", f"a {row.direction} line becomes one of {', '.join(kinds)}", "kind")
        if live.became == kind and kind != "returned" and live.of == of:
            raise refuse("no_change", f"line {row.reference} is {kind} already", "kind")
        _take_back(row, live, actor)
        _end(live, reason, actor)
        return _make(row, live, kind, of, actor)


def _make(row: BankLine, live: Match, kind: str, of: str, actor: str) -> Match:
    said = Reason("said")
    if kind == "suspense":
        return unplaced(row, [said], actor=actor)
    if kind == "returned":
        return returned(row, _returnable(row, of), [said], actor=actor)
    if kind == "settlement":
        batch = DebitBatch.objects.filter(number=of, entity=row.account.entity_id).first()
        if batch is None:
            raise refuse("no_such_batch", "name the batch of debits that the bank credited", "of")
        batch_credit(batch, amount_minor=row.amount_minor, on=row.booked_on, line=row.reference, actor=actor)
    if kind == "refund" or (kind == "returned_out" and of):
        return _refund(row, kind, of, said, actor)
    if live.kind in WITH_RECEIPT and kind == "own" and not of:
        of = row.counter_account
    return match_make(row, kind, [said], actor=actor, of=of)


def _refund(row: BankLine, kind: str, of: str, said: Reason, actor: str) -> Match:
    if not Refund.objects.filter(
        reference=of, amount_minor=row.amount_minor, receipt__entity=row.account.entity_id
    ).exists():  # fmt: skip
        raise refuse("no_such_refund", "name a refund of the same amount", "of")
    try:
        with transaction.atomic():
            return refund_line(row, kind, of, said, actor=actor)
    except IntegrityError as error:
        raise refuse("refund_has_line", f"another line is refund {of} already", "of") from error


def _returnable(row: BankLine, of: str) -> str:
    """The earlier line of which a return takes the receipt back. Raises Refused when it is not one."""
    found = Match.objects.select_related("line").filter(
        line__reference=of, line__account=row.account_id, line__direction="credit", undone_at=None, kind__in=WITH_RECEIPT,
        receipt__reversed_at=None,
    ).first()  # fmt: skip
    if found is None or found.line.amount_minor != row.amount_minor:
        raise refuse("no_such_line", "name the line that was taken back: a credit of the same amount whose receipt stands", "of")
    return of


def _take_back(row: BankLine, live: Match, actor: str) -> None:
    """Undo what a line did: its receipt is reversed, the receipt that it reversed is money of nobody again, the batch is not
    credited, the refund is on its way again."""
    if live.kind in WITH_RECEIPT and live.receipt is not None:
        receipt = Receipt.objects.get(pk=live.receipt_id)
        if receipt.refunding_minor or receipt.refunded_minor:
            raise refuse("refunded", f"money of {receipt.number} went back already: it cannot be taken back", "line")
        receipt_reverse(receipt, idempotency_key=f"bank-line:{row.pk}:undo", actor=actor)
    if live.kind == "settlement":
        batch_credit_undo(live.of, amount_minor=row.amount_minor, line=row.reference, actor=actor)
    if live.kind == "returned_out" and live.of:
        raise refuse("refund_back", f"refund {live.of} came back by this line, and its money is held again", "line")
    if live.kind == "refund":
        _refund_take_back(live, actor)
    if live.kind == "returned":
        earlier = BankLine.objects.select_related("account__entity", "file").get(reference=live.of)
        before = earlier.matches.get(undone_at=None)
        before.undone_at, before.undone_by, before.undone_why = now(), actor, "return undone"
        before.save(update_fields=["undone_at", "undone_by", "undone_why"])
        match_make(earlier, "suspense", [Reason("said")], actor=actor, receipt=receipt_of(earlier, None, None, actor))


def _refund_take_back(live: Match, actor: str) -> None:
    refund = Refund.objects.filter(reference=live.of).first()
    if refund is not None and refund.state == "gone":
        refund_move(refund, "sent", actor=actor, reason="its line is another's")


def line_settle(line: BankLine, *, reason: str, actor: str) -> Match:
    """Say that a line of kind other or returned_out needs nothing more. Raises Refused without a reason or when it is neither."""
    with transaction.atomic():
        row, live = _locked(line, reason)
        if live.kind not in ("other", "returned_out") or live.seen_at is not None:
            raise refuse("settled", f"line {row.reference} needs nothing more", "line")
        live.seen_at = now()
        live.save(update_fields=["seen_at"])
        log(actor, "bank_line.settle", "bank_line", row.reference, {"reason": reason.strip()[:REASON_MAX]})
    return live


def settlements_look(today: date, *, actor: str) -> int:
    """Unplaced money that is a bank's credit for a batch whose results came later than the line: no receipt any more; how many.

    Only money that nobody has touched.
    """
    left = dict[int, set[int]]()
    for entity, amount in DebitBatch.objects.filter(UNCREDITED).values_list("entity", F("taken_minor") - F("credited_minor")):
        left.setdefault(entity, set()).add(amount)
    done = 0
    for entity, amounts in left.items():
        waiting = Match.objects.filter(
            kind="suspense", undone_at=None, receipt__party=None, receipt__screening="clear", receipt__reversed_at=None,
            receipt__refunding_minor=0, receipt__refunded_minor=0, line__account__entity=entity, line__amount_minor__in=amounts,
            line__booked_on__gte=today - CREDIT_WITHIN,
        )  # fmt: skip
        done += sum(_settled_late(m.line, actor) for m in waiting.select_related("line").order_by("pk"))
    return done


def _settled_late(line: BankLine, actor: str) -> bool:
    with transaction.atomic():
        clock.writing()
        row, live = _locked(line, "its batch has its results now")
        if live.kind != "suspense" or live.receipt is None:
            return False
        if Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=live.receipt.pk).party_id is not None:
            return False  # somebody placed it a moment ago
        came = came_of(row)
        known = facts_certain([came])
        words = known.money(came).words
        names_loan = any(n.number.upper() in words for n in known.loans_for(came))
        batch = settle(row, out_of(row), names_loan=names_loan, actor=actor)
        if batch is None:
            return False
        _take_back(row, live, actor)
        _end(live, "its batch has its results now", actor)
        match_make(row, "settlement", [Reason("settlement", {"batch": batch.number})], actor=actor, of=batch.number)
    return True
