"""Workers in processes of their own, killed (SIGKILL), against a gateway in another: nothing is sent twice, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contact.crew import POINTS
from tests.databases import ROOT, book_copy, book_fresh

KILLS = int(os.environ.get("TIDEOVER_OUTBOX_KILLS", "5"))
MESSAGES = 5 * KILLS


@pytest.fixture
def sink(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """A running gateway; the environment of the others."""
    command = [sys.executable, "-m", "tests.contact.sink", str(tmp_path), request.param, "5"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as peer:
        assert peer.stdout is not None
        port = peer.stdout.readline().strip()
        yield {"TIDEOVER_HOME": str(tmp_path), "SINK_PORT": port, "SINK_MODE": request.param}
        peer.kill()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A book with three messages that wait, made once and copied."""
    env = book_fresh(tmp_path_factory.mktemp("three"))
    done(crew(env, "build", 3))
    return env


def crew(env: dict[str, str], *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contact.crew", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err[-3000:]
    return out


def received(env: dict[str, str]) -> Counter[str]:
    """How often the gateway took each key."""
    path = Path(env["TIDEOVER_HOME"]) / "received.jsonl"
    return Counter(json.loads(line)["key"] for line in path.read_text("utf-8").splitlines()) if path.exists() else Counter()


def checked(env: dict[str, str], messages: int) -> dict[str, Any]:
    """End everything, and hold what the outbox says to what the gateway wrote down."""
    told = json.loads(done(crew(env, "finish")).splitlines()[-1])
    took = received(env)
    assert [k for k, n in took.items() if n > 1] == [], "sent twice"
    assert (told["messages"], told["open"], told["silent"]) == (messages, 0, 0), told
    assert set(told["delivered"]) == set(took), "what the gateway took is what the outbox calls delivered"
    assert all(key not in took for key, _reason in told["failed"]), told["failed"]
    return told


@pytest.mark.parametrize("sink", ["calm"], indirect=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_step_sends_nothing_twice(sink: dict[str, str], three: dict[str, str], point: str) -> None:
    env = book_copy(three, Path(sink["TIDEOVER_HOME"])) | sink
    killed = crew(env, "work-at", point)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    told = checked(env, 3)
    first_was_taken = point in ("in_flight", "after_answer", "before_end", "after_end")
    expected = 3 if first_was_taken or point.startswith("before_") else 2
    assert told["states"].get("delivered", 0) == expected, told
    assert told["recovered"] == (1 if point in ("after_mark", "in_flight", "after_answer", "before_end") else 0), told


@pytest.mark.parametrize("sink", ["faulty", "keyed"], indirect=True)
def test_killed_again_and_again_by_three_workers_against_a_faulty_gateway(sink: dict[str, str]) -> None:
    env = book_fresh(Path(sink["TIDEOVER_HOME"])) | sink
    done(crew(env, "build", MESSAGES))
    died = n = 0
    while died < KILLS and n < 6 * KILLS:
        workers = [crew(env, "work", 100 + n + k) for k in range(3)]
        n += 3
        for w in workers:
            err = w.communicate(timeout=120)[1]
            assert w.returncode in (0, -signal.SIGKILL), err[-3000:]
            died += w.returncode != 0
    told = checked(env, MESSAGES)
    assert died > 0 and told["states"].get("delivered", 0) > MESSAGES // 2, told
    if sink["SINK_MODE"] == "keyed":
        assert told["states"].get("unknown", 0) == 0
    print(json.dumps({"mode": sink["SINK_MODE"], "died": died, **{k: told[k] for k in ("states", "was_unknown", "tries")}}))
