"""From a template and its values to the bytes of a PDF/A-2b: the same input, the same bytes, in every process.

Only the fonts of our own folder are used, never the system's: what a machine has installed must not change a document.
"""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import segno
import typst
from django.conf import settings

from tideover.core.documents.values import canonical
from tideover.core.problems import Problem, Refused

TEMPLATES = Path(__file__).parent / "templates"
"""The root of every template: `#import "/base.typ": *` reads the page of the house."""
FAMILY = "Noto Sans SC"
STANDARD: Literal["a-2b"] = "a-2b"


class NoFont(Refused):
    """The font of documents is not installed."""

    status = 503


@lru_cache(maxsize=4)
def _fonts(folder: str) -> tuple[typst.Fonts, tuple[str, ...]]:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
    weights = {f.weight for f in fonts.fonts() if f.family == FAMILY}
    if not {400, 700} <= weights:
        raise NoFont(Problem("no_font", font_problem() or f"{FAMILY} is not in {folder}"))
    return fonts, (FAMILY, *sorted({f.family for f in fonts.fonts()} - {FAMILY}))


def font_problem() -> str:
    """What is wrong with the font of documents, and what to do; empty when nothing is."""
    folder = Path(settings.FONT_DIR)
    if any(folder.glob("NotoSansSC*egular*")) and any(folder.glob("NotoSansSC*old*")):
        return ""
    return f"{FAMILY} (regular and bold) is not in {folder}: run python scripts/fonts.py, or set TIDEOVER_FONTS"


def template_hash(template: bytes) -> bytes:
    """SHA-256 over a kind's template and the page of the house that it imports."""
    return hashlib.sha256(template + (TEMPLATES / "base.typ").read_bytes()).digest()


def render(template: bytes, values: Any, at: datetime, *, png: bool = False) -> list[bytes]:
    """The PDF (one item) or, for looking at, its pages as PNG.

    `at`: the creation time in the PDF, to the second. Raises Refused: a character that no font has, a template that is wrong.
    """
    fonts, families = _fonts(str(settings.FONT_DIR))
    compiler = typst.Compiler(template, root=TEMPLATES, font_paths=fonts, ignore_system_fonts=True)
    inputs = {"document": canonical({**values, "fonts": list(families), "square": square(values["meta"].get("check", ""))})}
    try:
        if png:
            made = compiler.compile(format="png", sys_inputs=inputs, ppi=110)
        else:
            seconds = int(at.astimezone(UTC).timestamp())
            made = compiler.compile(format="pdf", sys_inputs=inputs, pdf_standards=[STANDARD], timestamp=seconds)
    except typst.TypstError as error:
        raise Refused(_problem(error.message, error.diagnostic)) from error
    assert made is not None
    return [made] if isinstance(made, bytes) else list(made)


def square(address: str) -> str:
    """A QR code (ISO/IEC 18004, level M) of an address as SVG, with the quiet zone of four modules; empty for none."""
    if not address:
        return ""
    out = io.BytesIO()
    segno.make_qr(address, error="m").save(
        out, kind="svg", border=4, dark="#17211F", xmldecl=False, svgclass=None, lineclass=None
    )
    return out.getvalue().decode()


def _problem(message: str, diagnostic: str) -> Problem:
    if "could not be displayed with font" in message:
        text = message.partition('"')[2].partition('"')[0]
        words = f"no font here has the character in {text}: put one that has it into the folder of fonts (docs/documents.md)"
        return Problem("no_glyph", words)
    return Problem("bad_template", f"the template cannot be set: {message}; {diagnostic[:400]}")
