"""The word for a code (bucket, state, class, component, event, role …) and for an amount: one place, both languages."""

from __future__ import annotations

from django.utils.translation import gettext as _

from tideover.core.written import money_text


def money(minor: int | None) -> str:
    """¥1,273.63 of 127363; a dash for none."""
    if minor is None:
        return "–"
    return money_text(int(minor))


def word(code: str) -> str:
    """The word for a code in the page's language; an unknown code reads as itself."""
    return _(NAMES.get(code, code))


NAMES = {
    "current": "up to date",
    "d1_30": "1–30 days late",
    "d31_60": "31–60 days late",
    "d61_90": "61–90 days late",
    "d91_180": "91–180 days late",
    "d180p": "over 180 days late",
    "closed": "paid off",
    "paid_off": "paid off",
    "written_off": "written off",
    "active": "up to date",
    "overdue": "late",
    "normal": "normal",
    "special_mention": "special mention",
    "substandard": "substandard",
    "doubtful": "doubtful",
    "loss": "loss",
    "principal": "principal",
    "interest": "interest",
    "penalty": "interest on the late part",
    "compound": "interest on late interest",
    "fee": "fee",
    "third_party_fee": "third-party fee",
    "recovery_cost": "recovery cost",
    "held": "held for the next payment",
    "payment": "payment",
    "payoff": "pay-off",
    "reversal": "reversal",
    "defer": "payments moved later",
    "waiver": "waiver",
    "acceleration": "whole loan made due",
    "write_off": "write-off",
    "charge": "charge",
    "prepayment": "early payment",
    "rate_change": "rate change",
    "extension": "extension",
    "reamortise": "new plan",
    "new_rows": "new plan",
    "debit": "debit",
    "opened": "new loan",
    "became_due": "an instalment fell due",
    "became_overdue": "became late",
    "reopened": "open again",
    "rolled": "moved on",
    "cured": "got better",
    "corrected": "corrected",
    "repay_part": "part payment",
    "restructure": "new terms",
    "guarantor_payment": "payment by the guarantor",
    "pay_guarantor": "payment to the guarantor",
    "pause": "pause",
    "disbursement": "money paid out",
    "credit_refund": "money given back",
    "chargeback": "chargeback",
    "settlement": "settlement",
    "insolvency": "insolvency accepted",
    "judgment": "judgment",
    "adjustment": "adjustment",
    "goodwill": "goodwill credit",
    "merchant_refund": "refund by the merchant",
    "payout_refund": "payout given back",
    "down_payment": "down payment",
    "charge_credit": "charge given back",
    "charge_waiver": "charge waived",
    "re_age": "arrears moved into new instalments",
    "spread_arrears": "arrears spread over later instalments",
    "reschedule": "instalments rescheduled",
    "accrued": "interest not yet due",
    "late": "late",
    "paid": "paid",
    "due": "due today",
    "to_come": "to come",
    "help_request": "after a help request",
    "unknown": "result unknown",
    "in_flight": "under way",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "refused": "refused",
    "planned": "planned",
    "ended": "ended",
    "stopped": "stopped",
    "person": "person",
    "enterprise": "enterprise",
    "borrower": "Borrower",
    "co_borrower": "co-borrower",
    "guarantor_general": "guarantor",
    "guarantor_joint": "joint guarantor",
    "guarantee_company": "guarantee company",
    "insurer": "insurer",
    "co_lender": "co-lender",
    "controller": "controller",
    "heir": "heir",
    "administrator": "administrator",
    "proxy": "proxy",
}
