"""The demo's gateways: peers that answer, settings that lead to them, and an end with their parent."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.contact.channels.peers import wait_for
from tideover.simulate.gateways import ADDRESSES, peers_start, ports_choose


def test_peers_listen_where_the_settings_lead(tmp_path: Path, monkeypatch) -> None:
    for channel in ADDRESSES:
        monkeypatch.setenv(f"TIDEOVER_{channel}", "")
    ports = ports_choose(tmp_path)
    started = peers_start(ports, tmp_path, "http://127.0.0.1:1")
    try:
        for name, port in ports.items():
            socket.create_connection(("127.0.0.1", port), 2).close()
            assert any(f":{port}" in os.environ[f"TIDEOVER_{channel}"] for channel in ADDRESSES), name
        assert (tmp_path / "returned-mail" / "new").is_dir()
    finally:
        for process in started:
            process.terminate()
            process.wait()


def test_a_peer_ends_with_its_parent(tmp_path: Path) -> None:
    code = "import subprocess, sys, os; a = [sys.executable, '-m', 'tideover.sandbox.smsc', '--port', '0', '--parent']; "
    code += "p = subprocess.Popen([*a, str(os.getpid())], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE); "
    code += "p.stderr.readline(); print(p.pid)"
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"

    wait_for(gone, 5)
