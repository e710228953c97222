"""Write the generated parts of the documentation from the code: `make docs`. `--check` only says what is stale, and exits 1.

A part lies between the comments `generated: NAME` and `end of NAME`; what stands around it is written by hand. A test compares.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src/tideover"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of \2 -->)", re.S)
SAID_BY_ITS_NAME = {"__init__.py": "", "apps.py": "Registers the folder with Django."}


def features() -> list[str]:
    """Folders of src/tideover that are packages."""
    return sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))


def first_sentence(text: str) -> str:
    """The first line of a docstring or paragraph, on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())


def modules(feature: str) -> Iterator[tuple[str, str]]:
    """(path inside the folder, what its docstring says) of every module; migrations and empty files left out."""
    for path in sorted((PACKAGE / feature).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "migrations" in path.parts or not text.strip():
            continue
        said = SAID_BY_ITS_NAME.get(path.name) or first_sentence(ast.get_docstring(ast.parse(text)) or "")
        yield str(path.relative_to(PACKAGE / feature)), said


def part_modules(page: Path) -> str:
    """The modules of the folder in which a README lies."""
    lines = ["| module | what it is for |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {said.replace('|', '∣')} |" for name, said in modules(page.parent.name)])


def part_folders(page: Path) -> str:
    """Every folder with the first paragraph of its README."""
    lines = ["| folder | what it is for |", "|---|---|"]
    for name in features():
        readme = PACKAGE / name / "README.md"
        body = readme.read_text(encoding="utf-8").split("\n", 1)[1] if readme.exists() else ""
        lines.append(f"| [`{name}`](../src/tideover/{name}/README.md) | {first_sentence(body)} |")
    return "\n".join(lines)


def part_packs(page: Path) -> str:
    """Every rule of every pack."""
    from tideover.core.packs.commands import table

    return table()


def part_commands(page: Path) -> str:
    """Every command and its arguments, from the parsers."""
    from tideover.cli import parser

    return "\n".join(_command("tideover", parser(), 0)).strip()


def _command(name: str, parser: argparse.ArgumentParser, depth: int) -> Iterator[str]:
    plain = [a for a in parser._actions if not isinstance(a, argparse._SubParsersAction | argparse._HelpAction)]
    if depth:
        yield f"{'#' * (depth + 1)} `{name}`\n"
        yield f"{first_sentence(parser.description or '')}\n"
    if plain:
        yield "| argument | meaning |"
        yield "|---|---|"
        for a in plain:
            yield f"| `{_spelling(a)}` | {_said(a)} |"
        yield ""
    for a in parser._actions:
        if isinstance(a, argparse._SubParsersAction):
            for word, inner in a.choices.items():
                yield from _command(f"{name} {word}", inner, depth + 1)


def _spelling(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    if not action.option_strings:
        return str(value)
    words = ", ".join(action.option_strings)
    return words if action.nargs == 0 else f"{words} {value}"


def _said(action: argparse.Action) -> str:
    said = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    default = action.default
    if default not in (None, False, argparse.SUPPRESS, []) and "default" not in said:
        said += f" (default {default})"
    return said.strip().replace("|", "∣")


def part_events(page: Path) -> str:
    """Every kind of event: number, money, fields, meaning."""
    from tideover.engine.events import EventKind
    from tideover.lending.rules.events import MEANINGS, SHAPES

    lines = ["| nr | kind | amount | needs | may have | what happened |", "|---|---|---|---|---|---|"]
    for kind in EventKind:
        if kind not in SHAPES:
            lines.append(f"| {kind.value} | `{kind.name.lower()}` | | | | of the engine; the journal does not take it |")
            continue
        shape = SHAPES[kind]
        needs, may = (", ".join(f"`{f}`" for f in sorted(given - {"note"})) or "–" for given in (shape.needs, shape.may))
        said = MEANINGS.get(kind, "")
        lines.append(f"| {kind.value} | `{kind.name.lower()}` | {shape.money.value} | {needs} | {may} | {said} |")
    return "\n".join(lines)


def part_fields(page: Path) -> str:
    """Every field of `extra`."""
    from tideover.lending.rules.events import FIELD_MEANINGS, READERS

    lines = ["| field | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {FIELD_MEANINGS[name]} |" for name in sorted(READERS)])


def part_terms(page: Path) -> str:
    """Every term of a loan with its default, for products and overrides."""
    from dataclasses import MISSING, fields
    from enum import IntEnum

    from tideover.engine import terms as T
    from tideover.lending.contract_terms import TERM_TYPES

    lines = ["| term | default | may be |", "|---|---|---|"]
    for f in fields(T.Terms):
        kind, default = TERM_TYPES[f.name], f.default if f.default is not MISSING else "(set by the product or the contract)"
        if f.default_factory is not MISSING:
            default = "see below" if f.name in ("penalty", "dpd") else "none"
        if isinstance(default, tuple):
            default = ", ".join(c.name.lower() for c in default) or "none"
        is_enum = isinstance(kind, type) and issubclass(kind, IntEnum)
        shown = default.name.lower() if isinstance(default, IntEnum) else "none" if default in (None, T.NO_DAY) else default
        lines.append(f"| `{f.name}` | {shown} | {', '.join(m.name.lower() for m in kind) if is_enum else ''} |")
    return "\n".join(lines)


def part_presets(page: Path) -> str:
    """Every preset that makes terms, with its first line."""
    tree = ast.parse((PACKAGE / "engine/presets.py").read_text(encoding="utf-8"))
    lines = ["| preset | what it is |", "|---|---|"]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            lines.append(f"| `{node.name}` | {first_sentence(ast.get_docstring(node) or '')} |")
    return "\n".join(lines)


PARTS: dict[str, Callable[[Path], str]] = {
    "modules": part_modules, "folders": part_folders, "packs": part_packs, "commands": part_commands, "events": part_events,
    "fields": part_fields, "terms": part_terms, "presets": part_presets,
}  # fmt: skip


def pages() -> list[Path]:
    """Every page that may hold a generated part."""
    return sorted([*(ROOT / "docs").rglob("*.md"), *PACKAGE.glob("*/README.md")])


def fresh(page: Path) -> str:
    """A page with its generated parts made new."""

    def made(found: re.Match[str]) -> str:
        return f"{found[1]}\n{PARTS[found[2]](page)}\n\n{found[3]}"

    return PART.sub(made, page.read_text(encoding="utf-8"))


def main() -> int:
    """Rewrite what is stale, or with --check say it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tideover.web.settings")
    import django

    django.setup()
    stale = 0
    for page in pages():
        new = fresh(page)
        if new != page.read_text(encoding="utf-8"):
            stale += 1
            print(page.relative_to(ROOT))
            if "--check" not in sys.argv:
                page.write_text(new, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
