"""Signatures of a certification authority: the real adapter against a real process, with its faults, and never two."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.core.test_documents import issue, note  # noqa: F401  (a fixture)
from tideover.core.business_time import now
from tideover.core.documents import document_bytes, document_handed, document_verify
from tideover.core.documents.settle import signatures_settle
from tideover.core.documents.sign import document_sign_ask, signature_draft, signed_bytes
from tideover.core.models import ActionLog, Signature
from tideover.core.problems import Refused

Start = Callable[..., subprocess.Popen[bytes]]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def authority(settings: Any, tmp_path: Path) -> Iterator[Start]:
    """Starts the authority, again and again on the same port and state."""
    port, running = free_port(), []
    settings.CA_ADDRESS = f"http://127.0.0.1:{port}"
    settings.TSA_ADDRESS = f"{settings.CA_ADDRESS}/tsa"
    settings.CA_TOKEN, settings.CA_TIMEOUT_S = "t0", 1.0
    settings.CA_ROOTS = str(tmp_path / "ca" / "root.pem")

    def start(*more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tideover.sandbox.ca", "--port", str(port), "--state", str(tmp_path / "ca")]
        command += ["--token", "t0", "--record", str(tmp_path / "signed.jsonl"), *more]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        running.append(process)
        for _ in range(200):
            with suppress(OSError), urllib.request.urlopen(f"{settings.CA_ADDRESS}/root.pem", timeout=1):
                return process
            time.sleep(0.05)
        raise AssertionError("the authority did not start")

    yield start
    for process in running:
        process.kill()
        process.wait()


def signed_count(tmp_path: Path) -> int:
    """How often the authority signed, by its own record."""
    record = tmp_path / "signed.jsonl"
    return len(record.read_text().splitlines()) if record.exists() else 0


@pytest.mark.django_db
def test_signed_time_stamped_and_verified(authority: Start, tmp_path: Path, settings: Any) -> None:
    authority()
    document = issue()
    row = document_sign_ask(document, signer="BANK", actor="legal")
    assert (row.state, row.reason) == ("signed", "")
    assert row.evidence["signer"] == "BANK" and row.evidence["stamped_at"] and row.evidence["whole"]
    content = document_handed(document, "legal")
    assert content == signed_bytes(document) and content.startswith(document_bytes(document))
    said = document_verify(content)
    assert (said.state, said.signed, said.signed_by) == ("genuine", True, "BANK")
    assert document_verify(document_bytes(document)).signed is None
    at = len(document_bytes(document)) // 2
    assert document_verify(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]).state == "altered"
    field = PdfReader(io.BytesIO(content)).trailer["/Root"]["/AcroForm"]["/Fields"][0].get_object()["/V"].get_object()
    assert field["/SubFilter"] == "/ETSI.CAdES.detached"
    with pytest.raises(Refused) as error:
        document_sign_ask(document, signer="BANK", actor="legal")
    assert error.value.problems[0].code == "signed_already" and signed_count(tmp_path) == 1
    settings.CA_ROOTS = ""
    said = document_verify(content)
    assert (said.state, said.signed) == ("genuine", False) and "not trusted" in said.signature_why
    assert ActionLog.objects.filter(action="document.sign.signed").count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("fault", ["drop_after=1", "delay=1", "garbage=1"])
def test_an_answer_that_does_not_come_is_unknown_and_settled_by_inquiry(authority: Start, tmp_path: Path, fault: str) -> None:
    process = authority("--fault", fault, "--delay", "3")
    row = document_sign_ask(issue(), signer="BANK", actor="legal")
    assert row.state == "unknown" and row.reason
    with pytest.raises(Refused):
        document_sign_ask(row.document, signer="BANK", actor="legal")
    process.kill()
    process.wait()
    authority()
    assert signatures_settle(now()) == {"signed": 1}
    assert document_verify(signed_bytes(row.document)).signed and signed_count(tmp_path) == 1


@pytest.mark.django_db
def test_a_request_that_never_arrived_is_sent_again_under_its_name(authority: Start, tmp_path: Path) -> None:
    process = authority("--fault", "drop_before=1")
    row = document_sign_ask(issue(), signer="BANK", actor="legal")
    assert row.state == "unknown" and signed_count(tmp_path) == 0
    process.kill()
    process.wait()
    assert signatures_settle(now()) == {"unknown": 1}, "nobody answers: it stays unknown"
    authority()
    assert signatures_settle(now()) == {"signed": 1} and signed_count(tmp_path) == 1
    assert Signature.objects.get(pk=row.pk).request_id == row.request_id and signatures_settle(now()) == {}


@pytest.mark.django_db
def test_a_refusal_is_final_and_another_request_may_follow(authority: Start) -> None:
    process = authority("--fault", "reject=1")
    row = document_sign_ask(issue(), signer="BANK", actor="legal")
    assert (row.state, row.reason) == ("refused", "the signer is not registered")
    process.kill()
    process.wait()
    authority()
    assert document_sign_ask(row.document, signer="BANK", actor="legal").state == "signed"
    assert Signature.objects.filter(state="signed").count() == 1


@pytest.mark.django_db
def test_a_second_answer_for_the_same_request_changes_nothing(authority: Start) -> None:
    from tideover.core.documents import ca
    from tideover.core.documents.sign import signature_apply

    authority("--signs-anew")
    row = document_sign_ask(issue(), signer="BANK", actor="legal")
    first = signed_bytes(row.document)
    again = ca.inquire(row.request_id)
    assert again.state == "signed"
    assert signature_apply(row, again, actor="legal").state == "signed"
    assert signature_apply(row, ca.Answer("refused", reason="late"), actor="legal").state == "signed"
    assert signed_bytes(row.document) == first and Signature.objects.count() == 1


@pytest.mark.django_db
def test_a_signature_over_another_hash_is_not_taken(authority: Start) -> None:
    from tideover.core.documents import ca
    from tideover.core.documents.sign import signature_apply

    authority()
    row = signature_draft(issue(), signer="BANK", actor="legal")
    other = ca.ask("another", "BANK", bytes(32))
    row = signature_apply(row, ca.Answer("signed", other.signature), actor="legal")
    assert row.state == "unknown" and "another hash" in row.reason and not row.content


@pytest.mark.django_db
def test_a_request_cut_off_before_it_was_sent_is_found_and_finished(authority: Start, tmp_path: Path) -> None:
    authority()
    row = signature_draft(issue(), signer="BANK", actor="legal")
    assert signatures_settle(now()) == {}, "it may still be on its way"
    assert signatures_settle(now() + timedelta(minutes=1)) == {"signed": 1}
    assert signatures_settle(now() + timedelta(minutes=1)) == {} and signed_count(tmp_path) == 1
    assert Signature.objects.get(pk=row.pk).state == "signed"


@pytest.mark.django_db
def test_without_a_service_nothing_is_drafted(settings: Any) -> None:
    settings.CA_ADDRESS = ""
    with pytest.raises(Refused):
        document_sign_ask(issue(), signer="BANK", actor="legal")
    assert not Signature.objects.exists()
