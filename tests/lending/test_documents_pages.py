"""Documents on pages and over REST: who may, whose, what is said, what is logged, and taking back by a second person."""

from __future__ import annotations

import base64
import json
from datetime import date
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import override

from tests.factories import House
from tests.web.test_pages import client_for
from tideover.core import approvals
from tideover.core.documents import document_bytes, document_verify
from tideover.core.models import ActionLog, Approval, Document, Role, User
from tideover.core.sign_in import GUESSES_MAX
from tideover.engine.events import EventKind
from tideover.lending.documents import loan_document_issue
from tideover.lending.models import Contract
from tideover.lending.services import event_record


def issue(house: House, kind: str = "balance_statement", number: str = "T-1") -> Document:
    contract = Contract.objects.select_related("product", "entity", "branch", "borrower").get(number=number)
    return loan_document_issue(contract, kind, language="en", actor="t")


def test_a_borrower_asks_and_downloads_and_both_are_logged(house: House) -> None:
    client = client_for(house, "borrower")
    assert "Nothing yet" in client.get("/my/documents").content.decode()
    answer = client.post("/my/documents", {"loan": "T-1", "kind": "balance_statement"})
    document = Document.objects.get()
    assert answer.status_code == 302 and answer["Location"] == f"/my/documents?made={document.number}"
    assert (document.language, document.issued_by, document.subject_id) == ("en", "borrower", "T-1")
    page = client.get(answer["Location"]).content.decode()
    assert f"{document.number} is ready." in page and f"/my/documents/{document.number}" in page
    file = client.get(f"/my/documents/{document.number}")
    assert file["Content-Type"] == "application/pdf" and file["Cache-Control"] == "no-store"
    assert file.content == document_bytes(document)
    client.post("/my/documents", {"loan": "T-1", "kind": "balance_statement"})
    assert Document.objects.count() == 1, "the same again is the same"
    assert list(ActionLog.objects.filter(object_type="document").values_list("action", flat=True)) == [
        "document.issue",
        "document.download",
    ]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "This loan is not paid off on that day"), ("zh-hans", "这笔贷款在那一天还没有结清")]
)
def test_a_payoff_letter_of_an_open_loan_is_refused_in_words(house: House, language: str, words: str) -> None:
    client = client_for(house, "borrower", language)
    answer = client.post("/my/documents", {"loan": "T-1", "kind": "payoff_letter"})
    assert answer.status_code == 422 and words in answer.content.decode() and not Document.objects.exists()
    assert 'value="payoff_letter"' not in answer.content.decode()
    event_record(
        house.second_loan, kind=EventKind.PAYOFF, effective_on=date(2026, 3, 2), amount_minor=0, idempotency_key="o", actor="p"
    )
    assert 'value="payoff_letter"' in client.get("/my/documents").content.decode()
    assert client.post("/my/documents", {"loan": "T-2", "kind": "payoff_letter"}).status_code == 302


def test_nobody_gets_a_document_of_another(house: House) -> None:
    theirs, mine = issue(house, number="T-3"), issue(house)
    client = client_for(house, "borrower")
    assert client.get(f"/my/documents/{theirs.number}").status_code == 404
    assert client.get(f"/my/documents/{mine.number}").status_code == 200
    assert client.get(f"/documents/{mine.number}").status_code == 403, "the desk's address"
    assert client.post("/my/documents", {"loan": "T-3", "kind": "balance_statement"}).status_code == 404
    head = client_for(house, Role.BRANCH_HEAD)
    assert head.get(f"/documents/{theirs.number}").status_code == 404, "another branch"
    assert head.get(f"/documents/{mine.number}").status_code == 200
    assert client_for(house, Role.RISK).get(f"/documents/{mine.number}").status_code == 403
    assert Client().get(f"/documents/{mine.number}").status_code == 302
    assert ActionLog.objects.filter(action="document.download", object_id=theirs.number).count() == 0


def test_the_panel_of_a_loan_lists_and_issues(house: House) -> None:
    client = client_for(house, Role.LEGAL)
    assert "Nothing has been handed out" in client.get("/loans/T-1").content.decode()
    form = {"kind": "contract", "language": "zh-hans", "as_of": ""}
    assert client.post("/loans/T-1/documents", form).status_code == 302
    document = Document.objects.get()
    page = client.get("/loans/T-1").content.decode()
    assert document.number in page and f"/documents/{document.number}/cancel" in page
    risk = client_for(house, Role.RISK).get("/loans/T-1").content.decode()
    assert document.number in risk and f'href="/documents/{document.number}"' not in risk and "Issue the document" not in risk
    bad = client.post("/loans/T-1/documents", {**form, "kind": "balance_statement", "as_of": "soon"})
    assert bad.status_code == 422 and "Enter a date" in bad.content.decode()
    assert client_for(house, Role.RISK).post("/loans/T-1/documents", form).status_code == 403
    assert client.post("/loans/T-1/documents", {**form, "kind": "poem"}).status_code == 422


