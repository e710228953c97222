"""Documentation that cannot rot: generated pages are current, and everything that has a name is documented."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from tideover.core.packs.load import pack, pack_names
from tideover.engine.events import EventKind
from tideover.lending.rules.events import FIELD_MEANINGS, MEANINGS, READERS, SHAPES

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts/docs.py")
assert spec is not None and spec.loader is not None
docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(docs)
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "src/tideover").glob("*/README.md")])
PATH = re.compile(r"`((?:src|tests|scripts|docs|engine|tape|core|lending|daily|simulate|conform|web|bench)/[\w./-]+\.\w+)`")


@pytest.mark.parametrize("page", docs.pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_generated_parts_are_current(page: Path) -> None:
    assert docs.fresh(page) == page.read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_and_link_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = [n for n in PATH.findall(text) if not n.startswith("docs/soak")]
    missing = [n for n in named if not (ROOT / n).exists() and not (ROOT / "src/tideover" / n).exists()]
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing += [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_every_page_has_one_title() -> None:
    assert [str(p) for p in PAGES if len(re.findall(r"^# ", re.sub(r"(?ms)^```.*?^```", "", p.read_text()), re.M)) != 1] == []


@pytest.mark.parametrize("feature", docs.features())
def test_each_feature_has_a_readme_that_names_its_modules(feature: str) -> None:
    text = (ROOT / "src/tideover" / feature / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {feature}\n") and "**Decides**" in text and "**Reads**" in text and "**Writes**" in text
    assert [name for name, _ in docs.modules(feature) if f"`{name}`" not in text] == []


def test_every_kind_of_event_and_every_field_has_a_meaning() -> None:
    assert set(MEANINGS) == set(SHAPES) == set(EventKind)
    assert set(FIELD_MEANINGS) == set(READERS)
    assert set().union(*(s.needs | s.may for s in SHAPES.values())) == set(READERS)


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([A-Z_]+)`", text, re.M))
    read: set[str] = set()
    for path in [p for d in ("src", "tests", "scripts", "bench") for p in (ROOT / d).rglob("*") if p.suffix in (".py", ".sh")]:
        read |= set(re.findall(r"\bTIDEOVER_[A-Z_]+\b", path.read_text(encoding="utf-8")))
    ours = {name for name in documented if name.startswith("TIDEOVER_")}
    assert (read - ours, ours - read) == (set(), set())


def test_every_rule_of_every_pack_is_in_its_page() -> None:
    text = (ROOT / "docs/packs.md").read_text(encoding="utf-8")
    assert [r.id for name in pack_names() for r in pack(name) if f"| {r.id} |" not in text] == []


def test_every_dependency_says_what_it_is_for() -> None:
    given = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*given["dependencies"], *(d for group in given["optional-dependencies"].values() for d in group)]
    names = {re.split(r"[\[<>=~ ]", d)[0] for d in wanted}
    rows = re.findall(
        r"^\| `([\w-]+)` \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs/decisions/dependencies.md").read_text(), re.M
    )
    assert {r[0] for r in rows} == names and len(rows) == len(names)


@pytest.mark.parametrize("page", sorted((ROOT / "docs/decisions").glob("0*.md")), ids=lambda p: p.stem)
def test_a_decision_has_a_number_a_date_and_what_was_rejected(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.name[:4]} ") and re.search(r"^20\d\d-\d\d-\d\d\. ", text, re.M) and "Rejected: " in text
    assert len(text.splitlines()) <= 40


def test_every_operation_of_the_api_has_a_summary(db: None) -> None:
    from tideover.web.api import api

    said = {
        o["operationId"]: o.get("summary", "") for methods in api.get_openapi_schema()["paths"].values() for o in methods.values()
    }
    assert len(said) > 40 and [name for name, summary in said.items() if not summary] == []


def test_the_readmes_show_the_same_commands() -> None:
    english, chinese = ((ROOT / n).read_text(encoding="utf-8") for n in ("README.md", "README.zh.md"))
    for text in (english, chinese):
        assert {"make demo", "make test"} <= set(re.findall(r"make \w+", text))
    assert set(re.findall(r"`(src/[\w/]+)`", english)) == set(re.findall(r"`(src/[\w/]+)`", chinese))


def test_the_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert code is not None
    exec(compile(code[1], "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 13
