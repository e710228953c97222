"""One page of every kind that staff can open, for the role that works with it: the browser's checks walk this list.

A step is a route's name and how to come there: an address, or the page before and the link to follow from it.
"""

from __future__ import annotations

from typing import Any

Step = tuple[str, str, str]
"""The route's name, the address to open first (LOAN and PERSON stand for a late loan and its borrower), links to follow."""

KINDS: dict[str, tuple[Step, ...]] = {
    "compliance": (
        ("large-cash", "/large-cash", ""),
        ("contact-log", "/contact-log", ""),
        ("contact-log", "/contact-log?show=contacts", ""),
        ("contact-log", "/contact-log?person=NOBODY", ""),
        ("contact-proof", "/contact-log/proof?person=PERSON&from=2026-10-01&to=2026-11-30", ""),
        ("contact-proof", "/contact-log/proof?person=NOBODY", ""),
        ("verdict", "/contact-log?allowed=no", "main a[href*='/contact-log/decisions/']"),
        ("holds", "/holds", ""),
        ("message-list", "/outbox", ""),
        ("message", "/outbox", "main a[href^='/outbox/']"),
        ("answer-list", "/answers", ""),
        ("action-log", "/action-log", ""),
        ("action-log-entry", "/action-log", "td.num a[href^='/action-log/']"),
        ("day", "/day", ""),
        ("experiments", "/experiments", ""),
        ("experiment", "/experiments", "main a[href^='/experiments/']"),
    ),
    "legal": (
        ("message-templates", "/templates", ""),
        ("message-template", "/templates/demand.letter", ""),
        ("message-template-edit", "/templates/demand.letter/edit", ""),
        ("letter-batches", "/letters", ""),
        ("letter-batch", "/letters", "main a[href^='/letters/']"),
        ("signature-list", "/signatures", ""),
        ("contact-clock", "LOAN/clock", ""),
        ("loan", "LOAN", ""),
        ("payoff-quotes", "LOAN/payoff-quotes", ""),
    ),
    "teller": (
        ("counter", "/counter", ""),
        ("counter-take", "/counter", "main a[href^='/counter/slips/'] main a[href^='/counter/take/']"),
        ("counter-slip", "/counter", "main a[href^='/counter/slips/']"),
        ("tills", "/tills", ""),
        ("till", "/tills", "main a[href^='/tills/']"),
    ),
    "payments": (
        ("receipts", "/receipts", ""),
        ("receipts", "/receipts?show=stopped", ""),
        ("receipt", "/receipts", "main a[href^='/receipts/']"),
        ("receipt", "/receipts?show=third_party", "main a[href^='/receipts/']"),
        ("suspense", "/suspense", ""),
        ("suspense-one", "/suspense", "main a[href^='/suspense/']"),
        ("statements", "/statements", ""),
        ("statement", "/statements", "main table a[href^='/statements/']"),
        ("statement-upload", "/statements/upload", ""),
        ("bank-lines", "/statements/lines", ""),
        ("bank-line", "/statements/lines", "main table a[href^='/statements/lines/']"),
        ("bank-accounts", "/statements/accounts", ""),
        ("bank-account", "/statements/accounts", "main table a[href^='/statements/accounts/']"),
        ("debits", "/debits", ""),
        ("debit-batch", "/debits", "main a[href^='/debits/batches/']"),
        ("debit", "/debits", "main a[href^='/debits/batches/'] main table a[href^='/debits/D']"),
        ("breaks", "/breaks", ""),
        ("core-files", "/core-files", ""),
        ("instructions", "/instructions", ""),
        ("late-files", "/late-files", ""),
    ),
    "finance": (
        ("home", "/", ""),
        ("books", "/books", ""),
        ("books-trial-balance", "/books/trial-balance", ""),
        ("books-account", "/books/trial-balance", "main a[href*='/books/accounts/']"),
        ("books-entry", "/books/trial-balance", "main a[href*='/books/accounts/'] main a[href*='/books/entries/']"),
        ("books-income", "/books/income", ""),
        ("books-non-accrual", "/books/non-accrual", ""),
        ("books-periods", "/books/periods", ""),
        ("approvals", "/approvals", ""),
        ("approval", "/approvals", "main a[href^='/approvals/']"),
    ),
    "team_lead": (
        ("work", "/queue", ""),
        ("work-item", "/queue", "main a[data-row]"),
        ("call-lists", "/calls", ""),
        ("call-list", "/calls", "main a[href^='/calls/']"),
        ("person", "PERSON", ""),
        ("contact-call", "PERSON/call", ""),
        ("contact-addresses", "PERSON/addresses", ""),
    ),
    "risk_desk": (
        ("products", "/products", ""),
        ("product", "/products", "table.q a[href^='/products/']"),
        ("product-new", "/products/new", ""),
        ("rates", "/rates", ""),
        ("authority", "/authority", ""),
        ("book-trend", "/book/trend", ""),
        ("settings", "/settings", ""),
        ("verify", "/verify", ""),
    ),
}
USERS = {"risk_desk": "risk"}
"""Whom to sign in as, where the name of the list is not a user."""

ELSEWHERE = frozenset({
    # walked by pages_of itself
    "sign-in", "book", "book-loans", "loan-list", "loan-what-if", "loan-payment",
    # files, acts and answers to machines: no page
    "sign-out", "set-language", "set-look", "book-csv", "work-start", "action-log-export", "contact-export", "books-export",
    "loan-document-issue", "document", "document-cancel", "document-sign", "letter-addresses", "letter-files", "hook",
    "push-shown", "contact-proof-file", "receipt-reverse", "receipt-move", "receipt-refund", "receipt-release", "refund-state",
    "payer-alert-close", "counter-print", "break-work",
    "bank-hook", "statement-rejects",
    # the borrower's
    "my-receipt", "my-schedule", "my-receipts", "my-documents", "my-document", "my-help", "my-push", "my-contact", "my-messages",
    "my-message", "my-debits", "my-payoff", "my-held", "payoff-quote-make", "payoff-quote-withdraw",
    "unsubscribe", "my-sign", "my-sign-file", "my-mini-program",
    # like one that is walked, or with a reference that the demo's book does not hold
    "signature", "signature-scan", "document-ask-signature", "document-paper",
    # the reference of the interface: its own page kind, checked in tests/web/test_api_docs.py
    "api-docs",
})  # fmt: skip
"""Routes that the list need not hold, and why."""


def addresses(page: Any, role: str) -> list[str]:
    """The addresses of a role's list, with the links followed and the loan and the person filled in."""
    loan = person = ""
    if any("LOAN" in start or "PERSON" in start for _name, start, _links in KINDS[role]):
        page.goto("/loans?show=late")
        loan = str(page.locator("table.q tbody a").first.inner_text())
        person = str(page.locator("table.q tbody a[href^='/people/']").first.get_attribute("href"))
    out = []
    for _name, start, links in KINDS[role]:
        query = person.rpartition("/")[2]
        address = start.replace("person=PERSON", f"person={query}").replace("LOAN", f"/loans/{loan}").replace("PERSON", person)
        for link in links.replace(" main ", "\n main ").split("\n") if links else ():
            page.goto(address)
            address = str(page.locator(link.strip()).first.get_attribute("href", timeout=5000))
        out.append(address)
    return out
