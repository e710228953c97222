"""Print the path of axe-core's script for the browser tests; exit 1 when it cannot be had.

Order: TIDEOVER_AXE; the npm package axe-core (MPL-2.0, used by tests only), kept once under .cache/axe.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "axe"
VERSION = "4.14.1"


def find() -> str | None:
    """The script, fetched when it is not here yet."""
    if given := os.environ.get("TIDEOVER_AXE"):
        return given
    kept = CACHE / VERSION / "node_modules" / "axe-core" / "axe.min.js"
    if not kept.exists() and shutil.which("npm"):
        folder = CACHE / VERSION
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", ".", f"axe-core@{VERSION}"]
        subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return str(kept) if kept.exists() else None


if __name__ == "__main__":
    found = find()
    if found is None:
        print("no axe-core: npm is needed to fetch it, or set TIDEOVER_AXE to axe.min.js", file=sys.stderr)
        raise SystemExit(1)
    print(found)
