"""A file of a bank as statements, whatever its format; layouts of tables come from presets/ or from one's own mapping."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from tideover.lending.statements.rules.camt import camt_read
from tideover.lending.statements.rules.line import BadStatement, Statement
from tideover.lending.statements.rules.swift import swift_read
from tideover.lending.statements.rules.table import Layout, layout_find, layout_make, rows_of, table_read
from tideover.lending.statements.rules.text import kind_of

PRESETS = Path(__file__).parent / "presets"
BYTES_MAX = 20 << 20


@cache
def presets() -> tuple[Layout, ...]:
    """The layouts that come with the house."""
    return tuple(layout_make(p.stem, yaml.safe_load(p.read_text(encoding="utf-8"))) for p in sorted(PRESETS.glob("*.yaml")))


def mapping_read(text: str) -> Layout:
    """A layout from the text of a YAML file. Raises BadStatement naming what is wrong."""
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadStatement("bad_mapping", f"the mapping is no YAML: {' '.join(str(error).split())[:200]}") from error
    return layout_make("of your own", said)


def file_read(data: bytes, *, mapping: str = "", account: str = "") -> tuple[str, list[Statement]]:
    """(format, statements) of a file. `account`: whose a table is when it does not say so itself.

    Raises BadStatement: nothing is taken of a file that cannot be read as a whole, or whose totals do not hold.
    """
    if len(data) > BYTES_MAX:
        raise BadStatement("too_large", f"the file is larger than {BYTES_MAX >> 20} MB")
    kind = kind_of(data)
    if kind == "pdf":
        raise BadStatement("pdf", "a PDF is for people: ask the bank for CAMT.053, MT940, CSV or XLS")
    if kind == "xml":
        return "camt053", camt_read(data)
    if kind == "swift":
        return "mt940", swift_read(data)
    rows = rows_of(data, kind)
    layout = mapping_read(mapping) if mapping.strip() else layout_find(rows, presets())
    return "table" if mapping.strip() else layout.code, table_read(rows, layout, account)
