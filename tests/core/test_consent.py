"""A person signs by a code of the authority: with consent, once, in time; what is not certain waits and is settled by itself."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.core.test_documents import issue, note  # noqa: F401  (a fixture)
from tests.core.test_signatures import Start, authority  # noqa: F401  (a fixture)
from tideover.core.business_time import now
from tideover.core.documents import document_bytes, document_verify
from tideover.core.documents.consent import CODE_WAIT, OPEN_DAYS, signing_ask, signing_code, signing_confirm, signing_decline
from tideover.core.documents.settle import documents_day, signatures_settle, stuck
from tideover.core.documents.sign import document_sign_ask, signature_check, signed_bytes
from tideover.core.models import ActionLog, Signature
from tideover.core.problems import Refused

PHONE = "10012345678"


def code_sent(folder: Path) -> str:
    """The last code that reached a telephone, by the authority's record."""
    lines = [json.loads(x) for x in (folder / "signed.jsonl").read_text().splitlines()]
    sent = [x for x in lines if "code" in x]
    assert sent[-1]["to"] == PHONE
    return str(sent[-1]["code"])


def ask() -> Signature:
    return signing_ask(issue(), signer="P100", at=now(), actor="legal")


def confirm(row: Signature, code: str, **more: Any) -> Signature:
    given = {"agreed": True, "language": "en", "at": now(), "actor": "borrower"}
    return signing_confirm(row, code=code, **{**given, **more})


def refused(act: Any) -> str:
    with pytest.raises(Refused) as error:
        act()
    return error.value.problems[0].code


@pytest.mark.django_db
def test_signed_with_consent_and_code_beside_the_lender(authority: Start, tmp_path: Path) -> None:  # noqa: F811
    authority()
    row = ask()
    assert row.state == "pending" and signing_ask(row.document, signer="P100", at=now(), actor="x").pk == row.pk
    document_sign_ask(row.document, signer="BANK", actor="legal")
    signing_code(row, phone=PHONE, at=now(), actor="borrower")
    code = code_sent(tmp_path)
    assert refused(lambda: confirm(row, code, agreed=False)) == "consent_missing"
    assert refused(lambda: confirm(row, "12")) == "code_missing"
    wrong = confirm(row, f"{(int(code) + 1) % 10**6:06}")
    assert (wrong.state, wrong.reason) == ("pending", "wrong_code") and not wrong.signed_sha256
    done = confirm(row, f" {code[:3]} {code[3:]} ")
    assert (done.state, done.reason) == ("signed", "")
    assert done.evidence["agreed_by"] == "borrower" and done.evidence["agreed_to"] and done.evidence["agreed_at"]
    content = signed_bytes(row.document)
    checked = signature_check(content)
    assert checked["ok"] and checked["signers"] == ["BANK", "P100"], checked
    assert content.startswith(document_bytes(row.document)) and document_verify(content).signed
    assert refused(lambda: confirm(row, code)) == "not_open"
    assert refused(lambda: signing_ask(row.document, signer="P100", at=now(), actor="x")) == "signed_already"
    at = len(document_bytes(row.document)) // 2
    assert not signature_check(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])["ok"]


@pytest.mark.django_db
def test_a_code_is_void_after_five_wrong_ones_and_another_waits_a_minute(authority: Start, tmp_path: Path) -> None:  # noqa: F811
    authority()
    row = ask()
    signing_code(row, phone=PHONE, at=now(), actor="b")
    assert refused(lambda: signing_code(row, phone=PHONE, at=now(), actor="b")) == "code_soon"
    code = code_sent(tmp_path)
    for n in range(5):
        assert confirm(row, f"{(int(code) + 1 + n) % 10**6:06}").reason == "wrong_code"
    assert confirm(row, code).reason == "wrong_code", "void"
    signing_code(row, phone=PHONE, at=now() + CODE_WAIT, actor="b")
    assert confirm(row, code_sent(tmp_path)).state == "signed"


@pytest.mark.django_db
def test_declined_expired_replaced_and_without_service(authority: Start, settings: Any) -> None:  # noqa: F811
    authority()
    row = ask()
    assert signing_decline(row, reason=" too dear ", at=now(), actor="b").reason == "declined: too dear"
    assert refused(lambda: signing_code(row, phone=PHONE, at=now(), actor="b")) == "not_open"
    second = signing_ask(row.document, signer="P100", at=now(), actor="legal")
    late = now() + timedelta(days=OPEN_DAYS)
    assert refused(lambda: confirm(second, "123456", at=late)) == "too_late"
    assert signatures_settle(late - timedelta(seconds=1)) == {}
    assert documents_day(late, actor="close") == {"signatures_expired": 1} and documents_day(late, actor="close") == {}
    second.refresh_from_db()
    assert second.state == "expired" and second.reason.startswith("not signed by 20")
    assert ActionLog.objects.filter(action="document.sign.expired").count() == 1
    third = signing_ask(row.document, signer="P100", at=now(), actor="legal")
    issue(minor=5)
    assert refused(lambda: confirm(third, "123456")) == "not_valid"
    assert signatures_settle(now()) == {"expired": 1}
    settings.CA_ADDRESS = ""
    fourth = signing_ask(issue(subject="9"), signer="P100", at=now(), actor="legal")
    assert refused(lambda: signing_code(fourth, phone=PHONE, at=now(), actor="b")) == "no_service"


@pytest.mark.django_db
@pytest.mark.parametrize(("fault", "then"), [("drop_after", "signed"), ("drop_before", "pending")])
def test_what_is_unknown_is_settled_by_inquiry(authority: Start, tmp_path: Path, fault: str, then: str) -> None:  # noqa: F811
    process = authority()
    row = ask()
    signing_code(row, phone=PHONE, at=now(), actor="b")
    process.kill()
    process.wait()
    process = authority("--fault", f"{fault}=1")
    assert confirm(row, code_sent(tmp_path)).state == "unknown"
    assert refused(lambda: document_sign_ask(row.document, signer="BANK", actor="legal")) == "signed_already", "one at a time"
    process.kill()
    process.wait()
    hour = now() + timedelta(hours=2)
    assert signatures_settle(now()) == {"unknown": 1} and list(stuck(hour)) == [row] and not stuck(now())
    authority()
    assert signatures_settle(now()) == {then: 1} and signatures_settle(now()) == {} and not stuck(hour)
    row.refresh_from_db()
    assert (row.state, bool(row.content)) == (then, then == "signed")
    if then == "pending":
        assert row.reason == "absent" and confirm(row, code_sent(tmp_path)).state == "signed", "the same code still holds"


@pytest.mark.django_db
def test_an_authority_that_says_nothing_is_not_asked_a_hundred_times(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def silent(request_id: str) -> Any:
        asked.append(request_id)
        return ca.Answer("unknown", reason="no answer")

    from tideover.core.documents import ca

    settings.CA_ADDRESS = "http://127.0.0.1:1"
    monkeypatch.setattr(ca, "inquire", silent)
    for n in range(5):
        row = signing_ask(issue(subject=str(n)), signer="P100", at=now(), actor="legal")
        Signature.objects.filter(pk=row.pk).update(state="unknown")
    assert signatures_settle(now()) == {"unknown": 3} and len(asked) == 3
