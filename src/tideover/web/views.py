"""Sign-in, language, look and error pages: nothing here knows what a loan is."""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

from tideover.core.access import require
from tideover.core.models import Role, User
from tideover.core.sign_in import SignInForm

LOOKS = {"theme": ("auto", "light", "dark"), "size": ("normal", "large")}
NAMES_THEME = [("auto", "Same as the device"), ("light", "Light"), ("dark", "Dark")]
NAMES_SIZE = [("normal", "Normal text"), ("large", "Larger text")]
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
        request.user.save(update_fields=["theme", "large_type"])


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
        "saved": "saved" in request.GET,
    }
    return render(request, "web/settings.html", context)


class SignIn(LoginView):
    """Name and password. The account's theme and text size come along; the page keeps the language that it is in."""

    template_name = "web/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        self.request.session["look"] = {"theme": user.theme, "size": "large" if user.large_type else "normal"}
        return response


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: says that another role is needed, and who can grant it."""
    return render(request, "web/message.html", {"kind": 403}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return render(request, "web/message.html", {"kind": 404}, status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """500: plain, with the help block and a reference that the log holds too."""
    reference = uuid4().hex[:8].upper()
    logger.error("page failed, reference %s, %s", reference, request.path)
    return render(request, "web/message.html", {"kind": 500, "reference": reference}, status=500)
