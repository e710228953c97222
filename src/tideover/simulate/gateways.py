"""Gateways for a demo without the real ones: the sandbox's peers as processes, and settings that lead the channels to them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

PEERS = {"smsc": "SMS", "mail_server": "EMAIL", "messengers": "AI_CALL", "bank": "BANK", "core_bank": "CORES"}
CORE_FILES = "core-files"
"""The folder under home into which the demo's core writes its daily files."""
ADDRESSES = {
    "SMS": "smpp://demo:secret08@127.0.0.1:{smsc}?source=1069",
    "EMAIL": "smtp://127.0.0.1:{mail_server}?from=demo%40lender.example&tls=no&bounces={box}",
    "AI_CALL": "robot+http://demo:test-secret@127.0.0.1:{messengers}",
    "WECOM": "wecom+http://demo:test-secret@127.0.0.1:{messengers}?agent=1",
    "BANK": "http://127.0.0.1:{bank}",
    "CORES": "VILLAGE=http://127.0.0.1:{core_bank}",
    "MINI_PROGRAM": "miniprogram+http://demo:test-secret@127.0.0.1:{messengers}",
}


def ports_choose(home: Path) -> dict[str, int]:
    """Choose a free port for each peer and write the channels' settings into the environment; call it before Django is set up."""
    ports = {}
    for name in PEERS:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports[name] = probe.getsockname()[1]
    for channel, address in ADDRESSES.items():
        os.environ[f"TIDEOVER_{channel}"] = address.format(**ports, box=home / "returned-mail")
    return ports


def _ledger(files: list[Path]) -> list[str]:
    """The newest balances are the core's ledger."""
    return ["--ledger", str(files[-1])] if files else []


def peers_start(ports: dict[str, int], home: Path, site: str) -> list[subprocess.Popen[bytes]]:
    """Start the peers; they end with this process. What people received lies in home/received-NAME.jsonl."""
    from tideover.contact.channels.hooks import hook_token

    ledgers = sorted((home / CORE_FILES).glob("balances-*.csv"))
    more = {
        "core_bank": ["--files", str(home / CORE_FILES), "--receipt-after", "20", *_ledger(ledgers)],
        "bank": ["--folder", str(home / "debits"), "--answer-after", "2"],
        "mail_server": ["--bounces", str(home / "returned-mail")],
        "messengers": ["--receipts", f"{site}/hooks/robot/{hook_token('robot')}/calls"],
    }
    started = []
    for name, port in ports.items():
        command = [sys.executable, "-m", f"tideover.sandbox.{name}", "--port", str(port), "--parent", str(os.getpid())]
        command += ["--record", str(home / f"received-{name}.jsonl"), *more.get(name, [])]
        started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE))
    for process in started:
        assert process.stderr is not None
        if b"listens" not in (said := process.stderr.readline()):
            raise RuntimeError(f"a peer did not start: {said.decode()}{process.stderr.read().decode()}")
    print(f"gateways of the sandbox: what people receive is written to {home}/received-*.jsonl", flush=True)
    return started
