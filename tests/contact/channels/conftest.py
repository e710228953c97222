from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.contact.channels.peers import Peer
from tideover.contact.channels.base import Outgoing


class Starts(Protocol):
    def __call__(self, name: str, *options: str) -> Peer: ...


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Starts]:
    running: list[Peer] = []

    def start(name: str, *options: str) -> Peer:
        running.append(Peer(name, tmp_path, *options))
        return running[-1]

    yield start
    for p in running:
        p.kill()


@pytest.fixture
def message():
    def make(n: int = 1, *, to: str = "13800000001", body: str = "您有一条新消息，请登录查看。", **more) -> Outgoing:
        fields = {
            "subject": "Tideover",
            "language": "zh-hans",
            "template_code": "SMS_1",
            "params": {"name": "李*"},
            "sign_name": "示例贷款",
        }
        return Outgoing(**{"id": n, "key": f"m{n}", "to": to, "body": f"{body}{n}", **fields, **more})

    return make
