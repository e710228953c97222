"""A lender from one YAML file: entities with their branches, staff with their posts, products.

entities:
  - {code: BANK, name_zh: 潮生银行, name_en: Tidewater Bank, lender_type: bank, currency: CNY, valid_from: 2020-01-01,
     branches: [{code: HZ, name_zh: 杭州分行, name_en: Hangzhou branch, region: hangzhou}]}
staff:
  - {username: ann, role: risk, number: S001, name_zh: 安, name_en: Ann, entity: BANK}      # branch: HZ for a post in a branch
products: [built-in, my_product.yaml]      # files beside this one; built-in: the whole catalogue

Loaded again it adds what is new and leaves what is there; what is there with other content is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from tideover.core.problems import Problem, Refused, refuse
from tideover.lending.models import Branch, LegalEntity, Product, Staff
from tideover.lending.products import catalogue_load, product_load
from tideover.lending.services_organisation import branch_create, entity_create, staff_create

TOP = ("entities", "staff", "products")
ENTITY = ("code", "name_zh", "name_en", "lender_type", "currency", "valid_from")
BRANCH = ("code", "name_zh", "name_en", "region", "valid_from")
POST = ("username", "role", "number", "name_zh", "name_en", "entity", "branch", "valid_from")
DEFAULTS = {"lender_type": "bank", "currency": "CNY", "region": "", "entity": None, "branch": None}


@dataclass(slots=True)
class Made:
    """How much of the file was new."""

    entities: int = 0
    branches: int = 0
    staff: int = 0
    products: int = 0


def lender_init(text: str, folder: Path, *, actor: str) -> Made:
    """Write everything that the YAML `text` names, or nothing. Product files lie in `folder`.

    Raises Refused: unknown or missing keys (with their place), codes that exist with other content, products that are not sound.
    """
    data = _mapping(_yaml(text), "the file", (*TOP,), optional=TOP)
    made = Made()
    with transaction.atomic():
        for n, raw in enumerate(_list(data, "entities")):
            _entity(raw, f"entities[{n}]", made, actor)
        for n, raw in enumerate(_list(data, "staff")):
            _post(raw, f"staff[{n}]", made, actor)
        for name in _list(data, "products"):
            made.products += _products(str(name), folder)
    return made


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise refuse("bad_yaml", f"not YAML: {error}") from error


def _list(data: dict[str, Any], name: str) -> list[Any]:
    value = data.get(name) or []
    if not isinstance(value, list):
        raise refuse("wrong_type", f"{name} must be a list", name)
    return value


def _mapping(raw: Any, place: str, known: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise refuse("wrong_type", f"{place}: expected keys and values", place)
    problems = [
        Problem("unknown_key", f"{place}: unknown key {k}; known: {', '.join(known)}", place) for k in raw if k not in known
    ]
    lacking = [k for k in known if k not in raw and k not in optional and k not in DEFAULTS]
    problems += [Problem("missing_key", f"{place}: {k} is missing", place) for k in lacking]
    if "valid_from" in raw and not isinstance(raw["valid_from"], date):
        problems.append(Problem("wrong_type", f"{place}: valid_from must be a date like 2020-01-01", place))
    if problems:
        raise Refused(*problems)
    return {**{k: v for k, v in DEFAULTS.items() if k in known}, **raw}


def _entity(raw: Any, place: str, made: Made, actor: str) -> None:
    values = _mapping(raw, place, (*ENTITY, "branches"), optional=("branches",))
    branches = _list(values, "branches")
    values = {k: values[k] for k in ENTITY}
    entity = LegalEntity.objects.filter(code=values["code"]).first()
    if entity is None:
        entity = entity_create(**values, actor=actor)
        made.entities += 1
    else:
        _same(entity, values, place)
    for n, line in enumerate(branches):
        given = _mapping(line, f"{place}.branches[{n}]", BRANCH, optional=("valid_from",))
        given.setdefault("valid_from", entity.valid_from)
        branch = Branch.objects.filter(code=given["code"]).first()
        if branch is None:
            branch_create(entity=entity, **given, actor=actor)
            made.branches += 1
        else:
            _same(branch, {**given, "entity": entity}, f"{place}.branches[{n}]")


def _same(row: Any, values: dict[str, Any], place: str) -> None:
    for name, value in values.items():
        if getattr(row, name) != value:
            raise refuse(
                "exists_otherwise", f"{place}: {values['code']} exists with {name} {getattr(row, name)}, not {value}", name
            )


def _post(raw: Any, place: str, made: Made, actor: str) -> None:
    values = _mapping(raw, place, POST, optional=("valid_from",))
    post = Staff.objects.select_related("user").filter(number=values["number"]).first()
    if post is not None:
        if post.user.username != values["username"] or post.user.role != values["role"]:
            raise refuse("exists_otherwise", f"{place}: {post.number} is {post.user.username}, a {post.user.role}", "number")
        return
    entity = _found(LegalEntity, values["entity"], f"{place}.entity")
    branch = _found(Branch, values["branch"], f"{place}.branch")
    owner = branch or entity
    if "valid_from" not in values and owner is None:
        raise refuse("missing_key", f"{place}: valid_from is missing for a post in the whole house", "valid_from")
    values |= {"entity": entity, "branch": branch, "valid_from": values.get("valid_from") or owner.valid_from}
    staff_create(**values, team=None, actor=actor)
    made.staff += 1


def _found(model: Any, code: str | None, place: str) -> Any:
    if code is None:
        return None
    row = model.objects.filter(code=code).first()
    if row is None:
        raise refuse("unknown_code", f"{place}: there is no {code}", place)
    return row


def _products(name: str, folder: Path) -> int:
    before = Product.objects.count()
    if name == "built-in":
        catalogue_load()
        return Product.objects.count() - before
    path = folder / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refuse("no_product_file", f"products: {name} cannot be read: {error}", "products") from error
    product_load(text, name)
    return Product.objects.count() - before
