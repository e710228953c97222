"""Signing in and tokens: throttling by account and address, no session fixation, rules of passwords, life of a token."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from tests.factories import House
from tideover.cli import main
from tideover.core import sign_in, tokens
from tideover.core.action_log import first_break
from tideover.core.models import ActionLog, ApiToken, SignInFailure

PASSWORD = "a-long-password-1"


@pytest.fixture
def known(house: House) -> House:
    for user in (house.staff["risk"], house.staff["auditor"]):
        user.set_password(PASSWORD)
        user.save()
    return house


def attempt(username: str, password: str = "wrong", address: str = "10.0.0.1", client: Client | None = None) -> bool:
    """Whether they are in."""
    sent = {"username": username, "password": password}
    response = (client or Client(headers={"accept-language": "en"})).post("/sign-in", sent, REMOTE_ADDR=address)
    return response.status_code == 302


def test_an_account_waits_after_five_failures_even_with_the_right_password(known: House, monkeypatch) -> None:
    for _ in range(5):
        assert not attempt("risk")
    assert not attempt("risk", PASSWORD) and not attempt("risk", PASSWORD, "10.9.9.9")
    assert attempt("auditor", PASSWORD), "others at the address go on"
    told = Client(headers={"accept-language": "en"}).post("/sign-in", {"username": " RISK", "password": PASSWORD})
    assert told.status_code == 429 and "can sign in again at" in told.content.decode()
    later = sign_in.now() + sign_in.WINDOW + timedelta(seconds=1)
    monkeypatch.setattr(sign_in, "now", lambda: later)
    assert attempt("risk", PASSWORD)


def test_an_address_that_tries_many_accounts_waits(known: House, monkeypatch) -> None:
    monkeypatch.setitem(sign_in.FAILURES_MAX, "address", 8)
    for n in range(8):
        assert not attempt(f"guess-{n}")
    assert not attempt("auditor", PASSWORD) and attempt("auditor", PASSWORD, "10.0.0.2")


def test_success_forgets_the_accounts_failures(known: House) -> None:
    for _ in range(3):
        for _ in range(4):
            attempt("risk")
        assert attempt("risk", PASSWORD)


def test_neither_typed_names_nor_addresses_are_stored(known: House) -> None:
    attempt("my-secret-password", "x", "203.0.113.77")
    with connection.cursor() as cursor:
        cursor.execute("SELECT who FROM core_signinfailure")
        stored = b"".join(bytes(w) for (w,) in cursor.fetchall())
    assert SignInFailure.objects.count() == 2 and b"secret" not in stored and b"203.0" not in stored
    assert not ActionLog.objects.filter(actor="my-secret-password").exists()


def test_the_address_behind_proxies_cannot_be_forged(rf, settings) -> None:
    request = rf.get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="1.1.1.1, 198.51.100.7")
    assert sign_in.address_of(request) == "192.0.2.1"
    settings.TRUSTED_PROXIES = 1
    assert sign_in.address_of(request) == "198.51.100.7"


def test_signing_in_changes_the_session_and_is_logged(known: House) -> None:
    client = Client()
    client.get("/sign-in")
    client.post("/look", {"theme": "dark"})
    before = client.session.session_key
    assert before and attempt("risk", PASSWORD, client=client)
    assert client.session.session_key != before
    assert list(ActionLog.objects.filter(actor="risk").values_list("action", flat=True)) == ["sign_in"]
    attempt("risk", "no")
    assert ActionLog.objects.filter(action="sign_in.fail", actor="risk").count() == 1 and first_break() is None


@pytest.mark.parametrize("password", ["short-1", "1234567890123", "aaaaaaaaaaaa", "password123", "risk-manager-risk"])
def test_weak_passwords_are_refused(known: House, password: str) -> None:
    user = known.staff["risk"]
    user.username = "risk-manager"
    with pytest.raises(ValidationError):
        validate_password(password, user)
    validate_password("three-tides-a-day-7", user)


def test_the_life_of_a_token(known: House, capsys, monkeypatch) -> None:
    assert main(["token", "create", "risk", "nightly", "--days", "30"]) == 0
    text = capsys.readouterr().out.strip()
    ask = lambda: Client(headers={"authorization": f"Bearer {text}"}).get("/api/v1/loans").status_code  # noqa: E731
    assert text.startswith("tdo_") and ask() == 200
    token = ApiToken.objects.get()
    assert token.last_used_at is not None and text.encode() not in bytes(token.token_hash)
    assert main(["token", "create", "risk", "nightly"]) == 2
    assert main(["token", "list", "--json"]) == 0 and text not in capsys.readouterr().out
    later = tokens.now() + timedelta(days=31)
    monkeypatch.setattr(tokens, "now", lambda: later)
    assert ask() == 401
    monkeypatch.undo()
    assert ask() == 200 and main(["token", "revoke", "risk", "nightly"]) == 0 and ask() == 401
    assert main(["token", "revoke", "risk", "nightly"]) == 2
    actions = ActionLog.objects.filter(object_type="user").values_list("action", "object_id")
    assert list(actions) == [("token.create", "risk"), ("token.revoke", "risk")]


@pytest.mark.parametrize("words", [["nobody", "x"], ["borrower", "x"], ["risk", ""], ["risk", "x", "--days", "0"]])
def test_tokens_that_are_not_made(known: House, words: list[str]) -> None:
    assert main(["token", "create", *words]) == 2 and not ApiToken.objects.exists()


def test_a_closed_account_has_no_token(known: House) -> None:
    _, text = tokens.token_create("risk", "t", actor="x")
    known.staff["risk"].is_active = False
    known.staff["risk"].save()
    assert tokens.token_user(text) is None
