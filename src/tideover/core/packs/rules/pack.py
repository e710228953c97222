"""What a pack is: dated rules with a citation each; text in, rules or a list of problems with file, key and line out.

Pure: reads no disk and no clock. Values are whole numbers (ppm, minor units, days, counts), dates, words, truth values, and
lists or tables of them; a fraction is refused, so that no rule is ever a little off.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

STATUSES = ("law", "regulation", "normative", "standard", "self_regulation", "window_guidance", "house", "market_data")
RULE_KEYS = {"id", "valid_from", "valid_to", "status", "citation", "source", "note", "values"}
RULE_NEEDS = ("id", "valid_from", "status", "citation", "note", "values")
CITATION_KEYS = {"instrument", "article", "url"}
CITATION_NEEDS = ("instrument", "article")
FILE_KEYS = {"pack", "rules"}


class PackError(ValueError):
    """A pack that cannot be read. `problems`: one sentence each, naming file, line and key."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


class NoRule(LookupError):
    """No rule of this name is in force on this day."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a rule is written: instrument, article, and its address where one is known."""

    instrument: str
    article: str
    url: str = ""

    def __str__(self) -> str:
        return f"{self.instrument} {self.article}".strip()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in force from `valid_from` to the day before `valid_to` (None: open end)."""

    id: str
    valid_from: date
    valid_to: date | None
    status: str
    citation: Citation
    note: str
    values: Mapping[str, Any]
    source: str = ""
    file: str = ""
    line: int = 0

    def in_force(self, on: date) -> bool:
        """Whether the rule holds on a day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


@dataclass(frozen=True, slots=True)
class Pack:
    """The rules of one jurisdiction by id, each id's rules in order of time and without overlap."""

    name: str
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Rule]:
        return (r for name in sorted(self.rules) for r in self.rules[name])


def rule(pack: Pack, id: str, on: date) -> Rule:
    """The rule `id` in force on a day. Raises NoRule, saying when the rule does hold."""
    for r in pack.rules.get(id, ()):
        if r.in_force(on):
            return r
    if id not in pack.rules:
        raise NoRule(f"pack {pack.name} has no rule {id}")
    spans = ", ".join(f"{r.valid_from} to {r.valid_to or 'further notice'}" for r in pack.rules[id])
    raise NoRule(f"pack {pack.name}: no rule {id} in force on {on}; it holds {spans} (the end day not counted)")


def pack_read(name: str, files: Iterable[tuple[str, str]]) -> Pack:
    """The pack from (file name, text) pairs. Raises PackError with everything that is wrong in all of them."""
    problems: list[str] = []
    found: dict[str, list[Rule]] = {}
    for file, text in files:
        for r in _file_rules(name, file, text, problems):
            found.setdefault(r.id, []).append(r)
    for id, rules in found.items():
        rules.sort(key=lambda r: r.valid_from)
        for a, b in itertools.pairwise(rules):
            if a.valid_to is None or a.valid_to > b.valid_from:
                problems.append(
                    f"{b.file}:{b.line}: valid_from: {id} from {b.valid_from} overlaps {a.file}:{a.line}, "
                    f"which holds to {a.valid_to or 'further notice'}"
                )
    if problems:
        raise PackError(problems)
    return Pack(name, {id: tuple(rules) for id, rules in found.items()})


class _Bad(Exception):
    pass


def _file_rules(name: str, file: str, text: str, problems: list[str]) -> list[Rule]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problems.append(f"{file}:{mark.line + 1 if mark else 1}: not YAML: {getattr(error, 'problem', error)}")
        return []
    if not isinstance(root, yaml.MappingNode):
        problems.append(f"{file}:1: expected the keys pack and rules")
        return []
    keys = _table(file, "", root, FILE_KEYS, tuple(sorted(FILE_KEYS)), problems)
    if "pack" in keys and keys["pack"].value != name:
        problems.append(f"{file}:{_line(keys['pack'])}: pack: {keys['pack'].value!r} lies in the folder of pack {name}")
    rules = keys.get("rules")
    if rules is None:
        return []
    if not isinstance(rules, yaml.SequenceNode):
        problems.append(f"{file}:{_line(rules)}: rules: must be a list")
        return []
    out = []
    for node in rules.value:
        before = len(problems)
        read = _rule(file, node, problems)
        if read is not None and len(problems) == before:
            out.append(read)
    return out


