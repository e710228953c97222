"""The REST root: typed, documented at /api/v1/docs, errors as RFC 9457 problems."""

from __future__ import annotations

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer, SessionAuth

from tideover.core.business_time import now
from tideover.core.models import ApiToken
from tideover.core.problems import Problem, Refused
from tideover.lending.api import router


class Bearer(HttpBearer):
    """`Authorization: Bearer TOKEN`; tokens are stored as SHA-256 only."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        digest = hashlib.sha256(token.encode()).digest()
        found = ApiToken.objects.select_related("user").filter(token_hash=digest, revoked_at=None).first()
        if found is None or (found.expires_at is not None and found.expires_at <= now()):
            return None
        request.user = found.user
        return found.user


class Session(SessionAuth):
    """The site's own sign-in."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return request.user if request.user.is_authenticated else None


api = NinjaAPI(title="Tideover", version="1", auth=[Bearer(), Session()], urls_namespace="api")
api.add_router("", router)


def problem(status: int, title: str, problems: list[Problem]) -> HttpResponse:
    """An RFC 9457 problem document."""
    body = {
        "type": f"urn:tideover:problem:{problems[0].code}" if problems else "about:blank",
        "title": title,
        "status": status,
        "detail": "; ".join(p.message for p in problems),
        "errors": [{"code": p.code, "message": p.message, "field": p.field} for p in problems],
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """A use case said no."""
    return problem(error.status, "The request was refused", list(error.problems))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The input does not fit its schema: every field that is wrong is named."""
    found = [
        Problem(str(e["type"]), f"{'.'.join(str(x) for x in e['loc'][1:])}: {e['msg']}", ".".join(str(x) for x in e["loc"][1:]))
        for e in error.errors
    ]
    return problem(422, "The input does not fit", found)


@api.exception_handler(AuthenticationError)
def unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """No or unknown credentials."""
    return problem(401, "Sign in first", [Problem("unauthenticated", "send a bearer token or sign in")])


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Anything else the framework refuses."""
    return problem(error.status_code, str(error), [Problem("http_error", str(error))])
