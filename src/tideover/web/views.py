"""Sign-in, language, look and error pages: nothing here knows what a loan is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import localtime
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from tideover.core import sign_in
from tideover.core.access import require
from tideover.core.models import Role, User
from tideover.daily.reading import TapeLost

LOOKS = {"theme": ("auto", "light", "dark"), "size": ("normal", "large"), "keys": ("on", "off")}
NAMES_THEME = [("auto", "Same as the device"), ("light", "Light"), ("dark", "Dark")]
NAMES_SIZE = [("normal", "Normal text"), ("large", "Larger text")]
NAMES_KEYS = [("on", "Keys are on"), ("off", "Keys are off")]
logger = logging.getLogger(__name__)


def _back(request: HttpRequest) -> HttpResponseRedirect:
    target = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(target if safe else "/")


def _look_save(request: HttpRequest) -> None:
    """Remember theme and text size in the session and, for somebody signed in, in the account."""
    look = dict(request.session.get("look", {}))
    look |= {key: request.POST[key] for key, allowed in LOOKS.items() if request.POST.get(key) in allowed}
    request.session["look"] = look
    if isinstance(request.user, User):
        request.user.theme, request.user.large_type = look.get("theme", "auto"), look.get("size") == "large"
        request.user.shortcuts = look.get("keys") != "off"
        request.user.save(update_fields=["theme", "large_type", "shortcuts"])


def _language_save(request: HttpRequest, response: HttpResponse) -> None:
    """Remember the language in a cookie and, for somebody signed in, in the account (letters use it)."""
    code = request.POST.get("language", "")
    if code not in dict(settings.LANGUAGES) or not check_for_language(code):
        return
    response.set_cookie(settings.LANGUAGE_COOKIE_NAME, code, max_age=365 * 86400, samesite="Lax", httponly=True)
    if isinstance(request.user, User):
        request.user.language = code
        request.user.save(update_fields=["language"])


@require_POST
def set_look(request: HttpRequest) -> HttpResponse:
    """Change theme or text size, then go back to the page."""
    _look_save(request)
    return _back(request)


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Change the language, then go back to the page."""
    response = _back(request)
    _language_save(request, response)
    return response


@require("settings")
def settings_page(request: HttpRequest) -> HttpResponse:
    """Language, colours and text size of one person."""
    if request.method == "POST":
        _look_save(request)
        response = HttpResponseRedirect(f"{request.path}?saved=1")
        _language_save(request, response)
        return response
    user, look = request.user, request.session.get("look", {})
    assert isinstance(user, User)
    context = {
        "shell_template": "web/borrower.html" if user.role == Role.BORROWER else "web/staff.html",
        "themes": NAMES_THEME,
        "sizes": NAMES_SIZE,
        "theme": look.get("theme", "auto"),
        "size": look.get("size", "normal"),
        "keys": NAMES_KEYS if user.role != Role.BORROWER else (),
        "key": look.get("keys", "on"),
        "saved": "saved" in request.GET,
    }
    return render(request, "web/settings.html", context)


class SignIn(LoginView):
    """Name and password. The account's theme and text size come along; the page keeps the language that it is in."""

    template_name = "web/sign_in.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if opens_at := sign_in.waits_until(request.POST.get("username", ""), sign_in.address_of(request)):
            words = _("For safety, this name can sign in again at %(time)s. If that is a problem, call %(hotline)s.")
            values = {"time": f"{localtime(opens_at):%H:%M}", "hotline": settings.HOTLINE}
            return _message(request, 429, _("Too many tries"), words % values, again=True)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        sign_in.succeeded(user.username, sign_in.address_of(self.request))
        size, keys = "large" if user.large_type else "normal", "on" if user.shortcuts else "off"
        self.request.session["look"] = {"theme": user.theme, "size": size, "keys": keys}
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        name, password = form.data.get("username", "").strip(), form.data.get("password", "")
        errors = {} if name else {"name_error": _("Enter your user name")}
        errors |= {} if password else {"password_error": _("Enter your password")}
        if not errors:
            sign_in.failed(name, sign_in.address_of(self.request))
            errors = {"name_error": _("That name and password do not go together. Check both and try again.")}
        problems = [(f"id_{'username' if key == 'name_error' else 'password'}", words) for key, words in errors.items()]
        return self.render_to_response(self.get_context_data(form=form, problems=problems, **errors), status=422)


def _message(request: HttpRequest, status: int, heading: str, words: str, *, again: bool = False, **more: Any) -> HttpResponse:
    link = _("Back to sign-in") if again else _("Back to the start")
    user = getattr(request, "user", None)
    staff = status != 500 and isinstance(user, User) and user.role != Role.BORROWER
    shell = "web/staff.html" if staff else "web/borrower.html"
    context = {"heading": heading, "words": words, "link": link, "shell_template": shell, **more}
    return render(request, "web/message.html", context, status=status)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: says that another role is needed, and who can grant it."""
    words = _("Your role cannot open it. Your branch head or the engineer on duty can grant access.")
    return _message(request, 403, _("This page is for another role"), words)


def not_sent(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of the cross-site check: the form was too old, or cookies are off."""
    words = _("Nothing was sent. Go back, load the page again and repeat what you did; cookies must be allowed for this site.")
    return _message(request, 403, _("This page was open for too long"), words)


def not_understood(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400."""
    return _message(request, 400, _("We could not read that"), _("Go back and try again. Nothing was changed."))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return _message(request, 404, _("There is nothing at this address"), _("It may have moved, or it is not in your scope."))


def tape_lost(request: HttpRequest, day: date) -> HttpResponse:
    """503: the tape of a closed day cannot be read; says which, and what mends it."""
    return _message(request, 503, _("The tape of a closed day cannot be read"), lost_words(day))


def lost_words(day: date) -> str:
    """Which day's tape is lost, and what mends it."""
    words = _("A file of %(day)s is missing or damaged. An engineer closes that day again: tideover close --as-of %(day)s")
    return words % {"day": day.isoformat()}


class TapeMiddleware:
    """A page that needs a tape which is lost says so instead of failing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return tape_lost(request, error.as_of) if isinstance(error, TapeLost) else None


def broken(request: HttpRequest) -> HttpResponse:
    """500: plain, with the help block and a reference that the log holds too; in both languages when even that fails."""
    reference = uuid4().hex[:8].upper()
    logger.error("page failed, reference %s, %s", reference, request.path)
    try:
        words = _("Nothing you entered was changed. Please try again in a minute.")
        return _message(request, 500, _("Something went wrong on our side"), words, reference=reference)
    except Exception:  # the database or a template is what failed
        return HttpResponse(BARE % (reference, settings.HOTLINE), status=500)


BARE = """<!doctype html><html lang="zh-Hans"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tideover</title><h1>我们这边出了问题</h1><p>您填的内容没有改动，请稍后再试。编号 %s。电话 %s。</p>
<h2 lang="en">Something went wrong on our side</h2><p lang="en">Nothing you entered was changed. Please try again in a
minute.</p></html>"""
