"""Signing on pages and over REST: a borrower reads, agrees, signs or not; staff asks, brings in paper, sees what is open."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tests.factories import House
from tests.lending.test_documents_pages import issue
from tests.web.test_pages import client_for
from tideover.core import approvals
from tideover.core.approvals import approval_decide
from tideover.core.business_time import business_date, now
from tideover.core.documents import ca
from tideover.core.documents.settle import signatures_settle
from tideover.core.models import ActionLog, Approval, Role, Signature
from tideover.lending.signing import borrower_ask

SCAN = b"\x89PNG\r\n\x1a\n" + b"pixels"


@pytest.fixture
def service(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, ca.Answer]:
    """An authority that sends codes and answers what the test says."""
    says = {"answer": ca.Answer("wrong_code")}
    settings.CA_ADDRESS = "http://127.0.0.1:1"
    monkeypatch.setattr(ca, "send_code", lambda request_id, phone: ca.Answer("code_sent"))
    monkeypatch.setattr(ca, "ask", lambda *args, **more: says["answer"])
    monkeypatch.setattr(ca, "inquire", lambda request_id: says["answer"])
    return says


def asked(house: House, number: str = "T-1") -> Signature:
    return borrower_ask(issue(house, "contract", number), on=business_date(), at=now(), actor=house.staff[Role.LEGAL])


def test_the_borrower_reads_what_matters_agrees_and_gets_the_code(house: House, service: dict[str, ca.Answer]) -> None:
    row, client = asked(house), client_for(house, "borrower")
    address = f"/my/sign/{row.request_id}"
    assert address in client.get("/my/documents").content.decode()
    page = client.get(address).content.decode()
    assert "6% a year" in page and "You repay in all" in page and 'name="agree" value="yes">' in page, "nothing is ticked"
    assert 'name="code"' not in page and f"{address}/file" in page
    file = client.get(f"{address}/file")
    assert file.content.startswith(b"%PDF") and file["Content-Disposition"].startswith("inline")
    assert client.post(address, {"act": "code"})["Location"] == f"{address}?code=sent"
    assert 'autocomplete="one-time-code"' in client.get(address).content.decode()
    missing = client.post(address, {"act": "sign", "code": "123456"})
    assert missing.status_code == 422 and 'href="#agree"' in missing.content.decode()
    short = client.post(address, {"act": "sign", "code": "12", "agree": "yes"})
    assert short.status_code == 422 and 'value="yes" checked' in short.content.decode(), "what was ticked is kept"
    assert client.post(address, {"act": "sign", "code": "123456", "agree": "yes"}).status_code == 302
    assert "That code was not right" in client.get(address).content.decode()
    service["answer"] = ca.Answer("unknown", reason="none")
    client.post(address, {"act": "sign", "code": "123456", "agree": "yes"})
    page = client.get(address).content.decode()
    assert "not yet certain" in page and 'name="act"' not in page
    assert "nothing to do for you" in client.get("/my/documents").content.decode()
    assert not ActionLog.objects.filter(action="document.sign.signed").exists()


@pytest.mark.parametrize(("language", "words"), [("en", "You chose not to sign"), ("zh-hans", "您选择了不签")])
def test_saying_no_and_being_late_are_said_kindly(
    house: House, service: dict[str, ca.Answer], language: str, words: str
) -> None:  # fmt: skip
    row, client = asked(house), client_for(house, "borrower", language)
    client.post(f"/my/sign/{row.request_id}", {"act": "decline", "reason": ""})
    assert words in client.get(f"/my/sign/{row.request_id}").content.decode()
    second = asked(house)
    Signature.objects.filter(pk=second.pk).update(expires_at=now() - timedelta(seconds=1))
    page = client.get(f"/my/sign/{second.request_id}").content.decode()
    assert ("nothing happens by itself" in page or "也不会自动发生什么" in page) and 'name="act"' not in page
    assert client.post(f"/my/sign/{second.request_id}", {"act": "code"}).status_code == 422


def test_without_a_service_the_page_shows_the_way_on_paper(house: House) -> None:
    row = asked(house)
    page = client_for(house, "borrower").get(f"/my/sign/{row.request_id}").content.decode()
    assert "You can sign on paper" in page and "Send me the code" not in page


def test_nobody_signs_or_reads_for_another(house: House, service: dict[str, ca.Answer]) -> None:
    theirs = asked(house, "T-3")
    client = client_for(house, "borrower")
    for address in (f"/my/sign/{theirs.request_id}", f"/my/sign/{theirs.request_id}/file"):
        assert client.get(address).status_code == 404
    assert client.post(f"/my/sign/{theirs.request_id}", {"act": "code"}).status_code == 404
    assert client_for(house, Role.BRANCH_HEAD).get(f"/signatures/{theirs.request_id}").status_code == 404
    assert client.get("/signatures").status_code == 403
    letter = issue(house)
    answer = client_for(house, Role.LEGAL).post(f"/documents/{letter.number}/ask-signature")
    assert answer.status_code == 422 and "not signed by the borrower" in answer.content.decode()


def paper(client: Any, number: str, scan: bytes = SCAN, **more: str) -> Any:
    body = {"signed_on": business_date().isoformat(), "reason": "at the counter, Chen Ming present", **more}
    return client.post(f"/documents/{number}/paper", {**body, "scan": SimpleUploadedFile("s.png", scan)})


def test_paper_counts_once_a_second_person_has_seen_the_scan(house: House) -> None:
    waiting = asked(house)
    number = waiting.document.number
    client = client_for(house, Role.CUSTOMER_MANAGER)
    answer = paper(client, number)
    row = Signature.objects.get(how="ink")
    assert answer["Location"] == f"/signatures/{row.request_id}" and row.state == "drafted"
    waiting.refresh_from_db()
    assert (waiting.state, waiting.reason) == ("expired", "signed on paper instead")
    assert "paper, being checked" in client.get(answer["Location"]).content.decode()
    assert paper(client, number).status_code == 422, "one paper at a time"
    approval = Approval.objects.get()
    assert approval.payload["scan_sha256"] == hashlib.sha256(SCAN).hexdigest()
    legal = client_for(house, Role.LEGAL)
    scan = legal.get(f"/signatures/{row.request_id}/scan")
    assert (scan.content, scan["Content-Type"], scan["X-Content-Type-Options"]) == (SCAN, "image/png", "nosniff")
    assert number in legal.get(f"/approvals/{approval.reference}").content.decode()
    approval_decide(approval, grant=True, reason="same hand", actor=house.staff[Role.LEGAL])
    row.refresh_from_db()
    assert row.state == "signed" and row.evidence["checked_by"] == Role.LEGAL and row.evidence["recorded_by"] != Role.LEGAL
    assert "signed on paper" in client.get("/loans/T-1").content.decode()
    page = client_for(house, "borrower").get(f"/my/sign/{row.request_id}").content.decode()
    assert "You signed this on paper" in page
    assert list(ActionLog.objects.filter(action__startswith="document.s").values_list("action", flat=True)) == [
        "document.sign.ask", "document.sign.ink", "document.scan", "document.sign.signed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scan", "more", "words"),
    [
        (b"GIF89a", {}, "a PDF, JPEG or PNG file"),
        (b"", {}, "a PDF, JPEG or PNG file"),
        (SCAN, {"signed_on": "2999-01-01"}, "lies ahead"),
        (SCAN, {"signed_on": "2020-01-01"}, "before it was handed out"),
        (SCAN, {"signed_on": "soon"}, "Enter a date"),
        (SCAN, {"reason": " "}, "Say why"),
    ],
)
def test_bad_papers_are_refused_and_nothing_is_kept(house: House, scan: bytes, more: dict[str, str], words: str) -> None:
    document = issue(house, "contract")
    answer = paper(client_for(house, Role.CUSTOMER_MANAGER), document.number, scan, **more)
    assert answer.status_code == 422 and words in answer.content.decode()
    assert not Signature.objects.exists() and not Approval.objects.exists()
    assert paper(client_for(house, Role.COLLECTOR), document.number).status_code == 403


def test_a_refused_paper_is_closed_and_can_come_again(house: House) -> None:
    number, client = issue(house, "contract").number, client_for(house, Role.CUSTOMER_MANAGER)
    paper(client, number)
    approval = Approval.objects.get()
    approvals.approval_decide(approval, grant=False, reason="page 2 is missing", actor=house.staff[Role.LEGAL])
    assert signatures_settle(now()) == {"refused": 1} and signatures_settle(now()) == {}
    assert Signature.objects.get().reason == "the check of the paper was refused"
    assert paper(client, number).status_code == 302


def test_legal_sees_what_has_no_answer(house: House, service: dict[str, ca.Answer]) -> None:
    row, legal = asked(house), client_for(house, Role.LEGAL)
    assert "Every request has its answer" in legal.get("/signatures?show=stuck").content.decode()
    Signature.objects.filter(pk=row.pk).update(state="unknown", created_at=now() - timedelta(hours=2))
    home = legal.get("/").content.decode()
    assert "Signatures without an answer" in home and "/signatures?show=stuck" in home
    assert row.request_id in legal.get("/signatures?show=stuck").content.decode()
    assert "Signatures without an answer" not in client_for(house, Role.COLLECTOR).get("/").content.decode()


def test_over_rest(house: House) -> None:
    client, document = client_for(house, Role.LEGAL), issue(house, "contract")

    def post(path: str, body: dict[str, Any]) -> Any:
        return client.post(f"/api/v1/documents/{document.number}/{path}", json.dumps(body), content_type="application/json")

    made = post("ask-signature", {}).json()
    assert (made["state"], made["how"]) == ("pending", "consent") and post("ask-signature", {}).json() == made
    body = {"signed_on": business_date().isoformat(), "reason": "counter", "scan": base64.b64encode(SCAN).decode()}
    assert post("paper", {**body, "scan": "%%"}).status_code == 422
    assert post("paper", body).json()["approval"] == Approval.objects.get().reference
    listed = client.get(f"/api/v1/documents/{document.number}/signatures").json()
    assert [(s["how"], s["state"]) for s in listed] == [("consent", "expired"), ("ink", "drafted")]
