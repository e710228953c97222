"""Keeping documents: their time, their wholeness, the command line, and numbers under concurrent issue."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.test_documents import issue, note  # noqa: F401  (a fixture)
from tests.databases import book_fresh
from tideover.core.commands_documents import run_verify
from tideover.core.documents import document_bytes, document_verify
from tideover.core.documents.keep import document_faults, documents_expire
from tideover.core.models import ActionLog, Document
from tideover.core.problems import Refused


@pytest.mark.django_db
def test_when_its_time_is_over_only_number_and_hash_remain() -> None:
    document = issue()
    content = document_bytes(document)
    assert document.keep_until.year == document.issued_at.year + 10
    assert documents_expire(document.keep_until, actor="t") == 0
    assert documents_expire(document.keep_until + timedelta(days=1), actor="t") == 1
    kept = Document.objects.get(pk=document.pk)
    assert not kept.content and not kept.data and document_verify(content).state == "genuine"
    with pytest.raises(Refused) as error:
        document_bytes(kept)
    assert error.value.problems[0].code == "expired" and document_faults() == []
    assert ActionLog.objects.filter(action="document.expire", object_id=document.number).exists()


@pytest.mark.django_db
def test_the_doctor_sees_a_gap_and_bytes_that_changed() -> None:
    first, second = issue(), issue(subject="2")
    assert document_faults() == []
    Document.objects.filter(pk=first.pk).update(content=bytes(second.content))
    assert document_faults() == [f"{first.number}: what is kept is not what was handed out"]
    Document.objects.filter(pk=first.pk).delete()
    assert document_faults() == [f"note {second.year}: 1 documents, last number 2, counter 2"]


@pytest.mark.django_db
def test_the_command_line_says_what_a_file_or_a_code_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import argparse

    document = issue()
    path = tmp_path / "letter.pdf"
    path.write_bytes(document_bytes(document))

    def verify(what: str, as_json: bool = True) -> tuple[int, str]:
        code = run_verify(argparse.Namespace(what=what, json=as_json))
        return code, capsys.readouterr().out

    code, out = verify(str(path))
    assert code == 0 and json.loads(out)["number"] == document.number and json.loads(out)["state"] == "genuine"
    code, out = verify(document.code, as_json=False)
    assert code == 0 and out.startswith("genuine") and document.number in out
    path.write_bytes(document_bytes(document)[:-1])
    code, out = verify(str(path))
    assert code == 1 and json.loads(out)["state"] == "altered"
    assert verify("V-1")[0] == 1 and verify(str(tmp_path / "none.pdf"))[0] == 2


ISSUER = """
import sys
from datetime import date
from pathlib import Path
import django
django.setup()
from tideover.core.documents import DocumentKind, document_issue, register
register(DocumentKind("note", "NT", "Note", Path(sys.argv[1]), lambda data: []))
for n in range(int(sys.argv[3])):
    data = {"issuer": "B", "text": sys.argv[2] if n else "shared", "sum": None}
    document_issue("note", subject=("thing", f"{n}"), language="en", data=data, as_of=date(2026, 1, 1), actor=sys.argv[2])
"""
NOTE = '#import "/base.typ": *\n#show: paper.with(title: "Note")\n#data.text'


def test_numbers_have_no_gaps_under_concurrent_issue(tmp_path: Path) -> None:
    """Four processes issue 12 documents each; the first of each is the same one."""
    (tmp_path / "note.en.typ").write_text(NOTE, encoding="utf-8")
    env = book_fresh(tmp_path)
    run = [sys.executable, "-c"]
    workers = [subprocess.Popen([*run, ISSUER, str(tmp_path), f"w{n}", "12"], env=env) for n in range(4)]
    assert [w.wait(120) for w in workers] == [0] * 4
    show = (
        "import django, json; django.setup(); from tideover.core.models import Document as D; "
        "print(json.dumps([list(D.objects.order_by('sequence').values_list('sequence', flat=True)), "
        "list(D.objects.values_list('subject_id', flat=True))]))"
    )
    numbers, subjects = json.loads(subprocess.run([*run, show], env=env, check=True, capture_output=True, text=True).stdout)
    assert numbers == list(range(1, 4 * 11 + 2)), "no gap, no number twice"
    assert Counter(subjects)["0"] == 1, "the same document once, whoever asked"
