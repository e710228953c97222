"""Start outside parties as processes, and read what reached people from their records."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Peer:
    """One process of tideover.sandbox. `port`; `lines()`: what people received; `faults({...})` changes its faults."""

    def __init__(self, name: str, folder: Path, *options: str) -> None:
        self.name, self.port, self.control = name, free_port(), free_port()
        self.record = folder / f"{name}.jsonl"
        self.options = options
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", f"tideover.sandbox.{self.name}", "--port", str(self.port)]
        command += ["--control", str(self.control), "--record", str(self.record), *self.options]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "src")}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        assert "listens" in said, said + self.process.stderr.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def say(self, **line: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def faults(self, chances: dict[str, float]) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.control}/faults", json.dumps(chances).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(x) for x in self.record.read_text("utf-8").splitlines()] if self.record.exists() else []

    def doubled(self) -> int:
        """How many messages a person received more than once, by what they saw: recipient and text."""
        seen = Counter((line["to"], line["text"]) for line in self.lines())
        return sum(1 for n in seen.values() if n > 1)


def wait_for(what: Any, seconds: float = 5.0) -> Any:
    """The first true answer of `what()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if got := what():
            return got
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")
