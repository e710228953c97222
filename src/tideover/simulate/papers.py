"""Documents of the demo: what the demo's borrower was handed and may sign, and payoff letters of loans that are paid off."""

from __future__ import annotations

import sys
from datetime import date

from tideover.core.business_time import now
from tideover.core.documents.consent import signing_ask
from tideover.core.models import User
from tideover.core.problems import Refused
from tideover.lending.documents import loan_document_issue
from tideover.lending.models import Contract

SETTLED = 3


def papers(as_of: date) -> int:
    """Hand them out; how many. Without the font of documents there are none, which is said and does not stop the demo."""
    loans = Contract.objects.select_related("product", "entity", "branch", "borrower").order_by("pk")
    party = getattr(User.objects.get(username="borrower"), "party", None)
    mine = loans.filter(borrower=party).first()
    settled = list(loans.filter(standing__bucket="closed")[:SETTLED])
    asked = [(c, "payoff_letter", language) for c in settled for language in ("zh-hans", "en")]
    if mine is not None:
        asked += [(mine, "contract", "zh-hans"), (mine, "balance_statement", "zh-hans"), (mine, "repayment_record", "en")]
    try:
        for contract, kind, language in asked:
            made = loan_document_issue(contract, kind, language=language, as_of=as_of, actor="legal")
            if kind == "contract":
                signing_ask(made, signer=contract.borrower.reference, at=now(), actor="legal")
    except Refused as error:
        print(f"no documents in this demo: {error}", file=sys.stderr)
        return 0
    return len(asked)
