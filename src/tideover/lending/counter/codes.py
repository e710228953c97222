"""The code at the foot of a slip: what anybody who holds one is told, at /verify."""

from __future__ import annotations

from django.utils.translation import get_language, gettext_noop

from tideover.core.business_time import business_date
from tideover.core.documents.kinds import label_register
from tideover.core.documents.verify import Verification, code_register
from tideover.core.ids import handle_grouped
from tideover.lending.counter.taking import CODE
from tideover.lending.models import Slip

KIND = "counter_slip"


def slip_said(code: str) -> Verification | None:
    """Number, day and lender of the slip with a code; cancelled when its money was given back or taken off the loans."""
    slip = Slip.objects.select_related("till__branch__entity", "receipt").filter(code=code).first()
    if slip is None:
        return None
    entity = slip.till.branch.entity
    ended = slip.ended_at or (slip.receipt.reversed_at if slip.receipt else None)
    return Verification(
        "cancelled" if ended else "genuine", "code", slip.number, handle_grouped(slip.code), KIND,
        str(entity.name_zh if (get_language() or "").startswith("zh") else entity.name_en), business_date(slip.taken_at),
        slip.day, business_date(ended) if ended else None,
    )  # fmt: skip


def codes_register() -> None:
    """Let the public page know them."""
    code_register(CODE, slip_said)
    label_register(KIND, gettext_noop("Slip of a payment at the counter"))
