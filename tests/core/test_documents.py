"""Documents of the kit: numbered, hashed, the same again, found by code and by bytes. A kind of the test's own."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tideover.core.documents import (
    Amount,
    DocumentKind,
    document_bytes,
    document_issue,
    document_verify,
    kinds,
    missing,
    register,
)
from tideover.core.documents.kinds import kind_of, template_of
from tideover.core.documents.render import render, square
from tideover.core.models import ActionLog, Document, DocumentCount
from tideover.core.problems import Refused

NOTE = '#import "/base.typ": *\n#show: paper.with(title: "Note")\n#data.text #data.sum.figure #data.sum.capital'
AS_OF = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def note(tmp_path: Path) -> Iterator[None]:
    """A kind of document that says a text and an amount."""
    for language in ("zh-hans", "en"):
        (tmp_path / f"note.{language}.typ").write_text(NOTE, encoding="utf-8")
    register(DocumentKind("note", "NT", "Note", tmp_path, lambda data: missing(data, "text", "sum")))
    yield
    kinds.forget("note")


def issue(
    text: str = "hello", language: str = "en", subject: str = "1", issuer: str = "Example Bank", minor: int = 127363
) -> Document:
    data = {"issuer": issuer, "text": text, "sum": Amount(minor)}
    return document_issue("note", subject=("thing", subject), language=language, data=data, as_of=AS_OF, actor="tester")


@pytest.mark.django_db
def test_numbers_without_gaps_and_the_same_again_is_the_same() -> None:
    first, again, other = issue(), issue(), issue(subject="2")
    assert again.pk == first.pk and document_bytes(again) == document_bytes(first)
    year = first.issued_at.year
    assert [first.number, other.number] == [f"NT-{year}-000001", f"NT-{year}-000002"]
    with pytest.raises(Refused) as error:
        issue(text="", subject="3")
    assert [p.field for p in error.value.problems] == ["text"]
    with pytest.raises(Refused) as error:
        issue(text="𠮷", subject="3")
    assert error.value.problems[0].code == "no_glyph" and "𠮷" in error.value.problems[0].message
    assert issue(subject="3").sequence == 3 and DocumentCount.objects.get(kind="note").last == 3
    assert ActionLog.objects.filter(action="document.issue").count() == 3


@pytest.mark.django_db
def test_rare_name_characters_are_set_in_the_font() -> None:
    names = "㛃䶮㙓𬀩𫘦𬭊堃喆頔"
    text = PdfReader(io.BytesIO(document_bytes(issue(text=names, language="zh-hans")))).pages[0].extract_text()
    assert names in text.replace("\n", "") and "人民币壹仟贰佰柒拾叁元陆角叁分" in text.replace("\n", "")


@pytest.mark.django_db
def test_what_is_kept_is_sealed_and_is_archive_pdf_with_its_font_inside() -> None:
    document = issue()
    content = document_bytes(document)
    assert b"%PDF" not in bytes(Document.objects.get(pk=document.pk).content) and content.startswith(b"%PDF")
    assert hashlib.sha256(content).digest() == bytes(document.sha256)
    pdf = PdfReader(io.BytesIO(content))
    xmp = pdf.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in xmp and "<pdfaid:conformance>B</pdfaid:conformance>" in xmp
    assert document.number in xmp
    fonts = pdf.pages[0]["/Resources"]["/Font"].values()
    for font in fonts:
        inner = font.get_object()["/DescendantFonts"][0].get_object()
        assert "NotoSansSC" in inner["/BaseFont"]
        assert {"/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"].get_object())


@pytest.mark.django_db
def test_a_document_with_other_figures_supersedes_the_one_of_that_day() -> None:
    first, second = issue(), issue(minor=1)
    first.refresh_from_db()
    assert first.superseded_by == second and (first.state, second.state) == ("superseded", "valid")
    assert document_verify(document_bytes(first)).state == "superseded"
    assert document_verify(document_bytes(second)).state == "genuine"


@pytest.mark.django_db
def test_genuine_altered_unknown_by_bytes_and_by_code() -> None:
    document = issue()
    content = document_bytes(document)
    said = document_verify(content)
    assert (said.state, said.number, said.kind, said.issuer) == ("genuine", document.number, "note", "Example Bank")
    for typed in (document.code, said.code, said.code.lower().replace("-", " "), document.code.removeprefix("V-")):
        assert document_verify(typed).state == "genuine", typed
    at = content.index(b"stream") + 20
    altered = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
    assert document_verify(altered).state == "altered" and document_verify(altered).number == document.number
    assert document_verify(content + b"\n").state == "altered"
    assert document_verify(b"%PDF-1.7 nothing of ours").state == "unknown"
    wrong = document.code[:-1] + ("0" if document.code[-1] != "0" else "1")
    assert document_verify(wrong).state == "unknown" and document_verify("").state == "unknown"


@pytest.mark.django_db
def test_every_page_can_be_looked_at_as_an_image() -> None:
    import json

    document = issue()
    pages = render(template_of(kind_of("note"), "en"), json.loads(document.data), document.issued_at, png=True)
    assert [p[:4] for p in pages] == [b"\x89PNG"]


@pytest.mark.django_db
def test_a_square_code_leads_to_the_check_where_the_site_has_an_address(settings: Any) -> None:
    settings.SITE_URL = "https://bank.example"
    document = issue()
    page = PdfReader(io.BytesIO(document_bytes(document))).pages[0]
    address = f"https://bank.example/verify?code={document_verify(document.code).code}"
    links = [a.get_object()["/A"]["/URI"] for a in page["/Annots"]]
    assert links == [address] * 2 and "Scan to check" in page.extract_text()
    assert 'd="M4 4.5h7' in square(address), "the corner of a square code, after its quiet zone"
    values, template = json.loads(document.data), template_of(kind_of("note"), "en")
    assert render(template, values, document.issued_at) == [document_bytes(document)], "the same again, bit for bit"
    assert render(template, {**values, "meta": {**values["meta"], "check": address + "x"}}, document.issued_at) != [
        document_bytes(document)
    ]


@pytest.mark.django_db
def test_without_an_address_the_code_stands_alone() -> None:
    page = PdfReader(io.BytesIO(document_bytes(issue()))).pages[0]
    assert "/Annots" not in page and "Verification code" in page.extract_text() and square("") == ""
