"""REST of the organisation and the products: what holds on a day, opened and ended by roles that may."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from tideover.core.api_approvals import WaitingOut, waiting_out
from tideover.core.business_time import business_date
from tideover.core.models import Approval
from tideover.core.problems import Forbidden, NotFound, Problem
from tideover.core.rest import Code, Cursor, Day, Limit, Strict, one_of, page_of, route
from tideover.lending import services_organisation as services
from tideover.lending.models import Branch, Product, Staff, Team
from tideover.lending.publishing import product_ask
from tideover.lending.scope import branches_visible, entities_visible, is_house_wide

router = Router(tags=["organisation and products"])
NAME = Field(min_length=1, max_length=120)


class UnitOut(Schema):
    """A part of the organisation. `valid_to`: the first day on which it no longer holds."""

    code: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None


class EntityOut(UnitOut):
    lender_type: str
    jurisdiction: str
    currency: str
    book_mode: str


class BranchOut(UnitOut):
    entity: str
    region: str


class TeamOut(UnitOut):
    branch: str


class StaffOut(Schema):
    """One post of one person."""

    number: str
    username: str
    role: str
    name_zh: str
    name_en: str
    entity: str | None
    branch: str | None
    team: str | None
    valid_from: date
    valid_to: date | None


class EntityPage(Schema):
    items: list[EntityOut]
    next_cursor: int | None


class BranchPage(Schema):
    items: list[BranchOut]
    next_cursor: int | None


class TeamPage(Schema):
    items: list[TeamOut]
    next_cursor: int | None


class StaffPage(Schema):
    items: list[StaffOut]
    next_cursor: int | None


class UnitIn(Strict):
    code: Code
    name_zh: str = NAME
    name_en: str = NAME
    valid_from: Day


class EntityIn(UnitIn):
    lender_type: str = Field("bank", min_length=1, max_length=30)


class BranchIn(UnitIn):
    entity: Code
    region: str = Field("", max_length=40)


class TeamIn(UnitIn):
    branch: Code


class StaffIn(Strict):
    username: str = Field(min_length=1, max_length=150, pattern=r"^[\w.@+-]+$")
    role: str = Field(max_length=20)
    number: Code
    name_zh: str = Field(min_length=1, max_length=60)
    name_en: str = Field(min_length=1, max_length=60)
    entity: Code | None = None
    branch: Code | None = None
    team: Code | None = None
    valid_from: Day


class EndIn(Strict):
    valid_to: Day = Field(description="the first day on which it no longer holds")


class ProductOut(Schema):
    code: str
    version: int
    name_zh: str
    name_en: str
    conventions: dict[str, Any]
    limits: dict[str, Any]
    fees: list[dict[str, Any]]
    valid_from: date
    valid_to: date | None


class ProductPage(Schema):
    items: list[ProductOut]
    next_cursor: int | None


class ProductIn(Strict):
    yaml: str = Field(min_length=1, max_length=50_000, description="the product as a YAML file (see the built-in catalogue)")
    reason: str = Field("", max_length=1000, description="why; read by whoever decides")


def _holding(rows: QuerySet[Any], on: date | None) -> QuerySet[Any]:
    at = on or business_date()
    return rows.filter(valid_from__lte=at).filter(Q(valid_to=None) | Q(valid_to__gt=at))


def _unit(row: Any) -> dict[str, Any]:
    return {f: getattr(row, f) for f in ("code", "name_zh", "name_en", "valid_from", "valid_to")}


def _entity(row: Any) -> dict[str, Any]:
    return _unit(row) | {f: getattr(row, f) for f in ("lender_type", "jurisdiction", "currency", "book_mode")}


def _branch(row: Branch) -> dict[str, Any]:
    return {**_unit(row), "entity": row.entity.code, "region": row.region}


def _team(row: Team) -> dict[str, Any]:
    return {**_unit(row), "branch": row.branch.code}


def _staff(row: Staff) -> dict[str, Any]:
    return {
        "number": row.number,
        "username": row.user.username,
        "role": row.user.role,
        "name_zh": row.name_zh,
        "name_en": row.name_en,
        "entity": row.entity.code if row.entity else None,
        "branch": row.branch.code if row.branch else None,
        "team": row.team.code if row.team else None,
        "valid_from": row.valid_from,
        "valid_to": row.valid_to,
    }


def _teams(request: HttpRequest) -> QuerySet[Team]:
    return Team.objects.filter(branch__in=branches_visible(request.user, business_date())).select_related("branch")


def _posts(request: HttpRequest) -> QuerySet[Staff]:
    user, today = request.user, business_date()
    rows = Staff.objects.select_related("user", "entity", "branch", "team")
    if is_house_wide(user, today):
        return rows
    inside = Q(branch__in=branches_visible(user, today))
    # A post over a whole entity is seen from posts over that entity; a branch sees its own people.
    if branches_visible(user, today).count() != 1:
        inside |= Q(entity__in=entities_visible(user, today))
    return rows.filter(inside)


@route(router.get, "/entities", "entities-list", EntityPage)
def entities_list(request: HttpRequest, cursor: Cursor, limit: Limit, on: Day | None = None) -> dict[str, Any]:
    """Legal entities that hold on a day (today when not given)."""
    return page_of(_holding(entities_visible(request.user, business_date()), on), cursor, limit, _entity)


@route(router.post, "/entities", "entities-create", EntityOut)
def entity_create(request: HttpRequest, body: EntityIn) -> Any:
    """Open a legal entity; only a post over the whole house may."""
    if not is_house_wide(request.user, business_date()):
        raise Forbidden(Problem("forbidden", "only a post over the whole house opens an entity"))
    return _entity(services.entity_create(**body.dict(), actor=request.user.username))


@route(router.post, "/entities/{code}/end", "entities-end", EntityOut)
def entity_end(request: HttpRequest, code: str, body: EndIn) -> Any:
    """End a legal entity."""
    row = _path(entities_visible(request.user, business_date()), "entity", code=code)
    return _entity(services.organisation_end(row, valid_to=body.valid_to, actor=request.user.username))


@route(router.get, "/branches", "branches-list", BranchPage)
def branches_list(request: HttpRequest, cursor: Cursor, limit: Limit, on: Day | None = None) -> dict[str, Any]:
    """Branches that hold on a day."""
    rows = branches_visible(request.user, business_date()).select_related("entity")
    return page_of(_holding(rows, on), cursor, limit, _branch)


@route(router.post, "/branches", "branches-create", BranchOut)
def branch_create(request: HttpRequest, body: BranchIn) -> Any:
    """Open a branch."""
    entity = one_of(entities_visible(request.user, business_date()), "entity", "entity", code=body.entity)
    return _branch(services.branch_create(**body.dict() | {"entity": entity}, actor=request.user.username))


@route(router.post, "/branches/{code}/end", "branches-end", BranchOut)
def branch_end(request: HttpRequest, code: str, body: EndIn) -> Any:
    """End a branch."""
    row = _path(branches_visible(request.user, business_date()), "branch", code=code)
    return _branch(services.organisation_end(row, valid_to=body.valid_to, actor=request.user.username))


@route(router.get, "/teams", "teams-list", TeamPage)
def teams_list(request: HttpRequest, cursor: Cursor, limit: Limit, on: Day | None = None) -> dict[str, Any]:
    """Teams that hold on a day."""
    return page_of(_holding(_teams(request), on), cursor, limit, _team)


@route(router.post, "/teams", "teams-create", TeamOut)
def team_create(request: HttpRequest, body: TeamIn) -> Any:
    """Open a team."""
    branch = one_of(branches_visible(request.user, business_date()), "branch", "branch", code=body.branch)
    return _team(services.team_create(**body.dict() | {"branch": branch}, actor=request.user.username))


@route(router.post, "/teams/{code}/end", "teams-end", TeamOut)
def team_end(request: HttpRequest, code: str, body: EndIn) -> Any:
    """End a team."""
    row = _path(_teams(request), "team", code=code)
    return _team(services.organisation_end(row, valid_to=body.valid_to, actor=request.user.username))


@route(router.get, "/staff", "staff-list", StaffPage)
def staff_list(request: HttpRequest, cursor: Cursor, limit: Limit, on: Day | None = None) -> dict[str, Any]:
    """Posts that hold on a day."""
    return page_of(_holding(_posts(request), on), cursor, limit, _staff)


@route(router.post, "/staff", "staff-create", StaffOut)
def staff_create(request: HttpRequest, body: StaffIn) -> Any:
    """Give somebody a post inside your own scope."""
    user, today = request.user, business_date()
    if body.entity is None and body.branch is None and not is_house_wide(user, today):
        raise Forbidden(Problem("forbidden", "only a post over the whole house gives another one", "entity"))
    places = {
        "entity": body.entity and one_of(entities_visible(user, today), "entity", "entity", code=body.entity),
        "branch": body.branch and one_of(branches_visible(user, today), "branch", "branch", code=body.branch),
        "team": body.team and one_of(_teams(request), "team", "team", code=body.team),
    }
    return _staff(services.staff_create(**body.dict() | places, actor=user.username))


@route(router.post, "/staff/{number}/end", "staff-end", StaffOut)
def staff_end(request: HttpRequest, number: str, body: EndIn) -> Any:
    """End a post."""
    row = _path(_posts(request), "post", number=number)
    return _staff(services.organisation_end(row, valid_to=body.valid_to, actor=request.user.username))


def _path(rows: QuerySet[Any], what: str, **key: str) -> Any:
    row = rows.filter(**key).first()
    if row is None:
        [(field, value)] = key.items()
        raise NotFound(Problem(f"no_such_{what}", f"there is no {what} {value} in your scope", field))
    return row


@route(router.get, "/products", "products-list", ProductPage)
def products_list(request: HttpRequest, cursor: Cursor, limit: Limit, on: Day | None = None) -> dict[str, Any]:
    """Every product version, or with `on` those on offer that day."""
    rows = Product.objects.all()
    return page_of(_holding(rows, on) if on else rows, cursor, limit, _product)


@route(router.get, "/products/{code}", "product-versions", ProductPage)
def product_versions(request: HttpRequest, code: str, cursor: Cursor, limit: Limit) -> dict[str, Any]:
    """The versions of one product, oldest first."""
    rows = Product.objects.filter(code=code)
    _path(rows, "product", code=code)
    return page_of(rows, cursor, limit, _product, by="version")


@route(router.post, "/products", "products-load", {200: ProductOut, 202: WaitingOut})
def products_load(request: HttpRequest, body: ProductIn) -> Any:
    """Ask for a product version (202 with the approval that waits); every problem of the file is named.

    A version that is stored already with the same text: 200.
    """
    asked = product_ask(text=body.yaml, reason=body.reason or "new version", actor=request.user)
    if isinstance(asked, Approval):
        return 202, waiting_out(asked)
    return _product(asked)


def _product(p: Product) -> dict[str, Any]:
    names = ("code", "version", "name_zh", "name_en", "conventions", "limits", "fees", "valid_from", "valid_to")
    return {n: getattr(p, n) for n in names}
