"""Cells of files that people open in a spreadsheet."""

from __future__ import annotations

from typing import Any

MARK = "\ufeff"
"""Before UTF-8 text: without it spreadsheets read Chinese as something else."""


def cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
