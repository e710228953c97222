"""What a line becomes: exactly one thing, in one transaction with the receipt that it makes or takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import Refused
from tideover.lending import clock
from tideover.lending.counter.bank import counter_named
from tideover.lending.models import BankLine, Match, Party, Receipt, Refund
from tideover.lending.receipts.refunds import refund_move
from tideover.lending.receipts.services import Payer, Source, receipt_record, receipt_reverse
from tideover.lending.rules.bank_match import Placing, Reason, decide, why_unplaced
from tideover.lending.rules.bank_out import Out, came_back, is_return, out_decide
from tideover.lending.statements import facts as f
from tideover.lending.statements.facts import Facts
from tideover.lending.statements.settling import settle

BATCH = 100


def lines_match(lines: Sequence[BankLine], *, actor: str) -> int:
    """Make every line one thing; those that are one already are left. How many became something now."""
    done = 0
    for at in range(0, len(lines), BATCH):
        batch = lines[at : at + BATCH]
        known = f.facts_certain([f.came_of(x) for x in batch if x.direction == "credit"])
        done += sum(line_match(x, actor=actor, known=known) is not None for x in batch)
    return done


def line_match(line: BankLine, *, actor: str, known: Facts | None = None) -> Match | None:
    """Make a line one thing, unless it is one already (then None). `known`: facts read for many lines at once."""
    with transaction.atomic():
        clock.writing()
        row = BankLine.objects.select_for_update(of=("self",), no_key=True).select_related("account__entity").get(pk=line.pk)
        if row.matches.filter(undone_at=None).exists():
            return None
        return _credit(row, actor, known) if row.direction == "credit" else _debit(row, actor)


def match_make(
    line: BankLine, kind: str, reasons: Sequence[Reason], *, actor: str, of: str = "", receipt: Receipt | None = None
) -> Match:
    """Write down what a line is; its log names no person."""
    made = Match.objects.create(
        line=line, kind=kind, of=of[:60], receipt=receipt, reasons=[r.json() for r in reasons], at=now(), actor=actor
    )
    log(
        actor,
        "bank_line.match",
        "bank_line",
        line.reference,
        {"kind": kind, "of": of, "receipt": receipt.number if receipt else ""},
    )
    return made


def _credit(line: BankLine, actor: str, known: Facts | None) -> Match:
    out = f.out_of(line)
    if line.counter_account and line.counter_account in f.own_accounts(line):
        return match_make(line, "own", [Reason("own", {"account": line.counter_account})], actor=actor)
    if is_return(out.said, out.reversal):
        return _came_back(line, out, actor)
    came = f.came_of(line)
    if known is None:
        known = f.facts_certain([came])
    counter = counter_named(line.account.entity_id, out.words, line.amount_minor)
    if counter is not None:
        return match_make(line, "own", [Reason("counter", {"number": counter})], actor=actor, of=counter)
    money, loans = known.money(came), known.loans_for(came)
    names_loan = bool(money.quotes) or any(n.number.upper() in money.words for n in loans)
    batch = settle(line, out, names_loan=names_loan, actor=actor)
    if batch is not None:
        return match_make(line, "settlement", [Reason("settlement", {"batch": batch.number})], actor=actor, of=batch.number)
    fresh = f.accounts_known([came]).get((came.entity_id, came.account_hash), {}) if came.account_hash else {}
    if dict(money.account_of) != fresh:  # an earlier line of the same batch was placed meanwhile
        known.accounts[came.entity_id, came.account_hash] = fresh
        money = known.money(came)
    placing = decide(money, loans)
    if placing is None:
        return unplaced(line, why_unplaced(money, loans), actor=actor)
    return _placed(line, placing, actor)


def _came_back(line: BankLine, out: Out, actor: str) -> Match:
    """Money that we sent is here again: of a refund, which is then held for its receipt; else somebody looks at it."""
    back = came_back(out, f.refunds_out(line))
    if back is not None:
        with suppress(IntegrityError, Refused), transaction.atomic():
            return refund_line(line, "returned_out", back.number, Reason("refund_back", {"refund": back.number}), actor=actor)
    return match_make(line, "returned_out", [Reason("returned_out")], actor=actor)


def refund_line(line: BankLine, kind: str, number: str, reason: Reason, *, actor: str) -> Match:
    """The line by which a refund went (kind refund) or came back (returned_out), with the refund's move. Inside a transaction.

    A refund of which the bank told the return first has nothing to move when its own line comes.
    Raises IntegrityError where another line is that already, Refused for a move that cannot follow.
    """
    refund = Refund.objects.get(reference=number)
    if kind == "returned_out" or refund.state != "returned":
        state = "gone" if kind == "refund" else "returned"
        refund_move(refund, state, actor=actor, on=line.booked_on, bank_reference=line.reference)
    made = match_make(line, kind, [reason], actor=actor, of=number)
    made.seen_at = made.at  # what came back is held for its receipt again: that is where the work is
    made.save(update_fields=["seen_at"])
    return made


def _placed(line: BankLine, placing: Placing, actor: str) -> Match:
    party = Party.objects.get(pk=placing.party_id)
    designation = [{"debt": n} for n in placing.loans] or None
    try:
        with transaction.atomic():
            receipt = receipt_of(line, party, designation, actor)
    except Refused:  # the loan that was named takes nothing: it is still theirs
        receipt = receipt_of(line, party, None, actor)
    kind = "receipt" if receipt.party_id else "suspense"  # a screening may hold it unplaced
    return match_make(line, kind, placing.reasons, actor=actor, receipt=receipt)


def unplaced(line: BankLine, reasons: Sequence[Reason], *, actor: str) -> Match:
    """The line as a receipt of nobody yet."""
    return match_make(line, "suspense", reasons, actor=actor, receipt=receipt_of(line, None, None, actor))


def receipt_of(line: BankLine, party: Party | None, designation: Sequence[Mapping[str, object]] | None, actor: str) -> Receipt:
    """The receipt that a credit line makes. Its key counts what the line was before: corrected lines make new receipts."""
    return receipt_record(
        entity_id=line.account.entity_id,
        party=party,
        amount_minor=line.amount_minor,
        received_on=min(line.value_on, max(line.booked_on, business_date())),
        payer=Payer(line.name, line.counter_account, line.counter_bank),
        source=Source("webhook" if line.file.kind == "webhook" else "bank", line.reference),
        idempotency_key=f"bank-line:{line.pk}:{line.matches.count()}",
        actor=actor,
        designation=designation,
    )


def _debit(line: BankLine, actor: str) -> Match:
    out = f.out_of(line)
    became = out_decide(
        out, own=f.own_accounts(line), earlier=f.earlier_of(line) if is_return(out.said, out.reversal) else [],
        refunds=f.refunds_waiting(line), payouts=f.payouts_waiting(line, out.words),
    )  # fmt: skip
    if became.kind == "returned":
        try:
            with transaction.atomic():
                return returned(line, became.of, [became.reason], actor=actor)
        except Refused:  # its money went back to the payer meanwhile
            return match_make(line, "other", [Reason("returned_refunded", {"line": became.of})], actor=actor)
    if became.kind == "refund":
        with suppress(IntegrityError, Refused), transaction.atomic():
            return refund_line(line, "refund", became.of, became.reason, actor=actor)
        return match_make(line, "other", [Reason("refund_taken", {"refund": became.of})], actor=actor)
    return match_make(line, became.kind, [became.reason], actor=actor, of=became.of)


def returned(line: BankLine, earlier: str, reasons: Sequence[Reason], *, actor: str) -> Match:
    """The bank took a payment back: its receipt is reversed as one act, in the same transaction."""
    before = Match.objects.select_related("receipt").get(line__reference=earlier, undone_at=None)
    assert before.receipt is not None
    receipt_reverse(before.receipt, idempotency_key=f"bank-line:{line.pk}:returned", actor=actor)
    return match_make(line, "returned", reasons, actor=actor, of=earlier, receipt=before.receipt)
