"""What every REST route shares: who calls, whether the role may, inputs that refuse what they do not know, money, cursors.

The permission is looked at before the body is read, so that a role that may not learns nothing from the problems of its input.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Header, Query, Schema
from ninja.security import HttpBearer, SessionAuth
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, model_validator

from tideover.core.access import can, remember
from tideover.core.models import User
from tideover.core.once import once
from tideover.core.problems import Forbidden, Problem, Refused, refuse
from tideover.core.tokens import token_user

PAGE_MAX = 200
ID_MAX = 2**63 - 1
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)


def _permitted(user: User, permission: str) -> User:
    if not can(user, permission):
        raise Forbidden(Problem("forbidden", f"your role lacks {permission}"))
    return remember(user)


class Bearer(HttpBearer):
    """`Authorization: Bearer TOKEN`; tokens are stored as SHA-256 only."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        user = token_user(token)
        if user is None:
            return None
        request.user = user
        return _permitted(user, self.permission)


class Session(SessionAuth):
    """The site's own sign-in; writes need its CSRF token."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission

    def __call__(self, request: HttpRequest) -> Any:
        """Nobody signed in is no one whose token could be missing: the answer is 401, not a failed CSRF check."""
        return super().__call__(request) if isinstance(request.user, User) else None

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return _permitted(request.user, self.permission) if isinstance(request.user, User) else None


def route(
    method: Callable[..., Any], path: str, name: str, response: Any, *, keyed: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """One operation: its address, its entry in the permission matrix (`api:NAME`), its answer.

    A query parameter that the operation does not have is refused by name: a misspelt `as_of` must not answer for today.
    A POST takes an Idempotency-Key (core/once.py), unless it only asks or its body carries keys of its own (`keyed` false).
    """
    once_only = method.__name__ == "post" and keyed

    def decorate(operation: Callable[..., Any]) -> Callable[..., Any]:
        # Names in annotations are looked up in the operation's own module, not in this one.
        signature = inspect.signature(operation, eval_str=True)
        known = set(signature.parameters) - {"request", "body", "key"}
        takes_key = "key" in signature.parameters

        @wraps(operation)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            unknown = [
                Problem("unknown_parameter", f"{k} is not a parameter of this address", k) for k in request.GET if k not in known
            ]
            unknown += [Problem("bad_text", f"{k} holds a NUL", k) for k, v in kwargs.items() if isinstance(v, str) and "\0" in v]
            if unknown:
                raise Refused(*unknown)
            key = kwargs.get("key") if takes_key else kwargs.pop("key", None)
            if not once_only or key is None:
                return operation(request, *args, **kwargs)
            return once(request, name, key, response, lambda: operation(request, *args, **kwargs))

        if once_only and not takes_key:
            extra = inspect.Parameter("key", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=OptionalKey)
            signature = signature.replace(parameters=[*signature.parameters.values(), extra])
        checked.__signature__ = signature  # type: ignore[attr-defined]
        permission = f"api:{name}"
        auth = [Bearer(permission), Session(permission)]
        return method(path, url_name=name, operation_id=name.replace("-", "_"), auth=auth, response=response)(checked)

    return decorate


def _is_iso(value: Any) -> Any:
    """One form of date: a time, a number or another order of its parts is refused and never guessed at."""
    if isinstance(value, date) or (isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-"):
        return value
    raise ValueError("a date is written like 2026-01-31")


def _in_range(on: date) -> date:
    if not FIRST_DAY <= on <= LAST_DAY:
        raise ValueError(f"the date must lie between {FIRST_DAY} and {LAST_DAY}")
    return on


def _reachable(at: datetime) -> datetime:
    _in_range(at.date())
    return at


UNFIT = re.compile("[\0\ud800-\udfff]")
"""What no database column takes: NUL, or half a surrogate pair."""


def _texts(value: Any) -> bool:
    """Whether any text inside holds what no database column takes."""
    if isinstance(value, str):
        return UNFIT.search(value) is not None
    if isinstance(value, dict):
        return any(_texts(k) or _texts(v) for k, v in value.items())
    return isinstance(value, list) and any(map(_texts, value))


class Strict(Schema):
    """Input that refuses fields it does not know, by name."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, data: Any) -> Any:
        given = getattr(data, "_obj", data)
        for key, value in given.items() if isinstance(given, dict) else ():
            if _texts(key) or _texts(value):
                raise ValueError(f"{key!r} holds a NUL or half a character")
        return data


Money = Annotated[Decimal, Field(gt=0, max_digits=15, decimal_places=2, examples=["4060.00"])]
Amount = Annotated[str, Field(pattern=r"^-?\d+\.\d{2}$", examples=["4060.00"])]
Day = Annotated[date, BeforeValidator(_is_iso), AfterValidator(_in_range)]
Instant = Annotated[AwareDatetime, AfterValidator(_reachable)]
"""An instant with its zone, in years that every sum of days can leave."""
SAYS_KEY = "the same key with the same request answers as the first time and changes nothing; with another it is refused"
Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=80, description=SAYS_KEY)]
OptionalKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=80, description=SAYS_KEY)]
Cursor = Annotated[int, Query(0, ge=0, le=ID_MAX, description="next_cursor of the page before; 0 for the first page")]
Limit = Annotated[int, Query(50, ge=1, le=PAGE_MAX, description="rows a page")]
Code = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9._-]+$")]


class ErrorOut(Schema):
    """One thing that is wrong."""

    code: str
    message: str
    field: str


class ProblemOut(Schema):
    """RFC 9457 problem document; `errors` names every field that is wrong."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ErrorOut]


def decimal(minor: int) -> str:
    """Decimal string of minor units."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


def minor(amount: Decimal | None) -> int:
    """Minor units of a decimal (two places, checked by the schema)."""
    return int((amount or Decimal(0)) * 100)


def page_of(rows: QuerySet[Any], cursor: int, limit: int, out: Callable[[Any], Any], by: str = "pk") -> dict[str, Any]:
    """One page of rows by ascending key: items, and the cursor of the next page (null on the last)."""
    found: Sequence[Any] = list(rows.filter(**{f"{by}__gt": cursor}).order_by(by)[: limit + 1])
    more = getattr(found[limit - 1], by) if len(found) > limit else None
    return {"items": [out(r) for r in found[:limit]], "next_cursor": more}


def one_of(rows: QuerySet[Any], what: str, field: str, **key: Any) -> Any:
    """The one row with a key. Raises Refused (422) naming the field of the body that named it."""
    found = rows.filter(**key).first()
    if found is None:
        raise refuse(f"no_such_{what}", f"there is no {what} {next(iter(key.values()))} in your scope", field)
    return found
