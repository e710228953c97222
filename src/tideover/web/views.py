"""Language, look and error pages: nothing here knows what a loan is."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

LOOKS = {"theme": ("auto", "light", "dark"), "size": ("normal", "large")}


def _back(request: HttpRequest) -> HttpResponseRedirect:
    target = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return HttpResponseRedirect(target if safe else "/")


@require_POST
def set_look(request: HttpRequest) -> HttpResponse:
    """Remember theme and text size in the session."""
    look = dict(request.session.get("look", {}))
    for key, allowed in LOOKS.items():
        if request.POST.get(key) in allowed:
            look[key] = request.POST[key]
    request.session["look"] = look
    return _back(request)


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Remember the language in a cookie."""
    response = _back(request)
    code = request.POST.get("language", "")
    if code in dict(settings.LANGUAGES) and check_for_language(code):
        response.set_cookie(settings.LANGUAGE_COOKIE_NAME, code, max_age=365 * 86400, samesite="Lax", httponly=True)
    return response


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: says that another role is needed."""
    return render(request, "web/message.html", {"kind": 403}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404."""
    return render(request, "web/message.html", {"kind": 404}, status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """500: plain, with the help block."""
    return render(request, "web/message.html", {"kind": 500}, status=500)
