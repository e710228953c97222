"""The borrower's inbox: the list, and one message. Opening it is its receipt."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from tideover.contact.outbox.receipts import message_opened
from tideover.contact.selectors_messages import inbox_of
from tideover.contact.views_outbox import number_of, user_of
from tideover.core.access import require
from tideover.core.business_time import now

PAGE = 20


@require("my-messages")
def my_messages(request: HttpRequest) -> HttpResponse:
    """What we wrote, the newest first."""
    rows = inbox_of(user_of(request))
    after = number_of(request.GET.get("page", ""))
    found = list(rows[after * PAGE : after * PAGE + PAGE + 1])
    context = {"rows": found[:PAGE], "next": after + 1 if len(found) > PAGE else None}
    return render(request, "contact/my_messages.html", context)


@require("my-message")
def my_message(request: HttpRequest, reference: str) -> HttpResponse:
    """One message. That it was opened counts as its delivery."""
    m = inbox_of(user_of(request)).filter(reference=reference).first()
    if m is None:
        raise Http404(reference)
    if m.read_at is None:
        m = message_opened(m, at=now())
    return render(request, "contact/my_message.html", {"m": m, "loans": list(m.contracts.all())})
