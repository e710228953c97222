"""The permission matrix: every route and act, and the roles that may. What is not listed is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from tideover.core.models import Role, User

EVERYONE = frozenset(Role)
STAFF = EVERYONE - {Role.BORROWER}
READS_LOANS = STAFF - {Role.ENGINEER, Role.TELLER}
"""A teller meets loans at the counter alone (counter-take): what is owed today by who stands there."""
BOOKS_MONEY = frozenset({Role.PAYMENTS, Role.FINANCE})
READS_RECEIPTS = BOOKS_MONEY | {Role.COMPLIANCE, Role.AUDITOR, Role.BRANCH_HEAD, Role.CUSTOMER_MANAGER, Role.COMPLAINTS}
WATCHES_PAYERS = BOOKS_MONEY | {Role.COMPLIANCE, Role.AUDITOR}
READS_MONEY_IN = BOOKS_MONEY | {Role.AUDITOR}
LENDS = frozenset({Role.UNDERWRITER, Role.BRANCH_HEAD})
MEETS_PEOPLE = frozenset(
    {Role.COUNSELLOR, Role.CUSTOMER_MANAGER, Role.COLLECTOR, Role.TEAM_LEAD, Role.COMPLAINTS, Role.BRANCH_HEAD}
)
REVEALS = MEETS_PEOPLE - {Role.BRANCH_HEAD} | {Role.LEGAL}
LIFTS_HOLDS = frozenset({Role.COUNSELLOR, Role.COMPLAINTS, Role.COMPLIANCE, Role.TEAM_LEAD, Role.LEGAL})
ISSUES_DOCUMENTS = MEETS_PEOPLE | LENDS | {Role.LEGAL, Role.PAYMENTS}
OPENS_DOCUMENTS = ISSUES_DOCUMENTS | {Role.COMPLIANCE, Role.AUDITOR}
CANCELS_DOCUMENTS = LENDS | {Role.LEGAL, Role.CUSTOMER_MANAGER, Role.COMPLAINTS}
RECORDS_PAPER = LENDS | {Role.LEGAL, Role.CUSTOMER_MANAGER, Role.COUNSELLOR}
"""Who asks a borrower to sign, and brings in what was signed on paper."""
SEES_MESSAGES = MEETS_PEOPLE | {Role.LEGAL, Role.BUREAU, Role.COMPLIANCE, Role.AUDITOR}
WORDS = frozenset({Role.COMPLIANCE, Role.LEGAL, Role.TEAM_LEAD, Role.BRANCH_HEAD, Role.COMPLAINTS})
POSTS_LETTERS = frozenset({Role.LEGAL, Role.BUREAU, Role.TEAM_LEAD, Role.BRANCH_HEAD})
CALLS = frozenset({Role.COLLECTOR, Role.TEAM_LEAD, Role.COUNSELLOR, Role.CUSTOMER_MANAGER, Role.BRANCH_HEAD})
READS_CONTACTS = frozenset({Role.COMPLIANCE, Role.AUDITOR, Role.COMPLAINTS, Role.LEGAL, Role.TEAM_LEAD})
READS_TAPES = frozenset({Role.RISK, Role.FINANCE, Role.COMPLIANCE, Role.AUDITOR, Role.ENGINEER, Role.BRANCH_HEAD})

READS_LOG = frozenset({Role.COMPLIANCE, Role.AUDITOR, Role.ENGINEER})
READS_EXPERIMENTS = frozenset({Role.RISK, Role.COMPLIANCE, Role.AUDITOR, Role.TEAM_LEAD, Role.BRANCH_HEAD, Role.ENGINEER})

READS_DEBITS = BOOKS_MONEY | {Role.AUDITOR, Role.COMPLIANCE, Role.BRANCH_HEAD}

READS_COUNTER = BOOKS_MONEY | {Role.TELLER, Role.BRANCH_HEAD, Role.COMPLIANCE, Role.AUDITOR}
"""Who sees tills and slips; only a teller takes money, so that who places money in the book never holds it."""
READS_CASH = READS_COUNTER - {Role.TELLER}

READS_BREAKS = BOOKS_MONEY | {Role.RISK, Role.COMPLIANCE, Role.AUDITOR, Role.ENGINEER, Role.BRANCH_HEAD}
"""Who sees where a core and replay differ."""
READS_BOOKS = frozenset({Role.FINANCE, Role.AUDITOR, Role.RISK})

_MONEY_IN = ("payment", "prepayment", "repay_part", "payoff", "debit", "chargeback", "credit_refund")
_MONEY_KINDS = ("merchant_refund", "payout_refund", "down_payment", "charge_credit")
_CORRECTS = ("reversal", "adjustment")
_AGREES = ("defer", "extension", "reamortise", "restructure", "pause", "waiver", "settlement", "rate_change", "new_rows")
_EASES = ("goodwill", "charge_waiver", "re_age", "spread_arrears", "reschedule")
_LAW = ("acceleration", "judgment", "insolvency", "guarantor_payment", "pay_guarantor")
EVENT_ROLES: dict[str, frozenset[Role]] = {
    **dict.fromkeys(_MONEY_IN + _MONEY_KINDS, frozenset({Role.PAYMENTS, Role.FINANCE})),
    **dict.fromkeys(_CORRECTS, frozenset({Role.PAYMENTS, Role.FINANCE})),
    **dict.fromkeys(_AGREES + _EASES, frozenset({Role.BRANCH_HEAD})),
    **dict.fromkeys(_LAW, frozenset({Role.LEGAL, Role.BRANCH_HEAD})),
    "charge": frozenset({Role.FINANCE, Role.LEGAL}),
    "disbursement": frozenset({Role.PAYMENTS, Role.BRANCH_HEAD}),
    "write_off": frozenset({Role.FINANCE}),
}
"""Who may append which kind of journal event by hand: money in by those who handle money, promises of the lender by those who
answer for them, steps at law by legal. A kind that is not listed is nobody's."""
WRITES_EVENTS = frozenset[Role]().union(*EVENT_ROLES.values())