def test_taking_back_needs_a_second_person(house: House) -> None:
    document = issue(house)
    legal = client_for(house, Role.LEGAL)
    assert legal.post(f"/documents/{document.number}/cancel", {"reason": " "}).status_code == 422
    assert legal.post(f"/documents/{document.number}/cancel", {"reason": "wrong name"}).status_code == 302
    approval = Approval.objects.get()
    document.refresh_from_db()
    assert document.state == "valid", "asked for, not yet decided"
    kind = approvals.kind_of("document.cancel")
    assert kind.address is not None and kind.address(approval) == f"/documents/{document.number}"
    with override("zh-hans"):
        (shown,) = kind.show(approval)
    assert (shown.what, shown.now, shown.then) == (f"余额证明 {document.number}", "有效", "已撤回")
    compliance = User.objects.get(username=Role.COMPLIANCE)
    approvals.approval_decide(approval, grant=True, reason="seen", actor=compliance)
    document.refresh_from_db()
    assert (document.state, document.cancelled_by, document.cancel_reason) == ("cancelled", "compliance", "wrong name")
    assert document_verify(document.code).state == "cancelled" and document_verify(document_bytes(document)).state == "cancelled"
    again = issue(house)
    assert again.sequence == document.sequence + 1 and again.sha256 != document.sha256


@pytest.mark.parametrize(("language", "genuine", "unknown"), [("en", "genuine", "not ours"), ("zh-hans", "真实", "查无此文件")])
def test_anybody_checks_a_document_and_learns_nothing_personal(house: House, language: str, genuine: str, unknown: str) -> None:
    document = issue(house)
    content = document_bytes(document)
    client = Client(headers={"accept-language": language})
    for answer in (
        client.post("/verify", {"code": document.code}),
        client.get(f"/verify?code={document.code}"),
        client.post("/verify", {"file": BytesIO(content)}),
    ):
        page = answer.content.decode()
        assert answer.status_code == 200 and genuine in page and document.number in page
        for secret in ("李明", "T-1", house.borrower.id_number, house.borrower.masked_id_number, "12,000"):
            assert secret not in page
    altered = client.post("/verify", {"file": BytesIO(content[:-9] + b"  " + content[-9:])}).content.decode()
    assert ("altered" if language == "en" else "已改动") in altered and document.number in altered
    assert unknown in client.post("/verify", {"code": "V-0000-0000-000"}).content.decode()
    assert client.post("/verify", {}).status_code == 422


def test_codes_cannot_be_tried_by_the_thousand(house: House) -> None:
    document, client = issue(house), Client()
    for n in range(GUESSES_MAX):
        assert client.post("/verify", {"code": f"V-{n:011}"}).status_code == 200, n
    assert client.post("/verify", {"code": document.code}).status_code == 429
    assert client.get(f"/verify?code={document.code}").status_code == 429
    assert Client(REMOTE_ADDR="10.0.0.9").post("/verify", {"code": document.code}).status_code == 200


def test_rest_issues_lists_fetches_verifies_and_asks_to_take_back(house: House) -> None:
    client = client_for(house, Role.LEGAL)

    def post(path: str, body: dict[str, Any]) -> Any:
        return client.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")

    refused = post("/loans/T-1/documents", {"kind": "payoff_letter"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["code"] == "not_paid_off"
    assert post("/loans/T-1/documents", {"kind": "poem"}).status_code == 422
    assert post("/loans/T-9/documents", {"kind": "contract"}).status_code == 404
    made = post("/loans/T-1/documents", {"kind": "repayment_record", "language": "en", "as_of": "2026-05-01"}).json()
    assert made["number"].startswith("RR-") and made["state"] == "valid" and made["as_of"] == "2026-05-01"
    assert [d["number"] for d in client.get("/api/v1/loans/T-1/documents").json()["items"]] == [made["number"]]
    file = client.get(f"/api/v1/documents/{made['number']}/file").json()
    said = post("/documents/verify", {"pdf": file["pdf"]}).json()
    assert (said["state"], said["number"], said["sha256"]) == ("genuine", made["number"], file["sha256"])
    changed = base64.b64encode(base64.b64decode(file["pdf"]) + b"x").decode()
    assert post("/documents/verify", {"pdf": changed}).json()["state"] == "altered"
    assert post("/documents/verify", {"code": made["code"]}).json()["state"] == "genuine"
    assert post("/documents/verify", {"pdf": "%%"}).status_code == 422 and post("/documents/verify", {}).status_code == 422
    asked = post(f"/documents/{made['number']}/cancel", {"reason": "twice"}).json()
    assert Approval.objects.get().reference == asked["approval"]
    assert post(f"/documents/{made['number']}/sign", {}).json()["errors"][0]["code"] == "no_service"
    other = client_for(house, "borrower")
    assert other.get(f"/api/v1/documents/{made['number']}/file").status_code == 403
