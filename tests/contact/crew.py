"""Processes of the outbox's fault tests: `python -m tests.contact.crew COMMAND …`; SINK_PORT and SINK_MODE in the environment.

build N: a house and N queued messages. work SEED: a worker that dies by itself at a random call. work-at POINT: one that dies at
a step, the first time that it comes there. finish: rounds with a clock that runs ahead, until every message has ended.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()


from tests.factories import house_build, loan, party
from tideover.contact.channels.base import DeliveryState, Outgoing, Quiet, Report, SendResult, SendState
from tideover.contact.message_templates import templates_seed
from tideover.contact.models import Message
from tideover.contact.outbox import message_queue, outbox_work, work
from tideover.contact.outbox.work import Gateways
from tideover.contact.rules.model import Channel, Purpose
from tideover.core.business_time import now

POINTS = ("before_gate", "before_mark", "after_mark", "in_flight", "after_answer", "before_end", "after_end")


class SinkAdapter(Quiet):
    """The HTTP client of tests/contact/sink.py."""

    name = "test"

    def __init__(self) -> None:
        self.port, self.idempotent = int(os.environ["SINK_PORT"]), os.environ["SINK_MODE"] == "keyed"

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.request(method, path, None if body is None else json.dumps(body))
            return json.loads(link.getresponse().read())
        finally:
            link.close()

    def send(self, m: Outgoing) -> SendResult:
        try:
            said = self._ask("POST", "/", {"key": m.key})
        except (OSError, http.client.HTTPException, ValueError) as error:
            return SendResult(SendState.UNKNOWN, reason=type(error).__name__)
        return SendResult(SendState(said["state"]), said.get("id", ""), said.get("reason", ""))

    def inquire(self, m: Outgoing, provider_id: str, sent_at: datetime) -> Report | None:
        said = self._ask("GET", f"/inquire/{m.key}")
        return Report(DeliveryState(said["state"]), now(), said["id"], m.key)

    def reports(self) -> Iterable[Report]:
        for r in self._ask("GET", "/reports"):
            yield Report(DeliveryState(r["state"]), datetime.fromtimestamp(r["at"], UTC), provider_id=r["id"])


def gateways() -> Gateways:
    return Gateways(lambda channel: SinkAdapter())


def build(count: int) -> None:
    """Answers to requests: the gate lets them pass at any hour, so that the test may run at night."""
    house, at = house_build(), now()
    templates_seed(at.date() - timedelta(days=1), actor="test")
    for n in range(count):
        who = party(f"P-9{n:03}", f"人{n}", house.branch, f"1980000{n:04}") if n % 3 == 0 else who  # noqa: F821
        contract = loan(f"M-{n}", who, house.branch)
        message_queue(
            party=who, contracts=[contract], channel=Channel.SMS, purpose=Purpose.REPLY, template="dispute.received",
            values={"answer_by": at.date()}, at=at, key=f"m{n}", actor="test",
        )  # fmt: skip


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work_randomly(seed: int) -> None:
    """Rounds until nothing is due, dying at the N-th call."""
    left = random.Random(seed).randrange(2_000, 120_000)

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal left
        if event in ("call", "c_call"):
            left -= 1
            if left <= 0:
                die()

    sys.setprofile(count)
    rounds()


def work_at(point: str) -> None:
    """A worker that dies at one step of sending."""
    before, after = point.split("_", 1)
    wrapped: dict[str, tuple[Any, str]] = {
        "gate": (work, "gate_ask"), "mark": (work, "_begin"), "answer": (SinkAdapter, "send"), "end": (work, "_end"),
        "flight": (SinkAdapter, "_ask"),
    }  # fmt: skip
    owner, name = wrapped[after]
    plain = getattr(owner, name)

    def dying(*args: Any, **more: Any) -> Any:
        if before == "before":
            die()
        made = plain(*args, **more)
        if before == "in" and args[1] != "POST":
            return made
        die()
        return made

    setattr(owner, name, dying)
    rounds()


def rounds() -> None:
    lines = gateways()
    while outbox_work(7, now(), gateways=lines).any():
        pass


def finish() -> dict[str, Any]:
    """Let time pass, ten minutes a round, until everything has ended."""
    lines, at = gateways(), now() + timedelta(minutes=3)
    for _ in range(900):
        outbox_work(200, at, gateways=lines)
        if not Message.objects.filter(final_at=None).exists():
            break
        at += timedelta(minutes=10)
    states: dict[str, int] = {}
    for m in Message.objects.all():
        states[m.state] = states.get(m.state, 0) + 1
    silent = Message.objects.filter(reason="").count()
    return {
        "messages": Message.objects.count(), "states": states, "silent": silent,
        "open": Message.objects.filter(final_at=None).count(),
        "was_unknown": Message.objects.filter(events__state="unknown").distinct().count(),
        "recovered": Message.objects.filter(events__what="recovered").distinct().count(),
        "failed": list(Message.objects.filter(state="failed").values_list("key", "reason")),
        "delivered": list(Message.objects.filter(state="delivered").values_list("key", flat=True)),
        "tries": sum(Message.objects.values_list("tries", flat=True)),
        "contacts": Message.objects.exclude(contact_record=None).count(),
    }  # fmt: skip


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", count]:
            build(int(count))
        case ["work", seed]:
            work_randomly(int(seed))
        case ["work-at", point]:
            work_at(point)
        case ["finish"]:
            print(json.dumps(finish()))
