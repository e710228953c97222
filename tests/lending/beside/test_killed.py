"""A worker killed at any point between a request and its reflection: each change is booked once, by the core and by us."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import House
from tests.lending.beside.test_instructions import Core, ask, core, overlay, rounds
from tideover.core.business_time import now
from tideover.engine.events import EventKind
from tideover.lending.beside import instructions, worker
from tideover.lending.beside.core_link import CoreLink
from tideover.lending.beside.instructions import instructions_work
from tideover.lending.models import Instruction, LoanEvent

__all__ = ["core", "overlay"]


class Killed(BaseException):
    """The end of the process."""


def _dies(*_args: Any, **_more: Any) -> Any:
    raise Killed


def _dies_after(real: Any) -> Any:
    def call(*args: Any, **more: Any) -> Any:
        real(*args, **more)
        raise Killed

    return call


POINTS = {
    "before it is marked": (instructions, "_send", _dies),
    "marked, before the core hears": (CoreLink, "send", _dies),
    "the core has it, before its answer is written": (CoreLink, "send", _dies_after(CoreLink.send)),
    "an answer read, not written": (instructions, "answer_apply", _dies),
    "the event written, not the state": (instructions, "standing_refresh", _dies),
    "asked after, the answer lost": (CoreLink, "ask", _dies_after(CoreLink.ask)),
}


@pytest.mark.parametrize("point", list(POINTS))
def test_killed_anywhere_it_is_booked_once(overlay: House, core: Core, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    rows = [ask(overlay, f"k{n}") for n in range(2)]
    if point.startswith("asked"):
        Instruction.objects.update(state="sent", attempts=1, sent_at=now())
    where, name, act = POINTS[point]
    with monkeypatch.context() as patched:
        patched.setattr(where, name, act)
        for n in range(4):  # a killed worker is started again, and killed again
            try:
                instructions_work(overlay.entity, link=core.link, at=now() + timedelta(minutes=3 * n))
            except Killed:
                continue
            time.sleep(0.15)
    rounds(overlay, core)
    assert sorted(core.booked()) == sorted(r.reference for r in rows)
    assert LoanEvent.objects.filter(contract=overlay.loan, kind=EventKind.CHARGE).count() == 2
    assert {r.state for r in Instruction.objects.all()} == {"confirmed"}


def test_the_worker_goes_on_until_nothing_moves(overlay: House, core: Core, settings: Any) -> None:
    settings.CORES = {"BANK": f"http://127.0.0.1:{core.port}"}
    row = ask(overlay)
    worker.run(once=True, parent=0, pause_s=0, stopped=lambda: False)
    row.refresh_from_db()
    assert row.state == "sent"
    time.sleep(0.3)
    assert worker.run(once=True, parent=0, pause_s=0, stopped=lambda: False).confirmed == 1
    assert worker.run(once=False, parent=1, pause_s=0, stopped=lambda: False).sent == 0, "ends with its parent"


@pytest.mark.soak
def test_workers_killed_as_processes_ask_for_nothing_twice(tmp_path: Path) -> None:
    """Sixty instructions, a core that confirms late, loses, drops and repeats; workers killed at random instants."""
    started = Core(tmp_path, "lose=0.1", "drop_after=0.15", "drop_before=0.1", "receipt_twice=0.2", "reject=0.1")
    env = {**os.environ, "TIDEOVER_HOME": str(tmp_path / "home"), "TIDEOVER_CORES": f"BANK=http://127.0.0.1:{started.port}"}
    world = [sys.executable, "-m", "tests.lending.beside.killed_world"]
    work = [sys.executable, "-m", "tideover.cli", "beside", "work"]
    try:
        subprocess.run([*world, "build", "60"], env=env, check=True)
        dice = random.Random(3)
        for _kill in range(8):
            pair = [subprocess.Popen(work, env=env, stderr=subprocess.DEVNULL) for _ in range(2)]
            time.sleep(dice.uniform(2, 6))
            for one in pair:
                one.kill()
                one.wait()
        started.faults()
        subprocess.run([*world, "settle"], env=env, check=True)
        told = subprocess.run([*world, "tell"], env=env, check=True, capture_output=True, text=True).stdout.split()
    finally:
        started.process.kill()
        started.process.wait()
    booked = Counter(started.booked())
    confirmed = {line.split("=")[0] for line in told if line.endswith("=confirmed:1")}
    rejected = {line.split("=")[0] for line in told if line.endswith("=rejected:0")}
    print(
        f"{len(told)} instructions: {len(confirmed)} confirmed, {len(rejected)} rejected, booked at most {max(booked.values())}x"
    )
    assert set(booked.values()) == {1} and set(booked) == confirmed
    assert len(confirmed) + len(rejected) == len(told) == 60
