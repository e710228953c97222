"""A known person is followed through pages, routes, logs, the database's bytes and the tapes: nowhere in the open."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.factories import House
from tests.web.test_api import client, post
from tests.web.test_api_book import ROWS, terms
from tests.web.test_pages import ADDRESSES, client_for
from tideover.core.access import PERMISSIONS
from tideover.core.action_log import first_break
from tideover.core.models import ActionLog, Role
from tideover.daily.close import close_day, tape_folder

PERSON = {
    "name": "欧阳试验", "id_number": "110101199003078515", "phone": "19912345678", "address": "望潮路九十九号",
    "payer": "上官付款",
}  # fmt: skip


def forms(text: str) -> list[bytes]:
    """A text as it could lie in bytes: plain, escaped in JSON, in UTF-16, in an address."""
    from urllib.parse import quote

    return [text.encode(), json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"), quote(text).encode()]


def told(where: bytes, *, but: tuple[str, ...] = ()) -> list[str]:
    return [key for key, text in PERSON.items() if key not in but and any(f in where for f in forms(text))]


@pytest.fixture
def toured(house: House, caplog: pytest.LogCaptureFixture) -> tuple[House, str, list[bytes]]:
    """The person registered, lent to, paying, searched for, closed; the reference, and every answer that was not a reveal."""
    caplog.set_level(logging.DEBUG)
    seen: list[bytes] = []

    def keep(response: Any) -> Any:
        content = b"".join(response.streaming_content) if response.streaming else response.content
        assert response.status_code in (200, 302, 403, 404, 422), content
        seen.append(content + str(dict(response.headers)).encode())
        return response

    lender, pay = client(house, "branch_head"), client(house)
    body = {k: PERSON[k] for k in ("name", "id_number", "phone", "address")} | {"kind": "person", "branch": "HZ"}
    reference = keep(post(lender, "/parties", body)).json()["reference"]
    keep(post(lender, "/parties", body))
    keep(post(lender, "/contracts", terms(house, number="T-7", borrower=reference)))
    money = {"party": reference, "entity": "BANK", "amount": "4060.00", "received_on": "2026-02-20", "source": "bank"}
    keep(post(pay, "/receipts", {**money, "payer_name": PERSON["payer"]}))
    for kind, row in ROWS.items():
        keep(post(lender, f"/{kind}", {"party": reference, "loan": "T-7", **row}))
    for text in (PERSON["name"], PERSON["phone"], PERSON["id_number"]):
        keep(post(lender, "/parties/search", {"text": text}))
        keep(client_for(house, "risk").post("/loans", {"find": text}))
    for path in ("loans/T-7", "loans/T-7/events", "loans/T-7/parties", f"parties/{reference}", "receipts", "holds"):
        keep(lender.get(f"/api/v1/{path}"))
    for role in house.staff:
        if role != Role.BORROWER:
            visitor = client_for(house, role)
            for name, address in ADDRESSES.items():
                if Role(role) in PERMISSIONS[name]:
                    keep(visitor.get(address.replace("T-1", "T-7").replace("P-0001", reference)))
    close_day(date(2026, 2, 21), today=date(2026, 4, 1))
    return house, reference, seen


def test_no_page_and_no_answer_shows_the_person_unmasked(toured: tuple[House, str, list[bytes]]) -> None:
    _, reference, seen = toured
    assert any(reference.encode() in s for s in seen)
    for answer in seen:
        assert told(answer) == [], answer[:300]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the bytes of the file are those of SQLite")
def test_the_bytes_of_the_database_do_not_hold_the_person(toured: tuple[House, str, list[bytes]]) -> None:
    raw = bytes(connection.connection.serialize())
    assert b"lending_party" in raw and toured[1].encode() in raw
    assert told(raw) == []


def test_the_logs_do_not_hold_the_person(toured: tuple[House, str, list[bytes]], caplog: pytest.LogCaptureFixture) -> None:
    lines = "\n".join(f"{r.getMessage()} {r.args}" for r in caplog.records if not r.name.startswith("django.db"))
    assert told(lines.encode()) == []
    entries = [f"{e.actor} {e.action} {e.object_type} {e.object_id} {json.dumps(e.detail)}" for e in ActionLog.objects.all()]
    assert told("\n".join(entries).encode()) == [] and first_break() is None


def test_the_tapes_do_not_hold_the_person(toured: tuple[House, str, list[bytes]]) -> None:
    import pyarrow.parquet as pq

    files = sorted(tape_folder(date(2026, 2, 21)).glob("*.parquet"))
    assert {f.name.split("-")[0] for f in files} >= {"loans", "transitions"}
    whole = b"".join(f.read_bytes() + str(pq.read_table(f).to_pylist()).encode() for f in files)
    assert b"T-7" in whole and told(whole) == []


def test_a_reveal_names_its_actor_and_its_reason(toured: tuple[House, str, list[bytes]]) -> None:
    house, reference, _ = toured
    whole = post(client(house, "counsellor"), f"/parties/{reference}/reveal", {"reason": "contact"})
    assert set(told(whole.content)) == set(PERSON) - {"payer"}
    entry = ActionLog.objects.latest("id")
    assert (entry.actor, entry.action, entry.object_id) == ("counsellor", "person.reveal", reference)


def test_every_write_names_its_actor_in_the_log(house: House) -> None:
    """Each POST that changes something adds entries, all of them by whoever sent it."""
    writes = {
        "underwriter": [("/contracts", terms(house, number="T-9"))],
        "payments": [
            ("/payments", {"loan": "T-1", "amount": "1.00", "effective_on": "2026-02-20", "idempotency_key": "w"}),
            ("/loans/T-1/events", {"kind": "payment", "amount": "1.00", "effective_on": "2026-02-20"}),
            ("/receipts", {"party": "P-0001", "entity": "BANK", "amount": "1.00", "received_on": "2026-02-25", "source": "bank"}),
        ],
        "complaints": [(f"/{kind}", {"party": "P-0001", **row}) for kind, row in ROWS.items()],
    }
    for role, sent in writes.items():
        c = client(house, role)
        for address, body in sent:
            before = ActionLog.objects.count()
            assert post(c, address, body).status_code == 200, address
            new = ActionLog.objects.order_by("id")[before:]
            assert new and {e.actor for e in new} == {role}, address
    assert first_break() is None


def test_a_changed_entry_of_the_log_is_found(house: House) -> None:
    client(house, "risk").get("/api/v1/loans/T-1")
    client_for(house, "risk").get("/loans/T-2")
    assert first_break() is None
    entry = ActionLog.objects.earliest("id")
    on = " ON core_actionlog" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER core_actionlog_no_update{on}")
    ActionLog.objects.filter(pk=entry.pk).update(actor="somebody")
    assert first_break() == entry.pk


@pytest.mark.parametrize("missing", ["TIDEOVER_SECRET_KEY", "TIDEOVER_FIELD_KEY"])
@pytest.mark.parametrize("value", ["", "short", "development"])
def test_production_does_not_start_with_secrets_of_development(missing: str, value: str, tmp_path: Path) -> None:
    good = {"TIDEOVER_SECRET_KEY": "s" * 40, "TIDEOVER_FIELD_KEY": "f" * 40}
    development = {
        "TIDEOVER_SECRET_KEY": "development-only-not-for-production-use",
        "TIDEOVER_FIELD_KEY": "development-only-field-encryption-key",
    }
    secret = development[missing] if value == "development" else value
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TIDEOVER_ENV": "production"}
    env |= {"TIDEOVER_HOME": str(tmp_path), **good, missing: secret}
    done = subprocess.run([sys.executable, "-c", "import tideover.web.settings"], env=env, capture_output=True, text=True)
    assert done.returncode != 0 and missing in done.stderr


def test_cookies_of_production_travel_encrypted_only(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TIDEOVER_ENV": "production"}
    env |= {
        "TIDEOVER_HOME": str(tmp_path),
        "TIDEOVER_SECRET_KEY": "s" * 40,
        "TIDEOVER_FIELD_KEY": "f" * 40,
        "TIDEOVER_HOOK_SECRET": "h" * 40,
        "TIDEOVER_DEBUG": "1",
    }
    ask = "import tideover.web.settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.DEBUG)"
    done = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "False"]


def test_a_session_ends_when_signing_out(house: House) -> None:
    c = Client()
    c.force_login(house.staff["risk"])
    key = c.session.session_key
    c.post("/sign-out")
    stale = Client()
    stale.cookies["sessionid"] = str(key)
    assert stale.get("/loans").status_code == 302
