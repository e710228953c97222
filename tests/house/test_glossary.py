"""Public names are made of the glossary's words: fields of the engine's records, their values, columns of the tapes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tideover.tape.schema import TABLES

ROOT = Path(__file__).resolve().parents[2]
PLAIN_TEXT = """
    a abs actual added advance after age all amount amounts any as at before by cap carried change changed changes
    closed code conventions cost count counted counts cumulative currency current cut daily data date dated dates day
    days den details down each eligible end even expires exponent extra failed fewer first five fixed flag for forward
    free from future gone half id in is joined joins keep last later left live lower lowers made max method min minor
    mode money month months name never new next num odd of off offsets oldest on only open opened order out over own
    part parts past per ppm proportion quarter rank ratio reason rejected rel remaining requests restart round run
    running segment sent share shares shorten shown since start state steps success term terms third to today total
    totals type unit unknown unpaid until up week what where within worst write year years
"""
PLAIN = frozenset(PLAIN_TEXT.split())
"""Words that mean in a name what they mean in a sentence."""


def names() -> dict[str, str]:
    """Every public name, and where it is."""
    out: dict[str, str] = {}
    for path in sorted((ROOT / "src/tideover/engine").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = {ast.unparse(b) for b in node.bases}
            is_record = any("dataclass" in ast.unparse(d) for d in node.decorator_list) or "NamedTuple" in bases
            for line in node.body:
                if is_record and isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    out.setdefault(line.target.id, f"{path.name}:{line.lineno}")
                elif bases & {"IntEnum", "Enum", "IntFlag"} and isinstance(line, ast.Assign):
                    out.setdefault(ast.unparse(line.targets[0]).lower(), f"{path.name}:{line.lineno}")
    for table, columns in TABLES.items():
        out |= {c.name: f"tape {table}" for c in columns if c.name not in out}
    return {n: at for n, at in out.items() if not n.startswith("_")}


def vocabulary() -> set[str]:
    """The words and phrases that the glossary lists for code."""
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")]
    return {word for row in rows if len(row) > 4 for word in re.findall(r"`(\w+)`", row[3])}


def unknown_words(name: str, known: set[str]) -> list[str]:
    """What is left of a name once the longest known phrases are taken out; numbers and units such as 7d are plain."""
    words, left = name.split("_"), []
    at = 0
    while at < len(words):
        for end in range(len(words), at, -1):
            if "_".join(words[at:end]) in known:
                at = end
                break
        else:
            word = words[at]
            if word not in PLAIN and not re.fullmatch(r"\d+[a-z]?", word):
                left.append(word)
            at += 1
    return left


def test_every_public_name_uses_the_glossary() -> None:
    known = vocabulary()
    strange = {f"{at} {name}": words for name, at in names().items() if (words := unknown_words(name, known))}
    assert strange == {}, "add the words to docs/glossary.md, or use its words"


def test_the_test_sees_a_word_that_is_not_there() -> None:
    assert unknown_words("days_past_due_frobnicated", vocabulary()) == ["frobnicated"]


def test_every_term_has_chinese_a_unit_and_a_meaning() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| term |")
    ]
    assert len(rows) > 70
    assert [r[0] for r in rows if len(r) != 5 or not all(r) or not re.search(r"[一-鿿]", r[1])] == []
    terms = [r[0] for r in rows]
    assert len(terms) == len(set(terms)), "a term stands twice"
