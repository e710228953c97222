"""The word for a position and for a kind of entry, in both languages."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.accounting.models import Entry
from tideover.lending.words import word

WAYS = {
    "recognised": gettext_noop("booked as income or claim"),
    "paid": gettext_noop("paid by the borrower"),
    "from_held": gettext_noop("paid from money held"),
    "guaranteed": gettext_noop("paid by the guarantor"),
    "capitalised": gettext_noop("moved into principal"),
    "back": gettext_noop("owed again after money was taken back"),
    "waived": gettext_noop("given up"),
    "replaced": gettext_noop("difference to the judgment"),
    "refund_owed": gettext_noop("owed again after a refund"),
    "overdue": gettext_noop("moved to overdue principal"),
    "nonaccrual": gettext_noop("moved to non-accrual principal"),
    "written_off": gettext_noop("written off"),
    "recovered": gettext_noop("recovered after write-off"),
    "due": gettext_noop("fell due"),
    "subsidy": gettext_noop("borne by the treasury"),
    "received": gettext_noop("received"),
    "given": gettext_noop("credited without money"),
    "refunded": gettext_noop("refunded"),
    "disbursed": gettext_noop("paid out"),
    "collected": gettext_noop("collected"),
}
FIRST = {
    "held": gettext_noop("Money held"),
    "partner": gettext_noop("Co-lenders' share"),
    "off": gettext_noop("Off balance"),
    "vat": gettext_noop("VAT"),
}
WHOLE = {
    "disbursed": gettext_noop("Loan paid out"),
    "vat.output": gettext_noop("Output VAT on interest"),
    "vat.pending": gettext_noop("VAT on interest not yet due"),
    "vat.fee": gettext_noop("Output VAT on fees"),
    "suspense": gettext_noop("Money not yet placed"),
    "off.principal": gettext_noop("Off balance: loans written off"),
    "off.interest": gettext_noop("Off balance: interest"),
    "off.penalty": gettext_noop("Off balance: interest on the late part"),
    "off.compound": gettext_noop("Off balance: interest on late interest"),
    "off.fee": gettext_noop("Off balance: fees on loans written off"),
    "off.guarantor_claim": gettext_noop("Off balance: the guarantor's claim"),
    "off.partner_principal": gettext_noop("Off balance: co-lenders' principal"),
    "off.partner_interest": gettext_noop("Off balance: co-lenders' interest"),
    "": gettext_noop("Moved to another account of the chart"),
}
KINDS = {
    "regular": gettext_noop("of the day"),
    "opening": gettext_noop("opening"),
    "adjusting": gettext_noop("adjusting"),
    "restated": gettext_noop("restated"),
    "chart": gettext_noop("chart of accounts"),
}


def position_word(position: str) -> str:
    """What a position is, in the page's language."""
    if position in WHOLE:
        return _(WHOLE[position])
    first, _dot, way = position.partition(".")
    head = _(FIRST[first]) if first in FIRST else word(first)
    return f"{head}: {_(WAYS.get(way, way))}"


def kind_word(entry: Entry) -> str:
    """Why an entry was posted."""
    return _(KINDS.get(entry.kind, entry.kind))
