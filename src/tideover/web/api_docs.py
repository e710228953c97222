"""/api/docs: the OpenAPI document as one page, made here, so that it needs no script and no outside file."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tideover.web.api import api


def page(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, body, answer and roles."""
    schema = api.get_openapi_schema()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    names = {ref for g in groups.values() for o in g for ref in (o["body"], o["answer"]) if ref}
    schemas = schema["components"]["schemas"]
    context = {
        "info": schema["info"],
        "groups": groups,
        "schemas": [_schema(n, schemas[n]) for n in sorted(_inside(names, schemas))],
    }
    return render(request, "web/api_docs.html", context)


def _operation(path: str, method: str, o: dict[str, Any]) -> dict[str, Any]:
    from tideover.core.access import PERMISSIONS

    name = o["operationId"].replace("_", "-")
    return {
        "id": name,
        "path": path,
        "method": method.upper(),
        "words": o.get("description", ""),
        "parameters": [
            {"name": p["name"], "where": p["in"], "required": p.get("required", False), "type": _type(p["schema"])}
            for p in o.get("parameters", [])
        ],
        "body": _ref(o.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})),
        "answer": _ref(o["responses"].get(200, {}).get("content", {}).get("application/json", {}).get("schema", {})),
        "roles": sorted(r.label for r in PERMISSIONS[f"api:{name}"]),
    }


def _ref(schema: dict[str, Any]) -> str:
    return schema.get("$ref", "").rpartition("/")[2]


def _refs(schema: Any) -> set[str]:
    """Names of the schemas that a schema speaks of."""
    if isinstance(schema, dict):
        mine = {_ref(schema)} if "$ref" in schema else set()
        return mine.union(*(_refs(v) for v in schema.values()))
    return set().union(*(_refs(v) for v in schema)) if isinstance(schema, list) else set()


def _inside(names: set[str], schemas: dict[str, Any]) -> set[str]:
    found: set[str] = {"Problem"}
    while more := names - found:
        found |= more
        names = names.union(*(_refs(schemas[n]) for n in more))
    return found | _refs(schemas["Problem"])


def _type(schema: dict[str, Any]) -> str:
    """A type in a few words: `text, at most 30`, `list of RowOut`, `date or nothing`."""
    if "anyOf" in schema:
        kinds = list(dict.fromkeys(_type(s) for s in schema["anyOf"]))
        return " or ".join(kinds)
    if "$ref" in schema:
        return _ref(schema)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = {"string": schema.get("format", "text"), "null": "nothing", "integer": "whole number", "object": "object"}
    bounds = [f"{word} {schema[key]}" for key, word in BOUNDS.items() if key in schema]
    return ", ".join([words.get(kind, kind), *bounds])


BOUNDS = {"minimum": "from", "maximum": "to", "exclusiveMinimum": "above", "maxLength": "at most", "pattern": "like"}


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    needed = schema.get("required", [])
    fields = [
        {"name": f, "type": _type(s), "required": f in needed, "words": s.get("description", "")}
        for f, s in schema.get("properties", {}).items()
    ]
    return {"name": name, "words": schema.get("description", ""), "fields": fields}
