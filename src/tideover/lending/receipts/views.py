"""Pages of receipts: the list, where the money of one went with what can be done about it, and the borrower's own view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.models import Approval, ApprovalState, User
from tideover.core.problems import NotFound, Refused
from tideover.core.rest import decimal
from tideover.lending.forms import amount_read
from tideover.lending.models import Receipt
from tideover.lending.receipts.approvals import receipt_reverse_ask
from tideover.lending.receipts.core_parts import asked_back
from tideover.lending.receipts.correct import receipt_move_ask
from tideover.lending.receipts.panels import STEP_WORDS_MINE, PartShown, parts_shown, state_of, undo_what_if, what_next
from tideover.lending.receipts.payer import alert_close
from tideover.lending.receipts.proposals import waiting_proposal
from tideover.lending.receipts.refunds import NEXT, masked_account, refund_ask, refund_move, refundable
from tideover.lending.receipts.screening import release_ask
from tideover.lending.receipts.selectors import FILTERS, receipt_get, receipts_filtered, receipts_visible
from tideover.lending.scope import parties_reachable
from tideover.lending.selectors import contracts_visible
from tideover.lending.views import user_of

PAGE_SIZE = 50
BLANK_LINES = 2


@require("receipts")
def receipt_list(request: HttpRequest) -> HttpResponse:
    """Receipts in the reader's scope, the newest first; money of nobody yet before them."""
    user, today = user_of(request), business_date()
    show, party, after = (request.GET.get(k, "") for k in ("show", "party", "after"))
    show = show if show in FILTERS else ""
    visible = receipts_visible(user, today)
    rows = receipts_filtered(visible, show=show, party=party).select_related("party", "meant_for")
    rows = rows if show or party else rows.exclude(FILTERS["unplaced"])
    start = int(after) if after.isdigit() else 0
    page = list(rows.order_by("-received_on", "-pk")[start : start + PAGE_SIZE + 1])
    first = (
        []
        if show or party or start
        else list(visible.filter(FILTERS["unplaced"]).select_related("meant_for").order_by("received_on", "pk")[:PAGE_SIZE])
    )
    log(user.username, "receipt.list", "party", party, {"show": show, "found": len(page[:PAGE_SIZE])})
    context = {
        "rows": [_row(r) for r in page[:PAGE_SIZE]], "first": [_row(r) for r in first], "show": show, "party": party,
        "filters": list(FILTERS), "after": start + PAGE_SIZE if len(page) > PAGE_SIZE else None,
        "proposals": _proposals(user, party), "places": can(user, "suspense"),
    }  # fmt: skip
    return render(request, "lending/receipts/list.html", context)


def _proposals(user: User, party: str) -> list[Approval]:
    """The open proposal to divide a person's receipts anew, where there is one that still fits."""
    person = parties_reachable(user, business_date()).filter(reference=party).first() if party else None
    found = waiting_proposal(person) if person is not None else None
    return [found] if found is not None else []


def _row(r: Receipt) -> dict[str, Any]:
    return {"r": r, "state": state_of(r), "payer": masked(str(r.payer_name)), "payer_is": _payer_word(r)}


def _payer_word(r: Receipt) -> str:
    """The code of who the payer is; nothing of a payer whose person nobody knows yet."""
    if r.payer_is != "unknown" or not r.payer_name:
        return f"payer_{r.payer_is}"
    return "payer_hidden" if r.party_id else ""


def masked(name: str) -> str:
    """A payer's name as lists show it: its first character."""
    return f"{name[:1]}{'*' * min(3, len(name) - 1)}" if name else ""


@require("receipt")
def receipt(request: HttpRequest, number: str) -> HttpResponse:
    """Where the money of one receipt went; every read is logged."""
    row = _receipt_or_404(user_of(request), number)
    log(user_of(request).username, "receipt.read", "receipt", number)
    return _page(request, row)


def _receipt_or_404(user: User, number: str) -> Receipt:
    try:
        return receipt_get(user, number, business_date())
    except NotFound as error:
        raise Http404(number) from error


def _page(request: HttpRequest, row: Receipt, errors: dict[str, str] | None = None) -> HttpResponse:
    user = user_of(request)
    waiting = Approval.objects.filter(subject_type="receipt", subject_id=row.number, state=ApprovalState.OPEN)
    live = row.reversed_at is None
    theirs = contracts_visible(user, business_date()).filter(borrower=row.party, entity=row.entity) if row.party else []
    may_book = can(user, "receipt-move")
    open_hit = live and row.screening == "hit"
    parts = parts_shown(user, row)
    nobodys = live and row.party_id is None and not open_hit and row.screening != "kept"
    context = {
        **_row(row), "receipt": row, "account": masked_account(str(row.payer_account)), "parts": parts,
        "undone": undo_what_if(user, row) if can(user, "receipt-reverse") else [],
        "alerts": row.alerts.order_by("pk"), "refunds": [(f, NEXT[f.state]) for f in row.refunds.order_by("pk")],
        "waiting": waiting.order_by("pk"), "asked_back": asked_back(row) if live else [], "loans": theirs,
        "may_reverse": live and can(user, "receipt-reverse") and not (row.refunding_minor or row.refunded_minor),
        "may_move": live and may_book and row.party_id and not row.debit_id and row.screening not in ("hit", "kept"),
        "next": what_next(row), "places": nobodys and can(user, "suspense-one"),
        "stays": live and can(user, "receipt-reverse") and bool(row.refunding_minor or row.refunded_minor),
        "may_refund": live and can(user, "receipt-refund") and bool(row.payer_account),
        "could_go_back": sum(a for _c, a in refundable(row)) if can(user, "receipt-refund") else 0,
        "may_release": open_hit and can(user, "receipt-release"), "may_close_alert": can(user, "payer-alert-close"),
        "may_state": can(user, "refund-state"), "lines": _move_lines(request, parts),
        "errors": errors or {}, "problems": [(f"f-{k}", v) for k, v in (errors or {}).items()], "given": request.POST.dict(),
        "done": request.GET.get("done") == "1",
    }  # fmt: skip
    return render(request, "lending/receipts/receipt.html", context, status=422 if errors else 200)


def _move_lines(request: HttpRequest, parts: list[PartShown]) -> list[tuple[str, str]]:
    """(loan, amount) as they were typed, else as they are now where the reader sees all of it; and some blank."""
    typed = zip(request.POST.getlist("loan"), request.POST.getlist("amount"), strict=False)
    lines = [line for line in typed if any(line)]
    live = [p for p in parts if not p.ended]
    if not lines and all(p.contract for p in live):
        have: dict[str, int] = defaultdict(int)
        for p in live:
            have[p.contract.number] += p.part.amount_minor  # type: ignore[union-attr]
        lines = [(number, decimal(amount)) for number, amount in sorted(have.items())]
    return [*lines, *[("", "")] * BLANK_LINES]


def _act(request: HttpRequest, number: str, act: Callable[[Receipt, User, str], Any]) -> HttpResponse:
    """Do one act of the page: back to the page, to the approval that now waits, or the page again with what is wrong."""
    user = user_of(request)
    row = _receipt_or_404(user, number)
    if request.method != "POST":
        return HttpResponseRedirect(reverse("receipt", args=[number]))
    try:
        done = act(row, user, request.POST.get("reason", ""))
    except Refused as refused:
        return _page(request, row, {p.field or "act": said(p.code, p.message) for p in refused.problems})
    except ValueError:
        return _page(request, row, {"amount": _("Enter an amount, for example 1200.00")})
    if isinstance(done, Approval):
        return HttpResponseRedirect(reverse("approval", args=[done.reference]))
    return HttpResponseRedirect(f"{reverse('receipt', args=[number])}?done=1")


def said(code: str, message: str) -> str:
    """What was refused, in the page's language; the plain message where there are no words for it."""
    words = {
        "missing": _("Say why."),
        "more_than_there_is": _("There is not that much money to move."),
        "several_people": _("The loans belong to different people. One receipt is one person's."),
        "no_such_loan": _("There is no such loan."),
        "no_source_account": _("The receipt does not say from which account the money came."),
        "already_asked": _("The same is waiting for a decision already."),
        "refunded": _("Part of it went back to its payer already."),
        "amount_not_positive": _("Enter an amount, for example 1200.00"),
        "bad_parts": _("Name each loan once, each with an amount."),
        "before_disbursement": _("That loan was not paid out yet when the money came."),
    }
    return words.get(code, message)


@require("receipt-reverse")
def receipt_reverse_page(request: HttpRequest, number: str) -> HttpResponse:
    """Take the whole receipt back."""

    def act(row: Receipt, user: User, reason: str) -> Any:
        return receipt_reverse_ask(row, idempotency_key=f"page:{row.number}", reason=reason, actor=user)

    return _act(request, number, act)


@require("receipt-move")
def receipt_move_page(request: HttpRequest, number: str) -> HttpResponse:
    """Put the money on other loans."""
    typed = zip(request.POST.getlist("loan"), request.POST.getlist("amount"), strict=False)
    lines = [(n.strip(), a.strip()) for n, a in typed if n.strip() or a.strip()]

    def act(row: Receipt, user: User, reason: str) -> Any:
        named = contracts_visible(user, business_date()).filter(number__in=[n for n, _a in lines])
        seen = set(named.values_list("number", flat=True))
        parts = [(n if n in seen else f"{n}?", amount_read(a)) for n, a in lines]
        return receipt_move_ask(row, parts=parts, reason=reason, actor=user)

    return _act(request, number, act)


@require("receipt-refund")
def receipt_refund_page(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for money to go back to its account."""

    def act(row: Receipt, user: User, reason: str) -> Any:
        return refund_ask(row, amount_minor=amount_read(request.POST.get("refund", "")), reason=reason, actor=user)

    return _act(request, number, act)


@require("receipt-release")
def receipt_release_page(request: HttpRequest, number: str) -> HttpResponse:
    """Ask compliance to book, or to keep, money that a watch list stopped."""

    def act(row: Receipt, user: User, reason: str) -> Any:
        return release_ask(row, what=request.POST.get("what", ""), reason=reason, actor=user)

    return _act(request, number, act)


@require("refund-state")
def refund_state_page(request: HttpRequest, number: str) -> HttpResponse:
    """Say what the bank did with a refund."""

    def act(row: Receipt, user: User, reason: str) -> Any:
        refund = row.refunds.filter(reference=request.POST.get("refund", "")).first()
        if refund is None:
            raise Http404("refund")
        said_ = {"bank_reference": request.POST.get("bank_reference", ""), "reason": reason}
        return refund_move(refund, request.POST.get("state", ""), actor=user.username, **said_)

    return _act(request, number, act)


@require("payer-alert-close")
def payer_alert_page(request: HttpRequest, number: str) -> HttpResponse:
    """Say what came of an alert."""

    def act(row: Receipt, user: User, reason: str) -> Any:
        alert = row.alerts.filter(kind=request.POST.get("kind", "")).first()
        if alert is None:
            raise Http404("alert")
        return alert_close(alert, outcome=request.POST.get("outcome", ""), note=reason, actor=user)

    return _act(request, number, act)


@require("my-receipt")
def my_receipt(request: HttpRequest, number: str) -> HttpResponse:
    """The borrower's own receipt: what came in, and where each cent of it went, in their words and with the same figures."""
    user = user_of(request)
    row = _receipt_or_404(user, number)
    log(user.username, "receipt.read", "receipt", number)
    context = {
        "receipt": row, "parts": [p for p in parts_shown(user, row, STEP_WORDS_MINE, ended=False) if not p.ended],
        "moved": row.pinned or row.parts.filter(ended_at__isnull=False).exists(),
        "account": masked_account(str(row.payer_account)),
    }  # fmt: skip
    return render(request, "lending/receipts/my_receipt.html", context)
