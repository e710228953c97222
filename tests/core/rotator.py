"""Rotations that are killed (SIGKILL) after some statements: `python -m tests.core.rotator`, on an empty database.

Each runs in a process of its own; after each every row is read. The old secret is TIDEOVER_FIELD_KEY, the new one
NEW_KEY. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from tests.lending.test_two_writers import BUILD

MIGRATE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
CROWD = """
import django; django.setup()
from tests.factories import party
from tideover.lending.models import Branch
for n in range(60):
    party(f"P-{n + 100}", f"人{n}", Branch.objects.first(), f"1380000{n:04}")
"""
SAY = """
import django; django.setup()
from tideover.core import keys
from tideover.core.crypto import search_hash
from tideover.lending.models import Party
wrong = [p.reference for p in Party.objects.all() if bytes(p.phone_hash) not in [search_hash(p.phone)] or not p.name]
print(wrong, *keys.old_and_unknown(keys.status()), Party.objects.count())
"""


ROTATE = """
import os, signal
import django; django.setup()
from django.db import connection
from tideover.core import keys
keys.BATCH = 7
left = {last}
def count(execute, sql, params, many, context):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(sql, params, many, context)
with connection.execute_wrapper(count):
    keys.rotate("rotator")
"""


def python(code: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Build under the old secret, rotate to the new one in five attempts, of which the first ones die."""
    for code in (MIGRATE, BUILD, CROWD):
        if python(code, dict(os.environ)).returncode:
            raise SystemExit("no book to rotate")
    old, new = os.environ["TIDEOVER_FIELD_KEY"], os.environ["NEW_KEY"]
    env = {**os.environ, "TIDEOVER_FIELD_KEY": new, "TIDEOVER_FIELD_KEYS_ALSO": old}
    died, seen = 0, []
    for last in (8, 12, 16, 20, 0):
        died += python(ROTATE.format(last=last), env).returncode == -signal.SIGKILL
        seen.append(python(SAY, env).stdout.split())
    wrong, olds, unknown = ([s[k] for s in seen] for k in range(3))
    print(json.dumps({"died": died, "wrong": wrong, "old": olds, "unknown": unknown}))


if __name__ == "__main__":
    main()