def _rule(file: str, node: yaml.Node, problems: list[str]) -> Rule | None:
    if not isinstance(node, yaml.MappingNode):
        problems.append(f"{file}:{_line(node)}: rules: each rule must be a table of keys")
        return None
    keys = _table(file, "", node, RULE_KEYS, RULE_NEEDS, problems)
    got: dict[str, Any] = {}
    for key, child in keys.items():
        if key != "citation":
            _take(file, key, child, got, problems)
    for key, kind, word in (
        ("id", str, "text"), ("valid_from", date, "a date"), ("valid_to", date, "a date"), ("status", str, "text"),
        ("source", str, "text"), ("note", str, "text"), ("values", dict, "a table"),
    ):  # fmt: skip
        if key in got and not isinstance(got[key], kind):
            problems.append(f"{file}:{_line(keys[key])}: {key}: must be {word}, not {got[key]!r}")
            del got[key]
    if "status" in got and got["status"] not in STATUSES:
        problems.append(f"{file}:{_line(keys['status'])}: status: {got['status']!r} is not one of {', '.join(STATUSES)}")
    if got.get("valid_to") and got.get("valid_from") and got["valid_to"] <= got["valid_from"]:
        problems.append(f"{file}:{_line(keys['valid_to'])}: valid_to: {got['valid_to']} must be after {got['valid_from']}")
    cited = _citation(file, keys["citation"], problems) if "citation" in keys else None
    if cited is None or any(k not in got for k in RULE_NEEDS if k != "citation"):
        return None
    return Rule(
        got["id"], got["valid_from"], got.get("valid_to"), got["status"], cited, got["note"], got["values"],
        got.get("source", ""), file, _line(node),
    )  # fmt: skip


def _citation(file: str, node: yaml.Node, problems: list[str]) -> Citation | None:
    if not isinstance(node, yaml.MappingNode):
        problems.append(f"{file}:{_line(node)}: citation: must be a table with instrument and article")
        return None
    keys = _table(file, "citation.", node, CITATION_KEYS, CITATION_NEEDS, problems)
    got: dict[str, Any] = {}
    for key, child in keys.items():
        _take(file, f"citation.{key}", child, got, problems)
        if not isinstance(got.get(f"citation.{key}", ""), str):
            problems.append(f"{file}:{_line(child)}: citation.{key}: must be text")
    if any(not isinstance(got.get(f"citation.{k}"), str) for k in CITATION_NEEDS):
        return None
    if not got["citation.instrument"].strip():
        problems.append(f"{file}:{_line(node)}: citation.instrument: is empty")
    return Citation(got["citation.instrument"], got["citation.article"], str(got.get("citation.url", "")))


def _take(file: str, key: str, node: yaml.Node, got: dict[str, Any], problems: list[str]) -> None:
    try:
        got[key] = _plain(file, key, node)
    except _Bad as bad:
        problems.append(str(bad))


def _table(
    file: str, prefix: str, node: yaml.MappingNode, known: set[str], needs: tuple[str, ...], problems: list[str]
) -> dict[str, yaml.Node]:
    out: dict[str, yaml.Node] = {}
    for key_node, child in node.value:
        key = str(key_node.value)
        if key not in known:
            problems.append(f"{file}:{_line(key_node)}: {prefix}{key}: unknown key; keys are {', '.join(sorted(known))}")
        elif key in out:
            problems.append(f"{file}:{_line(key_node)}: {prefix}{key}: stands twice")
        else:
            out[key] = child
    for key in needs:
        if key not in out:
            problems.append(f"{file}:{_line(node)}: {prefix}{key}: is missing")
    return out


def _plain(file: str, key: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return tuple(_plain(file, key, n) for n in node.value)
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for k, v in node.value:
            if k.value in out:
                raise _Bad(f"{file}:{_line(k)}: {key}.{k.value}: stands twice")
            out[str(k.value)] = _plain(file, f"{key}.{k.value}", v)
        return out
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError) as error:
        raise _Bad(f"{file}:{_line(node)}: {key}: {error}") from error
    if type(value) not in (int, str, bool, date):
        raise _Bad(f"{file}:{_line(node)}: {key}: {node.value!r} is not a whole number, a date, a word or true/false")
    return value


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
