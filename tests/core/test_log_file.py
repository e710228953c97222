"""The action log as a file: whole when nothing was touched, broken at the line that was; pages, export and REST."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House
from tests.web.test_api import client
from tests.web.test_pages import client_for
from tideover.cli import main
from tideover.core.action_log import log
from tideover.core.business_time import business_date
from tideover.core.log_file import entries, lines, verify
from tideover.core.models import ActionLog

Change = Callable[[list[str]], list[str]]


def changed(n: int, **words: Any) -> Change:
    return lambda text: [json.dumps({**json.loads(line), **words}) if i == n else line for i, line in enumerate(text)]


@pytest.fixture
def text(db: None) -> list[str]:
    for n in range(6):
        log(f"人{n % 2}", "t.act", "thing", str(n), {"n": n, "who": "李"})
    return list(lines(entries()))


def test_a_file_is_whole_and_a_part_of_it_too(text: list[str]) -> None:
    assert verify(text).count == 6 and verify(text).broken == [] and verify(text[2:5]).broken == []


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (changed(2, actor="x"), 3, "was changed"),
        (changed(2, detail={}), 3, "was changed"),
        (changed(2, at="2026-01-01T00:00:00+00:00"), 3, "was changed"),
        (lambda t: t[:2] + t[3:], 3, "does not follow"),
        (lambda t: [t[1], t[0], *t[2:]], 2, "does not follow"),
        (lambda t: [*t[:3], t[2], *t[3:]], 4, "does not follow"),
        (lambda t: [*t[:1], "junk", *t[1:]], 2, "not a line"),
        (lambda t: [*t[:1], "[]", *t[1:]], 2, "not a line"),
        (changed(2, prev_hash="zz"), 3, "not a line"),
    ],
)
def test_a_file_that_was_touched_is_broken_there(text: list[str], change: Change, line: int, words: str) -> None:
    found = verify(change(text)).broken
    assert found and found[0][0] == line and words in found[0][1]


def test_commands_export_and_verify(text: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, today = tmp_path / "log.jsonl", business_date().isoformat()
    assert main(["log", "export", "--from", today, "--to", today, "-o", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 6
    assert main(["log", "verify", str(file)]) == 0
    assert ActionLog.objects.order_by("-pk")[0].action == "log.export"
    file.write_text(file.read_text(encoding="utf-8").replace("t.act", "t.fact", 1), encoding="utf-8")
    assert main(["log", "verify", str(file), "--json"]) == 1
    assert main(["log", "verify", str(tmp_path / "none")]) == 2
    assert main(["log", "export", "--from", "2026-02-01", "--to", "2026-01-01"]) == 2


def test_pages_filter_show_the_chain_and_export(house: House) -> None:
    for n in range(3):
        log("ann", "t.one" if n else "t.two", "thing", f"X-{n}")
    c, today = client_for(house, "auditor"), business_date()
    assert "X-1" in c.get("/action-log?action=t.one").content.decode()
    assert "X-0" not in c.get("/action-log?action=t.one").content.decode()
    assert "X-0" in c.get("/action-log?action=t.&actor=ann").content.decode()
    assert "X-0" not in c.get(f"/action-log?first={today + timedelta(days=1)}").content.decode()
    assert c.get("/action-log?first=soon").status_code == 422
    assert "all " in c.get("/action-log?check=all").content.decode()
    entry = ActionLog.objects.get(object_id="X-1")
    page = c.get(f"/action-log/{entry.pk}").content.decode()
    assert bytes(entry.hash).hex() in page and "does not fit" not in page
    assert c.get("/action-log/999999").status_code == 404
    text = b"".join(c.get("/action-log/export?as=jsonl").streaming_content).decode().splitlines()
    assert verify(text).broken == [] and len(text) == ActionLog.objects.count() - 1, "all but its own entry"
    table = b"".join(c.get("/action-log/export?as=csv&actor=ann").streaming_content).decode().splitlines()
    assert len(table) == 4 and table[0].startswith("id,at,actor")
    assert client_for(house, "engineer").get("/action-log/export").status_code == 403


def test_rest_pages_are_one_chain(house: House) -> None:
    for n in range(5):
        log("=ann", "t.one", "thing", f"X-{n}")
    c, found, cursor = client(house, "compliance"), [], 0
    while cursor is not None:
        page = c.get(f"/api/v1/action-log?limit=3&cursor={cursor}").json()
        found, cursor = found + page["items"], page["next_cursor"]
    assert all(b["prev_hash"] == a["hash"] for a, b in itertools.pairwise(found))
    number = found[-1]["id"]
    assert c.get(f"/api/v1/action-log/{number}").json() == found[-1]
    assert c.get("/api/v1/action-log/0").status_code == 404 and client(house, "risk").get("/api/v1/action-log").status_code == 403
