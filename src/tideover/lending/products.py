"""The product catalogue: versioned YAML files, checked before they are stored."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tideover.core.packs.load import NoRule, ladder, pack
from tideover.core.packs.rules.price import price_findings
from tideover.core.problems import Problem, Refused, refuse
from tideover.engine.replay import schedule
from tideover.lending.contract_terms import terms_from
from tideover.lending.models import Product
from tideover.lending.rules.fees import fee_problems, fees_due, fees_read

CATALOGUE = Path(__file__).parent / "catalogue"
REQUIRED: dict[str, type] = {
    "code": str, "version": int, "name_zh": str, "name_en": str, "valid_from": date, "conventions": dict, "example": dict,
}  # fmt: skip
OPTIONAL: dict[str, type] = {"limits": dict, "valid_to": date, "lender": str, "fees": list}
WORDS = {str: "text", int: "whole number", date: "date like 2026-01-31", dict: "table of keys and values", list: "list"}
LIMITS = ("principal_min_minor", "principal_max_minor", "annual_rate_max_ppm", "instalments_max", "receipt_rank")


def product_check(text: str, source: str = "product") -> dict[str, Any]:
    """The parsed product. Raises Refused with every problem, each naming the file and the key.

    `example`: the columns of one plausible contract, so that the conventions are proved to give a schedule.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise refuse("bad_yaml", f"{source}: {error}") from error
    if not isinstance(data, dict):
        raise refuse("bad_yaml", f"{source}: expected keys and values")
    problems = [Problem("unknown_key", f"{source}: unknown key {k}", str(k)) for k in data if k not in {**REQUIRED, **OPTIONAL}]
    problems += [Problem("missing_key", f"{source}: {k} is missing", k) for k in REQUIRED if k not in data]
    for key, kind in {**REQUIRED, **OPTIONAL}.items():
        if key in data and (not isinstance(data[key], kind) or isinstance(data[key], bool)):
            problems.append(Problem("wrong_type", f"{source}: {key} must be a {WORDS[kind]}, not {data[key]!r}", key))
    if problems:
        raise Refused(*problems)
    problems = _meaning(data, source)
    if problems:
        raise Refused(*problems)
    return data


def _meaning(data: dict[str, Any], source: str) -> list[Problem]:
    out = []
    if data["version"] < 1:
        out.append(Problem("bad_version", f"{source}: version must be at least 1", "version"))
    if data.get("valid_to") is not None and data["valid_to"] <= data["valid_from"]:
        out.append(Problem("bad_dates", f"{source}: valid_to must be after valid_from", "valid_to"))
    for key, value in data.get("limits", {}).items():
        if key not in LIMITS:
            out.append(Problem("unknown_key", f"{source}: unknown limit {key}; limits are {', '.join(LIMITS)}", f"limits.{key}"))
        elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
            out.append(Problem("wrong_type", f"{source}: limits.{key} must be a whole number, not {value!r}", f"limits.{key}"))
    fees = [Problem(p.code, f"{source}: {p.message}", p.field) for p in fee_problems(data.get("fees", []))]
    out += fees
    try:
        ladder("cn", data.get("lender", "bank"), data["valid_from"], str(data["conventions"].get("ladder", "")))
    except NoRule as error:
        out.append(Problem("no_ladder", f"{source}: conventions.ladder: {error}", "conventions.ladder"))
    try:
        example = dict(data["example"])
        own_rows = {"custom_rows": example.pop("custom_rows")} if "custom_rows" in example else {}
        terms = terms_from(data["conventions"], example, own_rows)
        rows = schedule(terms)
        charged = [] if fees else fees_due(fees_read(data.get("fees", [])), terms, rows)
        fees_minor = sum(d.amount_minor for d in charged)
        for f in price_findings(pack("cn"), data.get("lender", "bank"), terms, rows, data["valid_from"], fees_minor):
            field = "example.annual_rate_ppm" if f.field == "annual_rate_ppm" else f"conventions.{f.field}"
            out.append(Problem(f.code, f"{source}: {field}: {f}", field))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        out.append(Problem("bad_terms", f"{source}: conventions: {error}", "conventions"))
    return out


def product_load(text: str, source: str = "product") -> Product:
    """Store one product version; loading the same text again changes nothing, another text under a used version is refused."""
    data = product_check(text, source)
    stored = Product.objects.filter(code=data["code"], version=data["version"]).first()
    if stored is not None:
        if stored.source_yaml != text:
            message = f"{source}: {data['code']} version {data['version']} exists with other content; raise the version"
            raise refuse("version_exists", message, "version")
        return stored
    return Product.objects.create(
        code=data["code"],
        version=data["version"],
        name_zh=data["name_zh"],
        name_en=data["name_en"],
        conventions=data["conventions"],
        limits=data.get("limits", {}),
        fees=data.get("fees", []),
        source_yaml=text,
        valid_from=data["valid_from"],
        valid_to=data.get("valid_to"),
    )


def catalogue_load() -> list[Product]:
    """Load every file of the built-in catalogue."""
    return [product_load(p.read_text(encoding="utf-8"), p.name) for p in sorted(CATALOGUE.glob("*.yaml"))]
