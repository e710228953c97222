"""Print the path of a Chromium for the browser tests; exit 1 when there is none and none can be had.

Order: TIDEOVER_CHROMIUM; the system's own; the npm package @sparticuz/chromium, unpacked once under .cache/chromium (no root
needed); the one that `playwright install chromium` left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "chromium"
SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "@sparticuz/chromium@153.0.0"
TRIES, TIMEOUT_S = 2, 60
REST_S = 1800
"""A fetch that failed is not tried again for so long: the other test processes need not wait for it too."""
UNPACK = 'import c from "@sparticuz/chromium"; process.stdout.write(await c.executablePath());'


def system() -> str | None:
    """A Chromium on the path."""
    return next((found for name in SYSTEM if (found := shutil.which(name))), None)


def from_npm() -> str | None:
    """The npm package's binary, moved from the temporary folder where it unpacks itself to .cache/chromium."""
    kept = CACHE / "chromium"
    if kept.exists():
        return str(kept)
    if not (shutil.which("npm") and shutil.which("node")):
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes ask at once: the second finds what the first fetched
        if kept.exists():
            return str(kept)
        missed = CACHE / ".missed"
        if missed.exists() and time.time() - missed.stat().st_mtime < REST_S:
            return None
        found = _fetched(kept)
        missed.unlink(missing_ok=True) if found else missed.touch()
        return found


def _fetched(kept: Path) -> str | None:
    run = {"cwd": CACHE, "capture_output": True, "text": True, "check": False}
    install = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", ".", PACKAGE]
    for _ in range(TRIES):
        try:
            if not subprocess.run(install, **run, timeout=TIMEOUT_S).returncode:
                break
        except subprocess.TimeoutExpired:
            continue
    else:
        return None
    (CACHE / "unpack.mjs").write_text(UNPACK, encoding="utf-8")
    done = subprocess.run(["node", "unpack.mjs"], **run, env={**os.environ, "TMPDIR": str(CACHE), "AWS_EXECUTION_ENV": ""})
    path = Path(done.stdout.strip() or "missing")
    if done.returncode or not path.exists():
        return None
    if path != kept:
        shutil.move(path, kept)
    kept.chmod(0o755)
    return str(kept)


def from_playwright() -> str | None:
    """The browser that playwright installed."""
    try:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as p:
            path = p.chromium.executable_path
    except Exception:  # any failure means the same: not this one
        return None
    return path if path and Path(path).exists() else None


def find() -> str | None:
    """The first Chromium that exists."""
    return os.environ.get("TIDEOVER_CHROMIUM") or system() or from_npm() or from_playwright()


if __name__ == "__main__":
    found = find()
    if found is None:
        print("no Chromium: apt-get install chromium, or playwright install chromium", file=sys.stderr)
        raise SystemExit(1)
    print(found)
