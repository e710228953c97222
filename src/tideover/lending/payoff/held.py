"""Money of a borrower that no loan takes: where it is, and their wish: kept for the next instalment, or sent back."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.problems import refuse
from tideover.lending import clock
from tideover.lending.models import HeldWish, Party, Receipt
from tideover.lending.receipts.selectors import HELD

WISHES = ("keep", "send_back")


def held_of(party: Party) -> QuerySet[Receipt]:
    """A person's receipts with money that no loan took, the oldest first."""
    return Receipt.objects.filter(HELD, party=party).select_related("held_wish", "entity").order_by("received_on", "pk")


def can_go_back(receipt: Receipt) -> bool:
    """Whether we know the account from which it came."""
    account = str(receipt.payer_account).strip()
    return bool(account) and "*" not in account


def wish_set(receipt: Receipt, wish: str, *, actor: str) -> HeldWish:
    """Write down what the borrower wants; it can be changed until the money is on its way. Kept money is divided again at once.

    What is to go back waits for two people (receipts.refunds): nothing pays a debt from it any more. Raises Refused: an unknown
    wish, nothing left of the receipt, no account to send it back to.
    """
    from tideover.lending.receipts.services import receipts_divide

    if wish not in WISHES:
        raise refuse("bad_wish", f"a wish is one of {', '.join(WISHES)}", "wish")
    with transaction.atomic():
        clock.writing()
        Party.objects.select_for_update(no_key=True).get(pk=receipt.party_id)
        row = Receipt.objects.select_for_update(of=("self",), no_key=True).get(pk=receipt.pk)
        if not Receipt.objects.filter(HELD, pk=row.pk).exists():
            raise refuse("nothing_left", f"nothing of {row.number} is with us any more", "wish")
        if wish == "send_back" and not can_go_back(row):
            raise refuse("no_source_account", f"{row.number} does not say from which account it came", "wish")
        said, _made = HeldWish.objects.update_or_create(receipt=row, defaults={"wish": wish, "at": now(), "actor": actor})
        log(actor, f"receipt.{wish}", "receipt", row.number)
        if wish == "keep" and row.party is not None:
            receipts_divide(row.party, row.entity_id, business_date(), actor=actor, as_of=business_date())
    return said
