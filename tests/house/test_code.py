"""The code itself: nothing dead, public functions say what they do, files stay one idea, nothing names a machine."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/tideover"
SOURCES = sorted(p for p in PACKAGE.rglob("*.py") if "migrations" not in p.parts)
LINES_MAX = 600
LONGER = {
    "src/tideover/engine/kernel.py": "one compiled state machine: its parts share a state that numba inlines",
    "src/tideover/engine/reference.py": "one readable replay, one method an event, in the order of the description",
}
"""Longer files, each with its reason."""
FRAMEWORK = {
    "ready", "Meta", "from_db_value", "to_python", "get_prep_value", "authenticate", "handle", "deconstruct", "clean", "save",
    "get_openapi_schema", "application", "get_default", "value_to_string", "handler403", "handler404", "handler500", "handler400",
    "form_valid", "form_invalid", "process_exception",
}  # fmt: skip
"""Names that a framework calls."""
BANNED = re.compile(
    r"\b(?:TODO|FIXME|XXX)\b|/work/(?:main|wt|shared|\.)|/root/|/home/\w|\b(?:chat session|AI agent|language model|prompt)\b",
    re.I,
)


def tracked() -> list[Path]:
    """Text files of the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split("\n")
    kinds = {".py", ".md", ".sh", ".yaml", ".toml", ".html", ".css", ".tsv", ".sql"}
    return [ROOT / n for n in listed if n and (Path(n).suffix in kinds or n in ("Makefile", ".ci/run")) and (ROOT / n).exists()]


def public_functions(path: Path) -> list[ast.FunctionDef]:
    """Functions and methods without an underscore that are not nested in another function."""
    out: list[ast.FunctionDef] = []

    def walk(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                walk(node.body)
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                out.append(node)

    walk(ast.parse(path.read_text(encoding="utf-8")).body)
    return out


def needs_docstring(path: Path) -> bool:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] in ("engine", "tape") or "rules" in parts


@pytest.mark.parametrize("path", [p for p in SOURCES if needs_docstring(p)], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_public_functions_of_engine_tape_and_rules_say_what_they_do(path: Path) -> None:
    silent = [f"{f.name}:{f.lineno}" for f in public_functions(path) if ast.get_docstring(f) is None]
    trivial = {f"{f.name}:{f.lineno}" for f in public_functions(path) if _is_one_line(f)}
    assert [s for s in silent if s not in trivial] == []


def _is_one_line(function: ast.FunctionDef) -> bool:
    """A property or protocol method whose name says all: one expression."""
    return len(function.body) == 1 and (bool(function.decorator_list) or isinstance(function.body[0], ast.Expr))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_parameters_that_a_docstring_documents_exist(path: Path) -> None:
    """A line of a docstring like `name: what it is` names a parameter, a field or a section."""
    wrong = []
    sections = {"shapes", "units", "bounds", "errors", "source", "returns", "raises", "layout"}
    for function in public_functions(path):
        given = {a.arg for a in [*function.args.args, *function.args.kwonlyargs, *function.args.posonlyargs]}
        given |= {a.arg for a in (function.args.vararg, function.args.kwarg) if a}
        for words in re.findall(r"^    +([a-z_]+(?:, [a-z_]+)*): ", ast.get_docstring(function, clean=False) or "", re.M):
            for word in words.split(", "):
                if "_" in word and word not in given | sections:
                    wrong.append(f"{function.name}:{function.lineno} documents {word}")
    assert wrong == []


def test_no_file_is_long_without_a_reason() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES}
    assert {n: k for n, k in lengths.items() if k > LINES_MAX and n not in LONGER} == {}


def test_nothing_names_a_machine_or_is_left_for_later() -> None:
    here = Path(__file__)
    found = {
        str(p.relative_to(ROOT)): BANNED.findall(p.read_text(encoding="utf-8"))
        for p in tracked()
        if p != here and p.name != "test_repository.py"
    }
    assert {n: w for n, w in found.items() if w} == {}


def used_names() -> Counter[str]:
    """How often each name is used anywhere: code, templates, tests, scripts, configuration."""
    out: Counter[str] = Counter()
    folders = ("src", "tests", "scripts", "bench", "examples")
    for path in [p for f in folders for p in (ROOT / f).rglob("*") if p.suffix in (".py", ".html", ".sh", ".md")]:
        if "generated" not in path.name and path.name != "README.md":
            out.update(re.findall(r"\b[A-Za-z_]\w*\b", path.read_text(encoding="utf-8")))
    out.update(re.findall(r"\b[A-Za-z_]\w*\b", (ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    return out


def test_no_function_class_or_constant_is_dead() -> None:
    """Each is named at least once besides its definition (in code, a template, a test). Views, API operations and fields that a
    framework finds by decorator are left out."""
    used, dead = used_names(), []
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names: list[str] = []
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
                names = [node.name]
                if isinstance(node, ast.ClassDef):
                    names += [m.name for m in node.body if isinstance(m, ast.FunctionDef) and not m.decorator_list]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names = [node.targets[0].id]
            for name in names:
                if (
                    used[name] <= 1
                    and not name.startswith("__")
                    and name not in FRAMEWORK
                    and path.name not in ("settings.py", "apps.py")
                ):
                    dead.append(f"{path.relative_to(PACKAGE)}: {name}")
    assert dead == []


def test_no_module_is_dead() -> None:
    """Each module is imported, or named as text (an app, a command, a migration), somewhere."""
    text = "\n".join(
        p.read_text(encoding="utf-8")
        for f in ("src", "tests", "scripts", "bench")
        for p in (ROOT / f).rglob("*")
        if p.suffix in (".py", ".sh")
    )
    text += (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    dead = []
    for path in SOURCES:
        dotted = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        parent, _, name = dotted.rpartition(".")
        if path.name in ("__init__.py", "apps.py"):
            continue
        if not (
            dotted in text
            or re.search(
                rf"from {re.escape(parent)} import [^\n]*\b{name}\b|from {re.escape(parent)} import \([^)]*\b{name}\b", text
            )
        ):
            dead.append(dotted)
    assert dead == []
