"""The end of a pay-off whose money was taken back: all that was booked around it is reversed with it."""

from __future__ import annotations

from tideover.engine.events import EventKind
from tideover.lending import clock
from tideover.lending.journal import OWN_KEYS, event_append, is_live
from tideover.lending.models import PayoffQuote, PayoffUse, ReceiptPart


def use_end(part: ReceiptPart, *, actor: str) -> None:
    """Reverse what was waived, charged and left out with the pay-off of a part, if it is one; its quote is open again.

    Call inside the transaction that takes the part's payment back.
    """
    use = PayoffUse.objects.filter(part=part, ended_at=None).select_related("quote").first()
    if use is None:
        return
    contract = part.contract
    for seq in sorted(use.events, reverse=True):
        if is_live(contract, seq) or contract.events.filter(seq=seq, kind=EventKind.REVERSAL).exists():
            event_append(
                contract, kind=EventKind.REVERSAL, effective_on=use.on, extra={"of_seq": seq},
                idempotency_key=f"{OWN_KEYS}payoff:{part.pk}:{seq}:back", actor=actor,
            )  # fmt: skip
    use.ended_at = clock.stamp(joined=True)
    use.save(update_fields=["ended_at"])
    newer = PayoffQuote.objects.filter(contract=contract, ended="").exists()
    quote = use.quote
    quote.ended, quote.ended_at, quote.ended_by = ("replaced", use.ended_at, actor) if newer else ("", None, "")
    quote.save(update_fields=["ended", "ended_at", "ended_by"])
