"""Bytes as text: what a file is by its first bytes, and its characters."""

from __future__ import annotations

import codecs
from typing import Literal

from tideover.lending.statements.rules.line import BadStatement

Kind = Literal["sheet", "xml", "swift", "table", "pdf"]


def kind_of(data: bytes) -> Kind:
    """What a file is, by its bytes and never by its name. Raises BadStatement for an empty one."""
    if not data.strip():
        raise BadStatement("empty", "the file is empty")
    head = data.removeprefix(codecs.BOM_UTF8)[:400].lstrip()
    if data[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        return "sheet"
    if data[:4] == b"%PDF":
        return "pdf"
    if head.startswith(b"<") or data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "xml"
    if head.startswith((b"{1:", b":20:", b"{4:")) or b"\n:20:" in data[:2000]:
        return "swift"
    return "table"


def decoded(data: bytes) -> str:
    """UTF-8 (with or without mark), else GB18030. Raises BadStatement when it is neither, or holds NUL."""
    if b"\x00" in data:
        raise BadStatement("encoding", "the file holds NUL bytes: it is not a text file in UTF-8 or GB18030")
    for name in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    raise BadStatement("encoding", "the file is neither UTF-8 nor GB18030")