PUBLIC = frozenset({
    "sign-in", "sign-out", "set-language", "set-look", "api-docs", "verify", "hook", "push-shown", "unsubscribe",
    "bank-hook",
})  # fmt: skip
"""Routes that need no sign-in; those of gateways and browsers check a token or a signature of their own."""
_ROWS = ("promises", "disputes", "complaints", "help-requests", "notices", "consents")

PERMISSIONS: dict[str, frozenset[Role]] = {
    "home": EVERYONE,
    "settings": EVERYONE,
    "book": READS_LOANS,
    "book-csv": READS_LOANS,
    "book-loans": READS_LOANS,
    "book-trend": READS_LOANS,
    "day": READS_TAPES,
    "loan-list": READS_LOANS,
    "loan": READS_LOANS,
    "loan-what-if": READS_LOANS,
    "loan-payment": READS_LOANS,
    "person": READS_LOANS,
    **dict.fromkeys(("debits", "debit-batch", "debit", "api:debit-batches-list", "api:debit-batch-get"), READS_DEBITS),
    **dict.fromkeys(("api:debits-list", "api:debit-get", "api:mandates-list"), READS_DEBITS),
    **dict.fromkeys(("debits-home", "api:debits-plan", "api:debit-inquire"), frozenset({Role.PAYMENTS})),
    **dict.fromkeys(("api:mandates-give", "api:mandate-withdraw"), MEETS_PEOPLE),
    "my-debits": frozenset({Role.BORROWER}),
    "my-schedule": frozenset({Role.BORROWER}),
    "my-receipts": frozenset({Role.BORROWER}),
    "my-receipt": frozenset({Role.BORROWER}),
    "my-help": frozenset({Role.BORROWER}),
    "my-documents": frozenset({Role.BORROWER}),
    "my-document": frozenset({Role.BORROWER}),
    "loan-document-issue": ISSUES_DOCUMENTS,
    "document": OPENS_DOCUMENTS,
    "document-cancel": CANCELS_DOCUMENTS,
    "document-sign": frozenset({Role.LEGAL, Role.BRANCH_HEAD}),
    "my-sign": frozenset({Role.BORROWER}),
    "my-sign-file": frozenset({Role.BORROWER}),
    "document-ask-signature": RECORDS_PAPER,
    "document-paper": RECORDS_PAPER,
    "signature-list": OPENS_DOCUMENTS,
    "signature": OPENS_DOCUMENTS,
    "signature-scan": RECORDS_PAPER | {Role.COMPLIANCE, Role.AUDITOR},
    "my-push": frozenset({Role.BORROWER}),
    "my-messages": frozenset({Role.BORROWER}),
    "my-message": frozenset({Role.BORROWER}),
    "message-list": SEES_MESSAGES | {Role.ENGINEER},
    "message": SEES_MESSAGES | {Role.ENGINEER},
    "message-body": SEES_MESSAGES,
    "message-cancel": MEETS_PEOPLE | {Role.LEGAL, Role.COMPLIANCE},
    "message-resend": MEETS_PEOPLE | {Role.LEGAL},
    "answer-list": SEES_MESSAGES,
    "answer-done": MEETS_PEOPLE,
    "message-templates": STAFF,
    "message-template": STAFF,
    "message-template-edit": WORDS,
    "message-template-flag": frozenset({Role.LEGAL}),
    "letter-batches": POSTS_LETTERS | {Role.COMPLIANCE, Role.AUDITOR},
    "letter-batch": POSTS_LETTERS,
    "letter-addresses": POSTS_LETTERS,
    "letter-files": POSTS_LETTERS,
    "call-lists": CALLS | {Role.COMPLIANCE, Role.AUDITOR, Role.ENGINEER},
    "call-list": CALLS,
    "call-import": frozenset({Role.TEAM_LEAD, Role.ENGINEER, Role.COMPLIANCE}),
    "home-messages": frozenset({Role.TEAM_LEAD, Role.ENGINEER}),
    "home-blocked": frozenset({Role.COMPLIANCE}),
    "home-reviews": frozenset({Role.COMPLIANCE, Role.LEGAL}),
    "home-replies": frozenset({Role.TEAM_LEAD, Role.COLLECTOR, Role.COUNSELLOR, Role.CUSTOMER_MANAGER}),
    "home-letters": frozenset({Role.LEGAL}),
    **dict.fromkeys(("action-log", "action-log-entry"), READS_LOG),
    **dict.fromkeys(("api:action-log-list", "api:action-log-get"), READS_LOG),
    "action-log-export": frozenset({Role.COMPLIANCE, Role.AUDITOR}),
    **dict.fromkeys(("work", "work-start", "work-item"), STAFF),
    **{f"api:work-{act}": STAFF for act in ("list", "next", "get", "claim", "release", "snooze", "give", "done")},
    **dict.fromkeys(("experiments", "experiment", "api:experiments-list", "api:experiment-get"), READS_EXPERIMENTS),
    "api:experiment-start": frozenset({Role.RISK}),
    "api:experiment-stop": frozenset({Role.RISK}),
    "api:experiment-stop-now": frozenset({Role.COMPLIANCE}),
    **dict.fromkeys(("products", "product"), STAFF),
    "product-new": frozenset({Role.RISK}),
    "rates": READS_LOANS,
    "approvals": STAFF,
    "approval": STAFF,
    "authority": STAFF,
    **{
        f"api:{act}": STAFF for act in ("approvals-list", "approval-get", "approval-decide", "approval-withdraw", "authority-get")
    },
    "api:authority-ask": frozenset({Role.RISK}),
    **dict.fromkeys(("my-contact", "my-mini-program"), frozenset({Role.BORROWER})),
    **dict.fromkeys(("contact-log", "contact-proof", "api:contacts-list", "api:verdicts-list"), READS_CONTACTS),
    **dict.fromkeys(("contact-export", "contact-proof-file", "api:verdicts-export"), frozenset({Role.COMPLIANCE, Role.AUDITOR})),
    **dict.fromkeys(("verdict", "api:verdict-get"), READS_CONTACTS | MEETS_PEOPLE),
    **dict.fromkeys(("holds", "api:contact-now", "api:contact-preferences-get"), READS_LOANS),
    **dict.fromkeys(("contact-call", "api:verdicts-ask", "api:contacts-add"), MEETS_PEOPLE | {Role.LEGAL}),
    "api:contact-outcome": MEETS_PEOPLE | {Role.LEGAL},
    **dict.fromkeys(
        (
            "api:contact-preferences-set",
            "contact-addresses",
            "api:addresses-list",
            "api:address-set",
            "api:address-verify",
            "api:address-end",
        ),
        MEETS_PEOPLE,
    ),
    "contact-clock": frozenset({Role.LEGAL}),
    "api:loans-list": READS_LOANS,
    "api:loan-get": READS_LOANS,
    "api:loan-schedule": READS_LOANS,
    "api:loan-events": READS_LOANS,
    "api:loan-event-create": WRITES_EVENTS,
    "api:loan-what-if": READS_LOANS,
    "api:receipts-create": BOOKS_MONEY,
    "api:receipt-reverse": BOOKS_MONEY,
    **dict.fromkeys(("receipts", "receipt"), READS_RECEIPTS),
    **dict.fromkeys(("receipt-reverse", "receipt-move", "receipt-refund"), BOOKS_MONEY),
    "receipt-release": BOOKS_MONEY | {Role.COMPLIANCE},
    "refund-state": BOOKS_MONEY,
    "payer-alert-close": frozenset({Role.COMPLIANCE}),
    "home-receipts": BOOKS_MONEY | {Role.AUDITOR},
    "home-payers": WATCHES_PAYERS,
    **dict.fromkeys(("payments-desk", "api:payments-desk"), WATCHES_PAYERS),
    **dict.fromkeys(("late-files", "api:late-files-list"), READS_MONEY_IN),
    "api:receipt-trail": READS_LOANS,
    **dict.fromkeys(("api:receipt-move", "api:receipt-refund", "api:receipts-redivide", "api:refund-state"), BOOKS_MONEY),
    "api:receipt-release": BOOKS_MONEY | {Role.COMPLIANCE},
    "api:refunds-list": WATCHES_PAYERS | {Role.BRANCH_HEAD},
    "api:payer-alerts-list": WATCHES_PAYERS,
    "api:payer-alert-close": frozenset({Role.COMPLIANCE}),
    "api:payments-create": BOOKS_MONEY,
    "api:payments-batch": BOOKS_MONEY,
    "api:products-list": STAFF,
    "api:loan-documents-list": READS_LOANS,
    "api:loan-documents-issue": ISSUES_DOCUMENTS,
    "api:document-file": OPENS_DOCUMENTS,
    "api:document-cancel": CANCELS_DOCUMENTS,
    "api:document-sign": frozenset({Role.LEGAL, Role.BRANCH_HEAD}),
    "api:document-signatures": OPENS_DOCUMENTS,
    "api:document-ask-signature": RECORDS_PAPER,
    "api:document-paper": RECORDS_PAPER,
    "api:documents-verify": EVERYONE,
    "api:loan-trace": READS_LOANS,
    "api:loan-payoff": READS_LOANS,
    "api:receipts-list": READS_LOANS,
    "api:receipt-get": READS_LOANS,
    "api:product-versions": STAFF,
    "api:products-load": frozenset({Role.RISK}),
    **{f"api:{unit}-list": STAFF for unit in ("entities", "branches", "teams", "staff")},
    **{
        f"api:{unit}-{act}": frozenset({Role.ENGINEER})
        for unit in ("entities", "branches", "teams", "staff")
        for act in ("create", "end")
    },
    "api:parties-create": LENDS | {Role.CUSTOMER_MANAGER},
    "api:parties-search": READS_LOANS,
    "api:party-get": READS_LOANS,
    "api:party-reveal": REVEALS,
    "api:contracts-preview": LENDS | {Role.CUSTOMER_MANAGER},
    "api:contracts-open": LENDS,
    "api:loan-parties": READS_LOANS,
    "api:loan-parties-add": LENDS | {Role.LEGAL},
    "api:loan-collateral": READS_LOANS,
    "api:loan-collateral-add": LENDS | {Role.LEGAL},
    "api:facilities-list": READS_LOANS,
    "api:facility-get": READS_LOANS,
    "api:facilities-open": LENDS,
    "api:facility-limit": frozenset({Role.BRANCH_HEAD, Role.RISK}),
    "api:facility-freeze": frozenset({Role.BRANCH_HEAD, Role.RISK}),
    **{f"api:{kind}-list": READS_LOANS for kind in ("holds", *_ROWS)},
    **{f"api:{kind}-{act}": MEETS_PEOPLE for kind in _ROWS for act in ("add", "close")},
    "api:holds-add": MEETS_PEOPLE | LIFTS_HOLDS,
    "api:holds-review": LIFTS_HOLDS,
    "api:notices-add": MEETS_PEOPLE | {Role.LEGAL, Role.COMPLIANCE},
    "api:notices-close": LIFTS_HOLDS,
    "api:help-requests-close": LIFTS_HOLDS,
    "api:complaints-close": frozenset({Role.COMPLAINTS}),
    "api:disputes-close": frozenset({Role.COMPLAINTS, Role.LEGAL, Role.TEAM_LEAD}),
    **{f"api:tape-{what}": READS_TAPES for what in ("days", "columns", "loans", "transitions", "people", "facilities")},
    "api:messages-list": SEES_MESSAGES | {Role.ENGINEER},
    "api:message-get": SEES_MESSAGES | {Role.ENGINEER},
    "api:messages-queue": MEETS_PEOPLE | {Role.LEGAL},
    "api:message-cancel": MEETS_PEOPLE | {Role.LEGAL, Role.COMPLIANCE},
    "api:message-resend": MEETS_PEOPLE | {Role.LEGAL},
    "api:loan-demands": READS_LOANS,
    "api:message-templates-list": STAFF,
    "api:message-template-versions": STAFF,
    "api:inbound-messages-list": SEES_MESSAGES,
    "api:call-records-list": CALLS | {Role.COMPLIANCE, Role.AUDITOR},
    "api:call-records-add": frozenset({Role.TEAM_LEAD, Role.ENGINEER, Role.COMPLIANCE}),
    "books": READS_BOOKS,
    "books-home": frozenset({Role.FINANCE, Role.AUDITOR}),
    **{f"books-{p}": READS_BOOKS for p in ("trial-balance", "account", "entry", "income", "non-accrual", "periods", "loan")},
    "books-export": frozenset({Role.FINANCE, Role.AUDITOR}),
    "books-period-close": frozenset({Role.FINANCE}),
    **{f"api:books-{what}": READS_BOOKS for what in ("trial-balance", "entries", "loan")},
    "api:books-export": frozenset({Role.FINANCE, Role.AUDITOR}),
    **dict.fromkeys(("suspense", "suspense-one", "statements", "statement"), READS_MONEY_IN),
    **dict.fromkeys(("bank-accounts", "bank-account", "bank-lines", "bank-line"), READS_MONEY_IN),
    **dict.fromkeys(
        ("suspense-place", "statement-upload", "statement-settle", "statement-rejects", "bank-line-act"), BOOKS_MONEY
    ),
    **{f"api:{what}": READS_MONEY_IN for what in ("suspense-list", "statements-list", "statement-get", "bank-lines-list")},
    **{f"api:{what}": READS_MONEY_IN for what in ("bank-accounts-list", "bank-account-days")},
    **{f"api:{act}": BOOKS_MONEY for act in ("suspense-place", "statements-import", "bank-line-become", "bank-line-doubt")},
    **dict.fromkeys(("counter", "counter-take"), frozenset({Role.TELLER})),
    **dict.fromkeys(("tills", "till", "counter-slip"), READS_COUNTER),
    "counter-print": frozenset({Role.TELLER, Role.BRANCH_HEAD}),
    "large-cash": READS_CASH,
    **{f"api:counter-{what}": READS_COUNTER for what in ("tills-list", "till-get", "slips-list", "slip-get")},
    **{
        f"api:counter-{act}": frozenset({Role.TELLER})
        for act in ("till-open", "payment", "slip-cancel", "slip-give-back", "slip-ask")
    },
    **dict.fromkeys(("api:counter-till-count", "api:counter-till-close"), frozenset({Role.TELLER, Role.BRANCH_HEAD})),
    "api:counter-large-cash": READS_CASH,
    "home-tills": frozenset({Role.TELLER, Role.BRANCH_HEAD, Role.PAYMENTS}),
    "home-cash": frozenset({Role.COMPLIANCE}),
    "my-counter": frozenset({Role.BORROWER}),
    "reveal-payer": frozenset({Role.COMPLIANCE}),
    **dict.fromkeys(("breaks", "core-files", "instructions", "api:breaks-list", "api:core-files-list"), READS_BREAKS),
    "api:instructions-list": READS_BREAKS,
    **dict.fromkeys(("break-work", "api:break-accept", "api:break-mend", "home-beside"), BOOKS_MONEY),
    **dict.fromkeys(("loan-instructions",), READS_LOANS),
    "my-instructions": frozenset({Role.BORROWER}),
    "reveal-personal": REVEALS,
}


def can(user: User | AnonymousUser, permission: str) -> bool:
    """Whether the user's role has the permission; an unlisted permission is nobody's."""
    return bool(user.is_authenticated) and getattr(user, "role", None) in PERMISSIONS.get(permission, frozenset())


def remember(user: User) -> User:
    """Let what is asked of this person (their post) be read once; call it where a request begins, for its own user object."""
    user.memo = {}
    return user


def require(permission: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """A view that only the permission's roles may open; others get the sign-in page or 403."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not can(request.user, permission):
                raise PermissionDenied(permission)
            remember(request.user)
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate
