"""Pages of the gate: the contact log and its verdicts, logging a call, holds to review, and a person's own choices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from tideover.contact import log as contact_log
from tideover.contact.addresses import address_of
from tideover.contact.clock_saving import clock_ask
from tideover.contact.facts import policy_on
from tideover.contact.forms import asked_read, bands_good, quiet_of, refused_of
from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.models import VerdictRow
from tideover.contact.now import allowed_now
from tideover.contact.preferences import BANDS, OPTIONAL, preference_of, preferences_set
from tideover.contact.reach import number_dead
from tideover.contact.rules.encode import faults_read
from tideover.contact.rules.gate import ADDRESS_RULE, OWN_RULES
from tideover.contact.rules.model import Channel, Outcome, Purpose
from tideover.contact.views_reach import address_act, address_rows
from tideover.contact.words import cited, rule_words
from tideover.core.access import can, require
from tideover.core.action_log import log
from tideover.core.business_time import business_date, now, start_of_day
from tideover.core.problems import Refused
from tideover.lending.forms import date_read
from tideover.lending.models import Contract, Hold, Party, StandingRow
from tideover.lending.scope import parties_reachable, rows_visible
from tideover.lending.selectors import contracts_visible
from tideover.lending.services_holds import hold_review, open_now
from tideover.lending.views import loan_or_404, user_of
from tideover.sources.selectors import consents_of, live_now
from tideover.sources.services import consent_withdraw

PAGE_SIZE = 50
SPOKEN = (Outcome.CONVERSATION, Outcome.UNANSWERED, Outcome.MESSAGE_LEFT, Outcome.FAILED)
SECONDS_MAX = 86_400


def _reached(request: HttpRequest, reference: str) -> Party:
    found = parties_reachable(user_of(request), business_date()).select_related("branch__entity", "user")
    party = found.filter(reference=reference).first()
    if party is None:
        raise Http404(reference)
    return party


# --- the log -----------------------------------------------------------------------------------------------------------


@require("contact-log")
def contact_log_page(request: HttpRequest) -> HttpResponse:
    """Decisions or contacts, 50 a page, by day, person, loan, channel, rule and answer. Reading it is logged."""
    user, what = user_of(request), "contacts" if request.GET.get("show") == "contacts" else "decisions"
    asked, wrong = asked_read(request.GET.dict())
    rows = contact_log.contacts_found(user, asked) if what == "contacts" else contact_log.verdicts_found(user, asked)
    before = request.GET.get("before", "")
    if before.isdigit():
        rows = rows.filter(pk__lt=int(before))
    page = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    log(user.username, "contact.log", "", "", {"show": what, "found": len(page[:PAGE_SIZE])})
    query = request.GET.copy()
    for name in ("before", "show"):
        query.pop(name, None)
    if what == "decisions":
        for row in page:
            row.says = [rule_words(policy_on(row.pack, row.pack_on), f["rule"]) for f in row.fired]  # type: ignore[union-attr]
    policy = policy_on("cn", business_date())
    context = {
        "rows": page[:PAGE_SIZE],
        "more": page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None,
        "show": what,
        "asked": asked,
        "given": request.GET.dict(),
        "wrong": wrong,
        "query": query.urlencode(),
        "span": urlencode({k: v for k in ("person", "from", "to") if (v := request.GET.get(k, ""))}),
        "channels": [c.name.lower() for c in Channel],
        "rules": sorted(((r, rule_words(policy, r)) for r in [*policy.citations, *OWN_RULES]), key=lambda pair: pair[1]),
        "may_export": can(user, "contact-export"),
    }
    return render(request, "contact/log.html", context)


@require("contact-export")
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The decisions that fit, whole, as CSV or JSON lines; the export is logged."""
    user, (asked, _wrong) = user_of(request), asked_read(request.GET.dict())
    kind = request.GET.get("format", "csv")
    lines, mime = contact_log.FORMATS.get(kind, contact_log.FORMATS["csv"])
    log(user.username, "contact.export", "", "", {"format": kind, "from": str(asked.first), "to": str(asked.last)})
    answer = StreamingHttpResponse(
        lines(contact_log.export_rows(contact_log.verdicts_found(user, asked))), f"{mime}; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="contact-{business_date()}.{"jsonl" if kind == "jsonl" else "csv"}"'
    return answer


@require("verdict")
def verdict(request: HttpRequest, pk: int) -> HttpResponse:
    """One decision: what was asked, what was known, which rules spoke, with instrument and article, and what followed."""
    user = user_of(request)
    row = rows_visible(VerdictRow, user, business_date()).select_related("party", "contract").filter(pk=pk).first()
    if row is None:
        raise Http404(str(pk))
    log(user.username, "verdict.read", "party", row.party.reference, {"id": row.pk})
    policy = policy_on(row.pack, row.pack_on)
    context = {
        "row": row,
        "fired": [
            {**f, "says": says, "cited": cited(f"{f['instrument']} {f['article']}")}
            for f, says in zip(row.fired, _whys(row), strict=True)
        ],
        "others": _others(row) if any(f["rule"] == ADDRESS_RULE for f in row.fired) else [],
        "exempt": [(id, rule_words(policy, id)) for id in row.exempt],
        "same_pack": policy.hash == bytes(row.pack_hash),
        "facts": row.facts,
        "followed": row.party.contactrecords.filter(verdict_id=row.pk),
        "loans": row.facts["proposal"]["debts"],
        "may_log": can(user, "contact-log"),
    }
    return render(request, "contact/verdict.html", context)


# --- logging a call ----------------------------------------------------------------------------------------------------


@require("contact-call")
def call(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask the gate for a call, then write down how it ended; or write down that the person called. Blocked ways say why."""
    user, party, at = user_of(request), _reached(request, reference), now()
    loans = list(contracts_visible(user, business_date()).filter(borrower=party).select_related("entity").order_by("pk"))
    errors: dict[str, str] = {}
    if request.method == "POST" and request.POST.get("act") == "ask":
        row = verdict_ask(
            party=party, contracts=_chosen(request, loans), channel=Channel.CALL, purpose=Purpose.COLLECTION, at=at,
            actor=user.username,
        )  # fmt: skip
        return HttpResponseRedirect(f"{reverse('contact-call', args=[party.reference])}?verdict={row.pk}")
    asked = request.POST.get("verdict") or request.GET.get("verdict", "")
    row = VerdictRow.objects.filter(pk=int(asked), party=party, channel="call").first() if asked.isdigit() else None
    if request.method == "POST":
        errors = _record(request, party, loans, row)
        if not errors:
            return HttpResponseRedirect(f"{reverse('contact-call', args=[party.reference])}?done=1")
    if row is not None and row.allowed and can(user, "reveal-personal"):
        log(user.username, "person.reveal", "party", party.reference, {"verdict": row.pk, "what": "phone"})
    elif not errors:
        log(user.username, "person.read", "party", party.reference)
    context = {
        "party": party,
        "loans": loans,
        "verdict": row,
        "verdict_whys": _whys(row),
        "may_see_phone": can(user, "reveal-personal"),
        "call": allowed_now(party, loans, at=at, channels=[Channel.CALL]).of(Channel.CALL),
        "outcomes": [o.name.lower() for o in SPOKEN],
        "given": request.POST.dict(),
        "errors": errors,
        "problems": [(f"f-{k}", v) for k, v in errors.items()],
        "done": request.GET.get("done") == "1",
        "contacts": party.contactrecords.order_by("-at")[:10],
        "owing": StandingRow.objects.filter(contract__in=loans).exclude(bucket="closed").select_related("contract"),
    }
    return render(request, "contact/call.html", context, status=422 if errors else 200)


def _chosen(request: HttpRequest, loans: list[Contract]) -> list[Contract]:
    """The loans that the call is about; all of the person's when none was ticked."""
    ticked = set(request.POST.getlist("loan"))
    return [c for c in loans if c.number in ticked] or loans


def _whys(row: VerdictRow | None) -> list[str]:
    if row is None:
        return []
    policy, faults, channel = policy_on(row.pack, row.pack_on), faults_read(row.facts), Channel[row.channel.upper()]
    return [rule_words(policy, f["rule"], faults, channel) for f in row.fired]


def _others(row: VerdictRow) -> list[str]:
    """Where an address takes nothing: the other ways that are open now for the same purpose and that have an address."""
    purpose, party = Purpose[row.purpose.upper()], row.party
    loans = list(party.contracts.filter(number__in=row.facts["proposal"]["debts"] or []).select_related("entity"))
    lines = allowed_now(party, loans, at=now(), purpose=purpose).channels
    return [c.channel for c in lines if c.allowed and address_of(party, Channel[c.channel.upper()])]


def _record(request: HttpRequest, party: Party, loans: list[Contract], row: VerdictRow | None) -> dict[str, str]:
    """Write a call down; what is wrong with the form, by field."""
    given, errors = request.POST, {}
    inbound = given.get("direction") == "in"
    if given.get("direction") not in ("in", "out"):
        errors["verdict"] = _("Say who called")
    outcome = given.get("outcome", "")
    if outcome not in [o.name.lower() for o in SPOKEN]:
        errors["outcome"] = _("Choose how the call ended")
    text = given.get("seconds", "").strip()
    if text and not (text.isdigit() and int(text) <= SECONDS_MAX):
        errors["seconds"] = _("Enter whole seconds, for example 95")
    if given.get("direction") == "out" and row is None:
        errors["verdict"] = _("Ask first whether the call is allowed")
    if errors:
        return errors
    try:
        contact_record(
            party=party, contracts=_about(row, loans), channel=Channel.CALL,
            purpose=Purpose.REPLY if inbound else Purpose.COLLECTION, outcome=Outcome[outcome.upper()], at=now(),
            direction="in" if inbound else "out", seconds=int(text) if text else None, verdict=None if inbound else row,
            actor=user_of(request).username, note=given.get("note", "").strip()[:1000],
        )  # fmt: skip
    except Refused:
        errors["verdict"] = _("The gate did not allow this call")
    else:
        if not inbound and outcome == "failed":
            number_dead(party, "no_such_number", now())
    return errors


def _about(row: VerdictRow | None, loans: list[Contract]) -> list[Contract]:
    """The loans of the decision; for a call that came in, none by name."""
    return [] if row is None else [c for c in loans if f"|{c.pk}|" in row.about]


@require("contact-clock")
def clock(request: HttpRequest, number: str) -> HttpResponse:
    """Ask a second person for a demand that keeps the claim from lapsing although a hold stands."""
    contract, user = loan_or_404(request, number), user_of(request)
    if request.method == "POST":
        try:
            lapses_on = date_read(request.POST.get("lapses_on", "").strip())
            clock_ask(contract, lapses_on=lapses_on.isoformat(), reason=request.POST.get("reason", ""), actor=user)
            said, status = _("A second person is asked. You find the request among the approvals."), 200
        except ValueError:
            said, status = _("Enter a date, for example 2026-12-05"), 422
        except Refused as refused:
            code = refused.problems[0].code
            said = {"missing": _("Say why: whoever decides reads it"), "already_asked": _("The same is waiting already")}.get(
                code, _("Nobody can decide this here")
            )
            status = 422
        context = {"contract": contract, "said": said, "wrong": status == 422, "given": request.POST.dict()}
        return render(request, "contact/clock.html", context, status=status)
    return render(request, "contact/clock.html", {"contract": contract})


# --- holds -------------------------------------------------------------------------------------------------------------


@require("holds")
def holds(request: HttpRequest) -> HttpResponse:
    """Holds in force in the reader's scope, those to review first; a review keeps, extends or lifts one."""
    user, today, errors = user_of(request), business_date(), {}
    rows = rows_visible(Hold, user, today).filter(open_now(now())).select_related("party", "contract").order_by("review_on", "pk")
    kind, before = request.GET.get("kind", ""), request.GET.get("after", "")
    if request.method == "POST":
        errors = _review(request, rows)
        if not errors:
            return HttpResponseRedirect(f"{reverse('holds')}?done=1")
    due = rows.filter(review_on__lte=today).count()
    rows = rows.filter(kind=kind) if kind else rows
    start = int(before) if before.isdigit() else 0
    page = list(rows[start : start + PAGE_SIZE + 1])
    context = {
        "rows": page[:PAGE_SIZE],
        "after": start + PAGE_SIZE if len(page) > PAGE_SIZE else None,
        "due": due,
        "today": today,
        "kind": kind,
        "kinds": sorted(set(rows_visible(Hold, user, today).filter(open_now(now())).values_list("kind", flat=True))),
        "may_review": can(user, "api:holds-review"),
        "errors": errors,
        "problems": [(f"h-{request.POST.get('hold', '')}", v) for v in errors.values()],
        "given": request.POST.dict(),
        "done": request.GET.get("done") == "1",
    }
    return render(request, "contact/holds.html", context, status=422 if errors else 200)


def _review(request: HttpRequest, rows: Any) -> dict[str, str]:
    user = user_of(request)
    if not can(user, "api:holds-review"):
        raise Http404("review")
    pk = request.POST.get("hold", "")
    hold = rows.filter(pk=int(pk)).first() if pk.isdigit() else None
    if hold is None:
        return {"hold": _("This hold no longer stands")}
    act, typed, end = request.POST.get("act", ""), request.POST.get("ends_on", "").strip(), None
    if act == "extend":
        try:
            end = start_of_day(date_read(typed) + timedelta(days=1))
        except ValueError:
            return {"ends_on": _("Enter a date, for example 2026-12-05")}
    try:
        hold_review(hold, act=act, reason=request.POST.get("reason", ""), ends_at=end, actor=user.username)
    except Refused as refused:
        return {refused.problems[0].field: _SAYS.get(refused.problems[0].code, _no)()}
    return {}


def _no() -> str:
    return _("This cannot be done with this hold")


_SAYS = {
    "missing": lambda: _("Say why: whoever reads the hold later must understand it"),
    "bad_act": lambda: _("Choose keep, extend or lift"),
    "bad_dates": lambda: _("The new end must be later than the end it has"),
    "over_longest": lambda: _("A hold of this kind may not stand so long"),
    "not_open": lambda: _("This hold no longer stands"),
}


# --- a person's own choices ---------------------------------------------------------------------------------------------


@require("my-contact")
def my_contact(request: HttpRequest) -> HttpResponse:
    """How and when the borrower wants to be reached, in which language and size, and what they agreed to."""
    user = user_of(request)
    party = getattr(user, "party", None)
    if party is None:
        raise Http404("nobody to reach")
    errors: dict[str, str] = {}
    if request.method == "POST":
        act = request.POST.get("act", "")
        if act in ("set", "right", "end"):
            errors = address_act(request, party, source="borrower", actor=user.username)
        elif act == "withdraw":
            _withdraw(party, request.POST.get("consent", ""), user.username)
        else:
            _choose(request, party)
        if not errors:
            response = HttpResponseRedirect(f"{reverse('my-contact')}?saved={'withdrawn' if act == 'withdraw' else '1'}")
            response.set_cookie(settings.LANGUAGE_COOKIE_NAME, user.language, max_age=365 * 86400, samesite="Lax", httponly=True)
            return response
    row = preference_of(party)
    good = bands_good(row.inconvenient)
    consents = consents_of(party).select_related("contract").prefetch_related("acts")
    live = {c.pk for c in live_now(consents, now())}
    context = {
        "party": party,
        "bands": [(n, _clock(a), _clock(b), n in good) for n, (a, b) in enumerate(BANDS)],
        "ways": [(c.name.lower(), c.name.lower() not in row.refused, bool(address_of(party, c))) for c in OPTIONAL],
        "consents": [(c, c.pk in live) for c in consents],
        "large": user.large_type,
        "saved": SAVED[request.GET["saved"]]() if not errors and request.GET.get("saved") in SAVED else "",
        "addresses": [{**r, "error": errors.get(r["kind"], "")} for r in address_rows(party, join=True)],
        "given": request.POST.dict(),
        "problems": [(f"f-{k}", v) for k, v in errors.items()],
    }
    return render(request, "contact/my_contact.html", context, status=422 if errors else 200)


SAVED = {
    "1": lambda: _("Saved. It counts from now on."),
    "withdrawn": lambda: _("Withdrawn. It counts from now on."),
}
"""What the page says after each of its two forms."""


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _choose(request: HttpRequest, party: Party) -> None:
    user, given = user_of(request), request.POST
    language = given.get("language", party.language)
    language = language if language in ("zh-hans", "en") else party.language
    preferences_set(
        party, refused=refused_of(given.getlist("way")), inconvenient=quiet_of(given.getlist("time")), language=language,
        zone_name=preference_of(party).zone, actor=user.username,
    )  # fmt: skip
    user.language, user.large_type = language, given.get("size") == "large"
    user.save(update_fields=["language", "large_type"])
    look = {**request.session.get("look", {}), "size": "large" if user.large_type else "normal"}
    request.session["look"] = look


def _withdraw(party: Party, pk: str, actor: str) -> None:
    consent = party.consents.filter(pk=int(pk)).first() if pk.isdigit() else None
    if consent is not None:
        consent_withdraw(consent, how="app", actor=actor)
