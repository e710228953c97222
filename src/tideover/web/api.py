"""The REST root: typed, documented at /api/docs, errors as RFC 9457 problems."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from tideover.accounting.api import router as books_router
from tideover.contact.api import router as contact_router
from tideover.contact.api_messages import router as messages_router
from tideover.core.api_approvals import router as approvals_router
from tideover.core.api_experiments import router as experiments_router
from tideover.core.api_log import router as log_router
from tideover.core.api_work import router as work_router
from tideover.core.problems import Problem, Refused
from tideover.core.rest import ProblemOut
from tideover.daily.api import router as tape_router
from tideover.lending.api import router as loans_router
from tideover.lending.api_agreements import router as agreements_router
from tideover.lending.api_documents import router as documents_router
from tideover.lending.api_organisation import router as organisation_router
from tideover.lending.api_rows import router as rows_router
from tideover.lending.beside.api import router as beside_router
from tideover.lending.counter.api import router as counter_router
from tideover.lending.debits.api import router as debits_router
from tideover.lending.desk.api import router as desk_router
from tideover.lending.receipts.api import router as receipts_router
from tideover.lending.receipts.api_payers import router as payers_router
from tideover.lending.statements.api import router as statements_router
from tideover.sources.api import router as sources_router
from tideover.web.problems import SAYS, problem

PROBLEMS = {
    400: "The request cannot be read.",
    401: "No credentials, or credentials that are unknown, revoked or expired.",
    403: "The role may not.",
    404: "It does not exist, or not in your scope.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The input does not fit or the use case refuses it; `errors` names every field. Nothing was changed.",
}
DESCRIPTION = """\
Sign-in: `Authorization: Bearer TOKEN`, or the site's own session (then writes need its CSRF token). The role of the account
decides which addresses it may call, its post which entity and branch it sees.

Money is a decimal string with two places; rates are whole parts per million a year; dates are ISO 8601 and mean the lender's
business days. A field or parameter that an address does not know is refused by name.

Pages: a list answers `items` and `next_cursor`; pass it as `cursor` for the next page; null means that there is none. `limit` is
1 to 200.

Any day: reads of a loan take `as_of` (the day; today when left out) and `known_at` (an instant with a time zone: answer from
what had been recorded by then).

Twice is once: every write takes an `Idempotency-Key` header (events and receipts need one; payments carry `idempotency_key` in
the body). The same key with the same request answers as the first time, with another it is refused. Answers are kept for seven
days; the keys of money are kept for good.

Errors are RFC 9457 problem documents (`application/problem+json`): `type`, `title`, `status`, `detail`, and `errors` with a
stable `code`, a `message` and the `field`.
"""


class Api(NinjaAPI):
    """The API with its problems written into the OpenAPI document."""

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        schema = super().get_openapi_schema(*args, **kwargs)
        schemas = schema["components"].setdefault("schemas", {})
        schemas["Problem"] = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schemas["Problem"].pop("$defs", {})
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                said = operation["responses"]
                for status, words in PROBLEMS.items():
                    if method != "get" or status not in (413, 415):
                        said[str(status)] = {"description": words, "content": content}
                operation["security"] = [{"Bearer": []}, {"Session": []}]
        return schema


api = Api(title="Tideover", version="1", description=DESCRIPTION, urls_namespace="api", docs_url=None)
for part in (
    loans_router,
    receipts_router,
    payers_router,
    debits_router,
    counter_router,
    statements_router,
    desk_router,
    beside_router,
    agreements_router,
    organisation_router,
    rows_router,
    tape_router,
    approvals_router,
    work_router,
    experiments_router,
    documents_router,
    messages_router,
    sources_router,
    log_router,
    contact_router,
    books_router,
):
    api.add_router("", part)


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """A use case said no."""
    return problem(error.status, "The request was refused", list(error.problems))


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The input does not fit its schema: every field that is wrong is named, without the value that was given."""
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
    code = "csrf_failed" if "CSRF" in str(error) else "http_error"
    return problem(error.status_code, str(error), [Problem(code, str(error))])


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    """More than the server reads at once."""
    return problem(413, "Content Too Large", [SAYS[413]])
