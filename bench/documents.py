"""Documents a second: from the journal to a numbered, sealed PDF/A, one after the other in one process on SQLite.

Run: python -m bench.documents [--loans N]. `against`: setting alone, the same pages by typst from values that are ready (the bare
work that cannot be saved), and long tables by themselves. Figures in documents/s.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from datetime import date, timedelta
from typing import Any

ROWS = (60, 400)


def run(loans: int = 60) -> dict[str, Any]:
    """Issue a balance statement and a contract of each loan in both languages."""
    with tempfile.TemporaryDirectory(prefix="tideover-bench-") as home:
        os.environ |= {"TIDEOVER_HOME": home, "TIDEOVER_DATABASE": ""}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tideover.web.settings")
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        return _run(loans)


def _run(loans: int) -> dict[str, Any]:
    from tideover.core.business_time import business_date
    from tideover.core.models import Document
    from tideover.lending.documents import loan_document_issue
    from tideover.lending.models import Contract
    from tideover.simulate.book import build

    build(loans, business_date(), 7, quiet=True)
    contracts = list(Contract.objects.select_related("product", "entity", "branch", "borrower").order_by("pk"))
    before, started = Document.objects.count(), time.perf_counter()
    for c in contracts:
        for kind in ("balance_statement", "contract"):
            for language in ("zh-hans", "en"):
                loan_document_issue(c, kind, language=language, actor="bench")
    seconds, made = time.perf_counter() - started, Document.objects.count() - before
    rate = made / seconds
    bare, total = _bare(list(Document.objects.order_by("-pk")[:made]))
    against = {"setting alone": {"rate": bare, "ratio": rate / bare}}
    against |= {f"contract of {n} rows": {"rate": (r := _long(n)), "ratio": rate / r} for n in ROWS}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "bench": "documents", "rate": rate, "unit": "documents/s", "seconds": seconds, "peak_rss_bytes": peak, "made": made,
        "bytes_a_document": total // made, "against": against,
    }  # fmt: skip


def _bare(made: list[Any]) -> tuple[float, int]:
    """(documents/s of typst alone over the same values, bytes of all of them)."""
    from tideover.core.documents.kinds import kind_of, template_of
    from tideover.core.documents.render import render

    ready = [(template_of(kind_of(d.kind), d.language), json.loads(d.data), d.issued_at) for d in made]
    started = time.perf_counter()
    total = sum(len(render(template, values, at)[0]) for template, values, at in ready)
    return len(made) / (time.perf_counter() - started), total


def _long(rows: int) -> float:
    """Contracts/s with a schedule of so many rows, Chinese."""
    from tideover.core.documents.kinds import kind_of, template_of
    from tideover.core.documents.render import render
    from tideover.core.documents.values import Amount, plain
    from tideover.core.models import Document

    d = Document.objects.filter(kind="contract", language="zh-hans").latest("pk")
    values, template = json.loads(d.data), template_of(kind_of("contract"), "zh-hans")
    names = ("principal", "interest", "total", "balance")
    lines = [
        {"nr": n, "due_on": (date(2026, 1, 1) + timedelta(days=30 * n)).isoformat(), **{k: Amount(n * 1000) for k in names}}
        for n in range(rows)
    ]
    values["data"]["rows"] = plain(lines, "zh-hans")
    started, count = time.perf_counter(), 10
    for n in range(count):
        values["meta"]["number"] = f"LC-{n}"
        render(template, values, d.issued_at)
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--loans", type=int, default=60)
    print(json.dumps(run(p.parse_args().loans), indent=1))
