"""Letters: printed in batches, posted, returned or proved delivered. Only the carrier's proof makes a letter delivered."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction

from tideover.contact import addresses
from tideover.contact.models import LetterBatch, Message
from tideover.contact.outbox.life import contact_settle, deadline, locked, move, settled
from tideover.contact.outbox.queue import gate_ask, gate_reason
from tideover.contact.rules.message import Move, State
from tideover.contact.rules.model import Channel, Outcome
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.cells import MARK, cell
from tideover.core.documents import DocumentKind, document_bytes, document_issue, missing
from tideover.core.ids import handle_new
from tideover.core.problems import refuse
from tideover.lending.models import Branch

BATCH_MAX = 500
PAPERS = Path(__file__).parent / "papers"
POST_WITHIN = timedelta(days=7)
LETTER = DocumentKind(
    "letter", "LT", "Letter", PAPERS, lambda data: missing(data, "title", "name", "address", "paragraphs"), supersedes=False
)


def letter_batch_make(letters: Iterable[Message], *, branch: Branch | None, at: datetime, actor: str) -> LetterBatch:
    """Put letters that wait into a batch to be printed; the gate is asked for each. One that it holds back stays behind.

    Raises Refused when none may go.
    """
    with transaction.atomic():
        batch = LetterBatch.objects.create(number=handle_new("L"), branch=branch, made_at=at, made_by=actor)
        wanted = sorted(list(letters)[:BATCH_MAX], key=lambda m: (m.party_id, m.pk))  # people are locked in one order
        taken = sum(_into(batch, m.pk, at, actor) for m in wanted)
        if not taken:
            raise refuse("no_letters", "no letter may go out now")
        log(actor, "letters.batch", "letter_batch", batch.number, {"letters": taken})
    return batch


def _into(batch: LetterBatch, pk: int, at: datetime, actor: str) -> bool:
    m = locked(pk)
    if m.state != State.DRAFTED or m.channel != Channel.LETTER:
        return False
    verdict = gate_ask(m, at, stage="sending")
    m.last_verdict = verdict.pk
    if not verdict.allowed:
        starts = verdict.next_at
        later = starts is not None and starts < m.expires_at
        to = Move(State.DRAFTED, gate_reason(verdict), starts) if later else Move(State.BLOCKED, gate_reason(verdict))
        move(m, to, at, "held_back", actor=actor, verdict=verdict.pk)
        return False
    m.tries, m.first_tried_at, m.batch = m.tries + 1, m.first_tried_at or at, batch
    move(
        m,
        Move(State.SENDING, "to_be_posted", at + POST_WITHIN),
        at,
        "printed",
        actor=actor,
        verdict=verdict.pk,
        batch=batch.number,
    )
    return True


def letter_batch_post(batch: LetterBatch, *, on: date, carrier: str, actor: str) -> LetterBatch:
    """The batch was handed to the carrier on a day. Raises Refused: posted before, a day ahead, or no carrier."""
    at = now()
    if not carrier.strip():
        raise refuse("missing", "name the carrier: its proof is looked for there", "carrier")
    if on > business_date(at) or on < business_date(batch.made_at):
        raise refuse("bad_date", "letters are posted between the day of printing and today", "on")
    with transaction.atomic():
        row = LetterBatch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
        if row.posted_on is not None:
            raise refuse("posted", f"{row.number} was posted on {row.posted_on}", "on")
        row.posted_on, row.carrier = on, carrier.strip()[:40]
        row.save()
        for pk in row.letters.filter(state=State.SENDING).order_by("party_id", "pk").values_list("pk", flat=True):
            m = locked(pk)
            m.sent_at, m.gateway = max(start_of_day(on), m.first_tried_at or at), "post"
            move(m, Move(State.SENT, "", deadline(m)), at, "posted", actor=actor, on=on.isoformat(), carrier=row.carrier)
            contact_settle(m, Outcome.DELIVERED, at)
        log(actor, "letters.post", "letter_batch", row.number, {"on": on.isoformat()})
    return row


def letter_back(m: Message, *, actor: str) -> Message:
    """Take a letter out of a batch that has not been posted; it waits again. Raises Refused when it has."""
    with transaction.atomic():
        row = locked(m.pk)
        if row.state != State.SENDING or row.channel != Channel.LETTER:
            raise refuse("not_in_batch", f"{row.reference} is not in a batch that waits for the post")
        row.batch, row.tries = None, row.tries - 1
        move(row, Move(State.DRAFTED, "taken_out", now()), now(), "taken_out", actor=actor)
        log(actor, "letters.take_out", "message", row.reference)
    return row


def letter_delivered(m: Message, *, on: date, proof: str, actor: str) -> Message:
    """The carrier's proof of delivery: its day and its number. Raises Refused without a number, or for a day that cannot be."""
    if not proof.strip():
        raise refuse("missing", "enter the number of the proof: tracking number or signed receipt", "proof")
    return _outcome(m, State.DELIVERED, on, proof.strip()[:80], actor)


def letter_returned(m: Message, *, on: date, reason: str, actor: str) -> Message:
    """The letter came back: it was not delivered, and the address is not used again until somebody clears it."""
    if not reason.strip():
        raise refuse("missing", "say what the carrier wrote on it", "reason")
    return _outcome(m, State.FAILED, on, reason.strip()[:60], actor)


def _outcome(m: Message, state: State, on: date, words: str, actor: str) -> Message:
    at = now()
    with transaction.atomic():
        row = locked(m.pk)
        if row.channel != Channel.LETTER or row.state not in (State.SENT, State.DELIVERED, State.FAILED) or row.sent_at is None:
            raise refuse("not_posted", f"{row.reference} has not been posted")
        if row.state == state:
            raise refuse("settled", f"{row.reference} is {row.state} already")
        if not business_date(row.sent_at) <= on <= business_date(at):
            raise refuse("bad_date", "the day lies between the post and today", "on")
        said = {"on": on.isoformat(), "proof" if state == State.DELIVERED else "words": words}
        reason = "proof_of_delivery" if state == State.DELIVERED else "returned"
        settled(row, state, reason, at, max(start_of_day(on), row.sent_at), "proof", actor=actor, **said)
        if state == State.DELIVERED:
            row.delivered_on = on
            row.save(update_fields=["delivered_on"])
        else:
            addresses.address_fault(row.party, Channel.LETTER, bytes(row.to_hash), "returned", at, row)
        log(actor, f"letter.{state.value}", "message", row.reference, {"on": on.isoformat()})
    return row


def address_list(letters: Iterable[Message]) -> str:
    """The batch as CSV for labels and the carrier's own form; UTF-8 with a mark, so that spreadsheets read Chinese."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["reference", "name", "address", "phone", "template", "language"])
    for m in letters:
        cells = [m.reference, m.party.name, m.to_address, m.party.phone, str(m.template), m.language]
        rows.writerow([cell(c) for c in cells])
    return MARK + out.getvalue()


def letter_file(m: Message, *, actor: str) -> tuple[str, bytes]:
    """(file name, PDF) of a letter: numbered and hashed when first asked for, the same bytes ever after."""
    lines = [line for line in str(m.body).split("\n") if line.strip()]
    data = {
        "issuer": m.sign_name, "title": m.subject, "name": m.party.name, "address": m.to_address, "paragraphs": lines,
        "reference": m.reference, "hotline": settings.HOTLINE,
    }  # fmt: skip
    day = business_date(m.first_tried_at or m.created_at)
    made = document_issue("letter", subject=("message", m.reference), language=m.language, data=data, as_of=day, actor=actor)
    return f"{made.number}.pdf", document_bytes(made)
