"""A lender with many loans behind a real server on loopback, for the benchmarks that ask over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def environment(home: str) -> dict[str, str]:
    """SQLite in `home`, unless TIDEOVER_DATABASE names a (fresh) PostgreSQL."""
    database = os.environ.get("TIDEOVER_DATABASE", "")
    return {
        **os.environ,
        "TIDEOVER_HOME": home,
        "DJANGO_SETTINGS_MODULE": "tideover.web.settings",
        "TIDEOVER_DATABASE": database if database.startswith("postgres") else "",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }


def built(home: str, loans: int) -> None:
    """Write the book, unless `home` holds one of this size from a run before."""
    env, mark = environment(home), Path(home, f"book-{loans}")
    if mark.exists() and not env["TIDEOVER_DATABASE"]:
        return
    Path(home, "static").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "bench._book", str(loans)], env=env, check=True, cwd=ROOT)
    mark.touch()


@contextmanager
def served(home: str) -> Iterator[tuple[int, int]]:
    """The site of a book; gives (port, process id of the server)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--blocking-threads", "2", "--log-level", "error", "tideover.web.wsgi:application"]
    server = subprocess.Popen(command, env=environment(home), cwd=ROOT)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def peak_bytes(pid: int) -> int:
    """Peak memory of the server's biggest process (bytes)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = []
    for p in [str(pid), *children]:
        lines = Path(f"/proc/{p}/status").read_text().splitlines()
        sizes += [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return max(sizes)


def cpu_seconds(pid: int) -> float:
    """CPU time of the server so far, all its processes (seconds): a busy machine does not change it much."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for p in [str(pid), *children]:
        fields = Path(f"/proc/{p}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / ticks


def machine() -> str:
    """What a figure was measured on."""
    import platform

    database = "PostgreSQL" if os.environ.get("TIDEOVER_DATABASE", "").startswith("postgres") else "SQLite"
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, {database}"
