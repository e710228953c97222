"""The product catalogue: versioned YAML files, checked before they are stored."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tideover.core.problems import refuse
from tideover.lending.contract_terms import terms_from
from tideover.lending.models import Product

CATALOGUE = Path(__file__).parent / "catalogue"
REQUIRED = ("code", "version", "name_zh", "name_en", "valid_from", "conventions", "example")
OPTIONAL = ("limits", "valid_to")


def product_check(text: str, source: str = "product") -> dict[str, Any]:
    """The parsed product. Raises Refused naming the file and key: unknown or missing keys, impossible terms.

    `example`: the columns of one plausible contract, so that the conventions are proved to give a schedule.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise refuse("bad_yaml", f"{source}: {error}") from error
    if not isinstance(data, dict):
        raise refuse("bad_yaml", f"{source}: expected keys and values")
    for key in data:
        if key not in (*REQUIRED, *OPTIONAL):
            raise refuse("unknown_key", f"{source}: unknown key {key}", str(key))
    for key in REQUIRED:
        if key not in data:
            raise refuse("missing_key", f"{source}: {key} is missing", key)
    try:
        terms_from(data["conventions"], data["example"])
    except (ValueError, TypeError) as error:
        raise refuse("bad_terms", f"{source}: conventions: {error}", "conventions") from error
    return data


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
        source_yaml=text,
        valid_from=date.fromisoformat(str(data["valid_from"])),
        valid_to=date.fromisoformat(str(data["valid_to"])) if data.get("valid_to") else None,
    )


def catalogue_load() -> list[Product]:
    """Load every file of the built-in catalogue."""
    return [product_load(p.read_text(encoding="utf-8"), p.name) for p in sorted(CATALOGUE.glob("*.yaml"))]
