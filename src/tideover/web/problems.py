"""Every error of the REST is a problem document (RFC 9457), also what the framework answers before an operation is found."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

from django.http import HttpRequest, HttpResponse, JsonResponse

from tideover.core.problems import Problem

logger = logging.getLogger(__name__)
PREFIX = "/api/v1/"
JSON = re.compile(r"application/([a-z0-9.-]+\+)?json")
KIND = "application/problem+json"


def problem(status: int, title: str, problems: list[Problem]) -> HttpResponse:
    """An RFC 9457 problem document."""
    body = {
        "type": f"urn:tideover:problem:{problems[0].code}" if problems else "about:blank",
        "title": title,
        "status": status,
        "detail": "; ".join(p.message for p in problems),
        "errors": [{"code": p.code, "message": p.message, "field": p.field} for p in problems],
    }
    return JsonResponse(body, status=status, content_type=KIND)


SAYS = {
    400: Problem("bad_request", "the request cannot be read"),
    403: Problem("forbidden", "this request is not allowed"),
    404: Problem("no_such_address", "there is nothing at this address; /api/docs lists what there is"),
    405: Problem("method_not_allowed", "this address does not take this method; the Allow header lists what it takes"),
    413: Problem("body_too_large", "the body is larger than 15 MiB; send fewer items, or a smaller file"),
    415: Problem("not_json", "the body must be JSON: send Content-Type: application/json"),
}


class ProblemMiddleware:
    """Turns what is not JSON away (415), and whatever error is not yet a problem document into one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(PREFIX):
            return self.get_response(request)
        if _has_body(request) and not JSON.fullmatch(request.content_type or ""):
            return _answer(request, 415)
        response = self.get_response(request)
        if response.status_code < 400 or response.headers.get("Content-Type") == KIND:
            return response
        answer = _answer(request, response.status_code)
        for name in ("Allow", "WWW-Authenticate", "Retry-After"):
            if name in response.headers:
                answer[name] = response.headers[name]
        return answer


def _has_body(request: HttpRequest) -> bool:
    return request.method in ("POST", "PUT", "PATCH") and request.META.get("CONTENT_LENGTH") not in (None, "", "0")


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    title = HTTPStatus(status).phrase
    if status >= 500:
        reference = uuid4().hex[:8].upper()
        logger.error("request failed, reference %s, %s %s", reference, request.method, request.path)
        said = Problem("server_error", f"it is our fault; quote reference {reference} when you report it")
        return problem(status, title, [said])
    return problem(status, title, [SAYS.get(status, Problem("http_error", title))])
