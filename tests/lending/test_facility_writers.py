"""Two processes draw on one facility at once: it is drawn to its limit and never past it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

BUILD = """
import django; django.setup()
from datetime import date
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.factories import house_build
from tideover.lending.services import facility_open
h = house_build()
facility_open(number="F-1", party=h.borrower, entity=h.entity, limit_minor=1_050_000, opened_on=date(2026, 1, 1),
    expires_on=date(2027, 1, 1), actor="t")
"""
CHECK = """
import django; django.setup()
from tideover.lending.models import Contract, Facility
from tideover.lending.selectors import facility_available
print(Contract.objects.filter(facility__number="F-1").count(), facility_available(Facility.objects.get()))
"""


def own(url: str, name: str = "facility_writers") -> str:
    """The address of a fresh PostgreSQL database beside the given one."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


def test_two_processes_one_facility(tmp_path: Path) -> None:
    env = {**os.environ, "TIDEOVER_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "tideover.web.settings"}
    url = env.get("TIDEOVER_DATABASE", "")
    env["TIDEOVER_DATABASE"] = own(url) if url.startswith("postgres") else f"sqlite:///{tmp_path / 'book.sqlite3'}"
    subprocess.run([sys.executable, "-c", BUILD], env=env, check=True)
    drawers = [
        subprocess.Popen([sys.executable, "-m", "tests.lending.drawer", name, "8"], env=env, stderr=subprocess.PIPE, text=True)
        for name in ("ann", "ben")
    ]
    errors = [d.communicate(timeout=120)[1] for d in drawers]
    assert [d.returncode for d in drawers] == [0, 0], errors
    said = subprocess.run([sys.executable, "-c", CHECK], env=env, check=True, capture_output=True, text=True).stdout.split()
    assert said == ["10", "50000"]
