"""The key of personal fields is exchanged: everything stays readable and findable, killed half-way too; nothing in clear."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.exceptions import InvalidTag
from django.db import connection
from django.test import Client

from tests.databases import ROOT, book_fresh
from tests.factories import House
from tideover.cli import main
from tideover.core import crypto, doctor, keys
from tideover.core.business_time import now
from tideover.core.models import ActionLog, ApiToken
from tideover.core.tokens import token_hash
from tideover.lending.imports.convert import _handles
from tideover.lending.models import Party, Receipt

OLD, NEW = "the-old-secret-of-at-least-thirty-two-characters", "the-new-secret-of-at-least-thirty-two-characters"


@pytest.fixture
def old_house(db: None, settings, request: pytest.FixtureRequest) -> House:
    """A house whose people were registered under the old secret."""
    # The keys that last were made when the tests' database was, under the development secret.
    settings.TIDEOVER_FIELD_KEY, settings.TIDEOVER_FIELD_KEYS_ALSO = OLD, [settings.TIDEOVER_FIELD_KEY]
    return request.getfixturevalue("house")


def exchange(settings) -> None:
    settings.TIDEOVER_FIELD_KEY, settings.TIDEOVER_FIELD_KEYS_ALSO = NEW, [OLD, *settings.TIDEOVER_FIELD_KEYS_ALSO]


def raw(column: str) -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM lending_party ORDER BY id")
        return [bytes(v) for (v,) in cursor.fetchall()]


def test_what_is_sealed_says_its_key_and_opens_for_its_purpose_only(settings) -> None:
    settings.TIDEOVER_FIELD_KEY, settings.TIDEOVER_FIELD_KEYS_ALSO = OLD, []
    blob = crypto.seal(b"abc", "one")
    assert blob[:4] == crypto.key_id(OLD) != crypto.key_id(NEW) and b"abc" not in blob
    assert crypto.unseal(blob, "one") == b"abc"
    for broken in (blob[:-1], blob[:5] + bytes([blob[5] ^ 1]) + blob[6:], bytes(3)):
        with pytest.raises(InvalidTag):
            crypto.unseal(broken, "one")
    with pytest.raises(InvalidTag):
        crypto.unseal(blob, "two")
    settings.TIDEOVER_FIELD_KEY = NEW
    with pytest.raises(crypto.KeyUnknown):
        crypto.unseal(blob, "one")
    settings.TIDEOVER_FIELD_KEYS_ALSO = [OLD]
    assert crypto.unseal(blob, "one") == b"abc"
    with pytest.raises(InvalidTag):  # the key id is authenticated
        crypto.unseal(crypto.key_id(NEW) + blob[4:], "one")


def test_a_key_is_exchanged(old_house: House, settings, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    Receipt.objects.create(
        number="R1", entity=old_house.entity, party=old_house.borrower, amount_minor=1, unapplied_minor=1, payer_name="李明",
        received_on="2026-01-01", recorded_at=now(), idempotency_key="k", body_hash=bytes(32), actor="t",
    )  # fmt: skip
    handle = _handles(pa.array(["110101199001011234"]))[0].as_py()
    before = {c: raw(c) for c in ("name", "phone", "address", "name_hash", "phone_hash")}
    exchange(settings)
    risk = old_house.staff["risk"]
    ApiToken.objects.create(user=risk, name="t", token_hash=token_hash("secret"), created_at=now())

    def found() -> list[str]:
        body = json.dumps({"text": "199 0000 0001"})
        answer = client.post(
            "/api/v1/parties/search", body, content_type="application/json", headers={"Authorization": "Bearer secret"}
        )
        return [p["reference"] for p in answer.json()["items"]]

    assert found() == ["P-0001"]
    assert Party.objects.get(reference="P-0001").name == "李明"
    checks = {c.name: c for c in doctor.checks()}
    assert checks["field keys"].ok and "tideover keys rotate" in checks["field keys"].detail
    assert main(["keys", "status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["old"] > 0 and said["unknown"] == 0 and said["tables"]["lending_party"] == {crypto.key_id(OLD).hex(): 6}

    assert main(["keys", "rotate", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rotated"] == {"core_lastingkey": 2, "lending_party": 2, "lending_receipt": 1} and said["old"] == 0
    settings.TIDEOVER_FIELD_KEYS_ALSO = []  # the old one is gone
    keys.lasting_key.cache_clear()
    assert found() == ["P-0001"]
    party = Party.objects.get(reference="P-0001")
    assert (party.name, party.phone, party.address) == ("李明", "19900000001", "")
    assert (Receipt.objects.get().payer_name, bytes(party.phone_hash)) == ("李明", crypto.search_hash("19900000001"))
    assert _handles(pa.array(["110101199001011234"]))[0].as_py() == handle
    after = {c: raw(c) for c in before}
    assert after["address"] == before["address"] == [b"", b""], "empty stays empty"
    assert all(set(after[c]).isdisjoint(before[c]) for c in ("name", "phone"))
    assert all(after[c] == before[c] for c in ("name_hash", "phone_hash")), "rows that hold a hash alone must still be found"
    assert not any("李明".encode() in v or b"1990000" in v for v in [*after["name"], *after["phone"]])
    assert {c.name: c.ok for c in doctor.checks()}["field keys"]
    detail = ActionLog.objects.get(action="keys.rotate").detail
    assert detail == {"rows": said["rotated"]}
    assert main(["keys", "rotate"]) == 0 and "0 values under another key" in capsys.readouterr().out


def test_a_value_under_a_secret_that_is_not_set_is_named_and_left(old_house: House, settings, capsys) -> None:
    settings.TIDEOVER_FIELD_KEY = NEW
    before = raw("name")
    assert not {c.name: c.ok for c in doctor.checks()}["field keys"]
    assert main(["keys", "status"]) == 1 and "6 under none of its" in capsys.readouterr().out
    assert main(["keys", "rotate"]) == 1
    assert raw("name") == before


def test_two_secrets_of_one_row(old_house: House, settings) -> None:
    exchange(settings)
    party = old_house.borrower
    party.phone = "19911111111"
    party.hash_fields()
    party.save(update_fields=["phone", "phone_hash"])
    assert keys.rotate("t")["lending_party"] == 2
    settings.TIDEOVER_FIELD_KEYS_ALSO = []
    again = Party.objects.get(pk=party.pk)
    assert (again.phone, again.name, bytes(again.phone_hash)) == ("19911111111", "李明", crypto.search_hash("19911111111"))


def test_killed_half_way_is_harmless(tmp_path: Path) -> None:
    """A rotation killed after n statements, again and again, with every row read in between."""
    env = book_fresh(tmp_path, migrated=False) | {"TIDEOVER_FIELD_KEY": OLD, "NEW_KEY": NEW}
    command = [sys.executable, "-m", "tests.core.rotator"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["died"] >= 2 and said["wrong"] == ["[]"] * 5 and said["unknown"] == ["0"] * 5, said
    assert len(set(said["old"])) > 2 and said["old"][-1] == "0", f"too few attempts died half-way: {said}"
